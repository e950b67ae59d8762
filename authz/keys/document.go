package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"fmt"
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

// state is where a key is in its life. Verification accepts keys in every
// state, so a rotation can publish a key before it is used and keep it after.
type state string

const (
	stateNext    state = "next"    // published, not used yet
	stateActive  state = "active"  // used; exactly one for each algorithm
	stateRetired state = "retired" // no longer used, still accepted
)

const documentVersion = 1

// document is the stored form of the keys of one purpose.
type document struct {
	Version int     `json:"version"`
	Purpose purpose `json:"purpose"`
	Keys    []entry `json:"keys"`
}

// entry is one key of a document.
type entry struct {
	ID        string         `json:"id"`
	CreatedAt time.Time      `json:"created_at"`
	State     state          `json:"state"`
	JWK       jsontext.Value `json:"jwk"`
}

// key is an entry whose key material was checked.
type key struct {
	id       string
	alg      string // JOSE name; "" for the symmetric keys
	state    state
	material any // []byte, ed25519.PrivateKey or *ecdsa.PrivateKey
}

// parse checks a whole document. No error holds any of its text: a document is
// secret even when it is damaged.
func parse(raw []byte, want purpose) ([]key, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: not the expected JSON", ErrDamaged)
	}
	switch {
	case doc.Version != documentVersion:
		return nil, fmt.Errorf("%w: version %d, want %d", ErrDamaged, doc.Version, documentVersion)
	case doc.Purpose != want:
		return nil, fmt.Errorf("%w: its keys are for another purpose than %q", ErrDamaged, want)
	case len(doc.Keys) == 0:
		return nil, fmt.Errorf("%w: no keys", ErrDamaged)
	}
	keys := make([]key, 0, len(doc.Keys))
	ids := make(map[string]bool, len(doc.Keys))
	active := make(map[string]int)
	for i, e := range doc.Keys {
		k, err := e.open(want)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", ErrDamaged, i+1, err)
		}
		if ids[k.id] {
			return nil, fmt.Errorf("%w: key %d: its id is used twice", ErrDamaged, i+1)
		}
		ids[k.id] = true
		if k.state == stateActive {
			active[k.alg]++
		}
		keys = append(keys, k)
	}
	for _, alg := range algorithms(want) {
		if active[alg] != 1 {
			return nil, fmt.Errorf("%w: %d active keys %s, want one", ErrDamaged, active[alg], alg)
		}
	}
	return keys, nil
}

// algorithms lists the algorithms of which a document has one active key each.
func algorithms(p purpose) []string {
	if p == purposeSigning {
		return []string{EdDSA, ES256}
	}
	return []string{""}
}

func (e entry) open(p purpose) (key, error) {
	if e.CreatedAt.IsZero() {
		return key{}, errors.New("no creation time")
	}
	if e.State != stateNext && e.State != stateActive && e.State != stateRetired {
		return key{}, errors.New("unknown state")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(e.JWK); err != nil {
		return key{}, errors.New("not a JSON Web Key")
	}
	k := key{id: e.ID, alg: jwk.Algorithm, state: e.State, material: jwk.Key}
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
