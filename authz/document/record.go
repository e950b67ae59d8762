package document

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Kind marks client rows that stand for a metadata document.
const Kind = store.KindDocument

// record returns the row of a document for the profile that lists its URL. The
// URL proves which product it is, so people see the name that the profile gives
// it; the document's own proves nothing.
func (d Document) record(profile, name string) store.Client {
	return store.Client{
		ID: d.ID, Kind: Kind, Profile: profile, Name: name, RedirectURIs: d.RedirectURIs, GrantTypes: d.GrantTypes,
		AuthMethod: methodNone, ApplicationType: d.ApplicationType, MetadataHash: d.hash(),
	}
}

// hash is the SHA-256 over what consent depends on: name, redirect URIs,
// authentication and keys. Their order in the document does not matter.
func (d Document) hash() store.Hash {
	h := sha256.New()
	field(h, d.Name)
	for _, uri := range slices.Sorted(slices.Values(d.RedirectURIs)) {
		field(h, uri)
	}
	field(h, "") // ends the list: a redirect URI is never empty
	field(h, methodNone)
	field(h, d.Keys)
	return store.Hash(h.Sum(nil))
}

// field writes s with its length before it, so that no two lists of fields are
// the same bytes.
func field(h hash.Hash, s string) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s)))) // a hash never fails
	_, _ = h.Write([]byte(s))
}

// sameRow says whether two rows have the same content, whenever they were
// written.
func sameRow(a, b store.Client) bool {
	return a.Kind == b.Kind && a.MetadataHash == b.MetadataHash && a.ID == b.ID && a.Profile == b.Profile && a.Name == b.Name &&
		slices.Equal(a.RedirectURIs, b.RedirectURIs) && slices.Equal(a.GrantTypes, b.GrantTypes) &&
		a.AuthMethod == b.AuthMethod && a.ApplicationType == b.ApplicationType
}

// changes names the members in which two documents differ, in a fixed order.
func (d Document) changes(other Document) []string {
	var changed []string
	for _, member := range []struct {
		name string
		same bool
	}{
		{"client_name", d.Name == other.Name},
		{"redirect_uris", sameSet(d.RedirectURIs, other.RedirectURIs)},
		{"grant_types", sameSet(d.GrantTypes, other.GrantTypes)},
		{"application_type", d.ApplicationType == other.ApplicationType},
		{"jwks", d.Keys == other.Keys},
	} {
		if !member.same {
			changed = append(changed, member.name)
		}
	}
	return changed
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
