package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrDamaged says that a stored key document is not what this package wrote.
// It has to be restored from a copy; only an operator may decide to remove it.
var ErrDamaged = errors.New("key document is damaged")

// purpose is what the keys of one document are for.
type purpose string

const (
	purposeMAC     purpose = "mac"
	purposeSeal    purpose = "seal"
	purposeSigning purpose = "signing"
)

// documentVersion is what is written. Documents of version 1, which knew no
// rotation, are read too: each of their keys is in use without end.
const (
	documentVersion = 2
	firstVersion    = 1
)

// maxKeys bounds a document. A rotation drops what is no longer accepted, so
// that only many forced ones come near it.
const maxKeys = 32

// document is the stored form of the keys of one purpose.
type document struct {
	Version int     `json:"version"`
	Purpose purpose `json:"purpose"`
	Keys    []entry `json:"keys"`
}

// entry is one key of a document. The times say everything about its part in a
// rotation, so that nothing has to be written when one comes: every node reads
// the same times and acts by its clock.
type entry struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// UseFrom is when the key takes over from the one before it. It is published
	// from the start.
	UseFrom time.Time `json:"use_from,omitzero"`
	// AcceptUntil is when the key is no longer published; zero for the newest.
	AcceptUntil time.Time `json:"accept_until,omitzero"`
	// State is "active" in a document of version 1, and absent since.
	State string         `json:"state,omitzero"`
	JWK   jsontext.Value `json:"jwk"`
}

// key is an entry whose key material was checked.
type key struct {
	id          string
	alg         string // JOSE name; "" for the symmetric keys
	created     time.Time
	useFrom     time.Time
	acceptUntil time.Time // zero: without end
	material    any       // []byte, ed25519.PrivateKey or *ecdsa.PrivateKey
	entry       entry
}

// parse checks a whole document. No error holds any of its text: a document is
// secret even when it is damaged.
func parse(raw []byte, want purpose) ([]key, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: not the expected JSON", ErrDamaged)
	}
	switch {
	case doc.Version != documentVersion && doc.Version != firstVersion:
		return nil, fmt.Errorf("%w: version %d, want %d", ErrDamaged, doc.Version, documentVersion)
	case doc.Purpose != want:
		return nil, fmt.Errorf("%w: its keys are for another purpose than %q", ErrDamaged, want)
	case len(doc.Keys) == 0:
		return nil, fmt.Errorf("%w: no keys", ErrDamaged)
	case len(doc.Keys) > maxKeys:
		return nil, fmt.Errorf("%w: more than %d keys", ErrDamaged, maxKeys)
	}
	keys := make([]key, 0, len(doc.Keys))
	ids := make(map[string]bool, len(doc.Keys))
	for i, e := range doc.Keys {
		k, err := e.open(want, doc.Version)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", ErrDamaged, i+1, err)
		}
		if ids[k.id] {
			return nil, fmt.Errorf("%w: key %d: its id is used twice", ErrDamaged, i+1)
		}
		ids[k.id] = true
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b key) int { return a.useFrom.Compare(b.useFrom) })
	for _, alg := range algorithms(want) {
		if err := checkSuccession(keys, alg); err != nil {
			return nil, fmt.Errorf("%w: algorithm %q: %w", ErrDamaged, alg, err)
		}
	}
	return keys, nil
}

// checkSuccession makes sure that at any time there is exactly one key to use,
// and that it is accepted as long as it is used. keys are ordered by useFrom.
func checkSuccession(keys []key, alg string) error {
	var last *key
	for i := range keys {
		next := &keys[i]
		if next.alg != alg {
			continue
		}
		if last != nil {
			switch {
			case !next.useFrom.After(last.useFrom):
				return errors.New("two keys are used from the same time")
			case last.acceptUntil.IsZero():
				return errors.New("a key has a successor and no end")
			case last.acceptUntil.Before(next.useFrom):
				return errors.New("a key ends before its successor begins")
			}
		}
		last = next
	}
	if last == nil {
		return errors.New("no key")
	}
	if !last.acceptUntil.IsZero() {
		return errors.New("the newest key has an end")
	}
	return nil
}

// algorithms lists the algorithms for which a document has keys.
func algorithms(p purpose) []string {
	if p == purposeSigning {
		return []string{EdDSA, ES256}
	}
	return []string{""}
}

func (e entry) open(p purpose, version int) (key, error) {
	if e.CreatedAt.IsZero() {
		return key{}, errors.New("no creation time")
	}
	switch {
	case version == firstVersion && (e.State != "active" || !e.UseFrom.IsZero() || !e.AcceptUntil.IsZero()):
		return key{}, errors.New("not an active key of version 1")
	case version == firstVersion:
		e.State, e.UseFrom = "", e.CreatedAt
	case e.State != "":
		return key{}, errors.New("a state, which is of version 1")
	case e.UseFrom.IsZero():
		return key{}, errors.New("no time from which it is used")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(e.JWK); err != nil {
		return key{}, errors.New("not a JSON Web Key")
	}
	k := key{
		id: e.ID, alg: jwk.Algorithm, created: e.CreatedAt, useFrom: e.UseFrom, acceptUntil: e.AcceptUntil,
		material: jwk.Key, entry: e,
	}
	if e.ID == "" || jwk.KeyID != e.ID {
		return key{}, errors.New("the ids of the key and of its entry differ")
	}
	if p == purposeSigning {
		return k, k.checkSigning()
	}
	if secret, ok := jwk.Key.([]byte); !ok || len(secret) != secretSize || k.alg != "" {
		return key{}, fmt.Errorf("not a secret of %d bytes", secretSize)
	}
	return k, nil
}

// checkSigning makes sure that the private part belongs to the public part,
// otherwise signatures would verify nowhere. The decoder does so for some types
// of key only.
func (k key) checkSigning() error {
	switch private := k.material.(type) {
	case ed25519.PrivateKey:
		if k.alg != EdDSA || !ed25519.NewKeyFromSeed(private.Seed()).Equal(private) {
			return errors.New("not a whole Ed25519 key")
		}
	case *ecdsa.PrivateKey:
		if k.alg != ES256 || private.Curve != elliptic.P256() {
			return errors.New("not a P-256 key")
		}
		scalar, err := private.Bytes()
		if err != nil {
			return errors.New("not a whole P-256 key")
		}
		derived, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
		if err != nil || !derived.PublicKey.Equal(&private.PublicKey) {
			return errors.New("not a whole P-256 key")
		}
	default:
		return errors.New("not a private signing key")
	}
	if id, err := thumbprint(k.material); err != nil || id != k.id {
		return errors.New("its id is not its thumbprint")
	}
	return nil
}
