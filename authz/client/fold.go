package client

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// fold is the SHA-256 over all that is kept of a registration: two with the same
// fold are one. The order of redirect URIs does not count.
func fold(c store.Client) store.Hash {
	h := sha256.New()
	for _, list := range [][]string{
		{c.Kind, c.Profile, c.Name, c.AuthMethod, c.Scope, c.ApplicationType, c.SoftwareID, c.SoftwareVersion},
		slices.Sorted(slices.Values(c.RedirectURIs)),
		c.GrantTypes,
	} {
		length(h, len(list))
		for _, text := range list {
			length(h, len(text))
			_, _ = h.Write([]byte(text)) // a hash never fails
		}
	}
	return store.Hash(h.Sum(nil))
}

// length keeps lists apart that are the same bytes in a row.
func length(h hash.Hash, n int) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// portless returns redirect URIs without the ports of loopback addresses, which
// do not count (RFC 8252 §7.3) and which many assistants choose anew each time,
// without repetition.
func portless(redirects []string) []string {
	kept := make([]string, 0, len(redirects))
	for _, uri := range redirects {
		kept = union(kept, []string{oauth.WithoutLoopbackPort(uri)})
	}
	return kept
}

// origin says how far a registration is one that the product itself makes. It
// decides which budget a new one is charged to, so that a flood of one kind
// leaves room for the others.
type origin int

const (
	// plain registrations hold nothing but what the profile knows.
	plain origin = iota
	// named ones are under the product's own name, with texts of the sender's.
	named
	// strange ones are under another name.
	strange
)

func originOf(c store.Client, p Profile) origin {
	switch {
	case c.Name != p.Name:
		return strange
	case c.SoftwareID != "" || c.SoftwareVersion != "" || slices.Contains(p.LoopbackPaths, AnyPath):
		return named
	}
	return plain
}

// budget names the budget of an origin at a profile.
func (o origin) budget(profile string) string {
	return "registration " + profile + " " + [...]string{"plain", "named", "strange"}[o]
}
