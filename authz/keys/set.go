package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Signature algorithms by their JOSE names (RFC 8037 §3.1, RFC 7518 §3.4).
const (
	EdDSA = "EdDSA"
	ES256 = "ES256"
)

// lockName guards the creation of all documents, so that two nodes that start
// at once end with the same keys.
const lockName = "mcp_edge_keys"

// ErrUnknownAlgorithm is returned by SigningKey for a name other than EdDSA and
// ES256.
var ErrUnknownAlgorithm = errors.New("unknown signature algorithm")

// Storage keeps the documents, shared by all nodes of a cluster.
type Storage interface {
	// Load returns the value of key; the error is fs.ErrNotExist when there is none.
	Load(ctx context.Context, key string) ([]byte, error)
	// Store replaces the value of key.
	Store(ctx context.Context, key string, value []byte) error
	// Lock takes the named lock, held by one node at a time, or fails with ctx.
	Lock(ctx context.Context, name string) error
	// Unlock gives it back.
	Unlock(ctx context.Context, name string) error
}

// Secret is a symmetric key and the id by which credentials name it.
type Secret struct {
	ID  string
	Key []byte
}

// Set is all keys of a server. It does not change after Open and is safe for
// concurrent use.
type Set struct {
	mac     []Secret
	seal    [][]byte
	signing map[string]signer // by algorithm, the active ones
	jwks    []byte
}

type signer struct {
	kid string
	key crypto.Signer
}

// Open reads the keys and makes those of a purpose that has none yet. random
// may be nil for the system's source. Errors: ErrDamaged for a document that
// does not check; otherwise what the storage reported, wrapped.
func Open(ctx context.Context, storage Storage, now clock.Clock, random io.Reader) (*Set, error) {
	if random == nil {
		random = rand.Reader
	}
	byPurpose := make(map[purpose][]key, 3)
	for _, p := range []purpose{purposeMAC, purposeSeal, purposeSigning} {
		keys, err := load(ctx, storage, p)
		if err != nil {
			// A document that is not there, or that another node is writing.
			keys, err = loadOrCreate(ctx, storage, p, now, random)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path(p), err)
		}
		byPurpose[p] = keys
	}
	return newSet(byPurpose)
}

// path is where the storage keeps the document of a purpose.
func path(p purpose) string { return "mcp_edge/keys/" + string(p) + ".json" }

func load(ctx context.Context, storage Storage, p purpose) ([]key, error) {
	raw, err := storage.Load(ctx, path(p))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return parse(raw, p)
}

// loadOrCreate decides under the lock. Only a document that does not exist is
// made; any other trouble is reported.
func loadOrCreate(ctx context.Context, storage Storage, p purpose, now clock.Clock, random io.Reader) (keys []key, err error) {
	if err := storage.Lock(ctx, lockName); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	defer func() {
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), lockName); unlockErr != nil && err == nil {
			keys, err = nil, fmt.Errorf("unlock: %w", unlockErr)
		}
	}()
	keys, err = load(ctx, storage, p)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	raw, err := create(p, now.Now(), random)
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, path(p), raw); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	// What counts is what was stored: a storage that lost it must not start.
	return load(ctx, storage, p)
}

func newSet(byPurpose map[purpose][]key) (*Set, error) {
	s := &Set{signing: make(map[string]signer, 2)}
	for _, k := range activeFirst(byPurpose[purposeMAC]) {
		s.mac = append(s.mac, Secret{ID: k.id, Key: k.material.([]byte)})
	}
	for _, k := range activeFirst(byPurpose[purposeSeal]) {
		s.seal = append(s.seal, k.material.([]byte))
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range activeFirst(byPurpose[purposeSigning]) {
		private := k.material.(crypto.Signer)
		if k.state == stateActive {
			s.signing[k.alg] = signer{kid: k.id, key: private}
		}
		public.Keys = append(public.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.id, Algorithm: k.alg, Use: "sig"})
	}
	var err error
	if s.jwks, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("encode the public keys: %w", err)
	}
	return s, nil
}

// activeFirst orders keys so that the one to use comes first; the others keep
// their order.
func activeFirst(keys []key) []key {
	sorted := slices.Clone(keys)
	slices.SortStableFunc(sorted, func(a, b key) int { return rank(a) - rank(b) })
	return sorted
}

func rank(k key) int {
	if k.state == stateActive {
		return 0
	}
	return 1
}

// MACKeys returns the keys of opaque credentials: the first signs, all verify.
func (s *Set) MACKeys() []Secret {
	keys := slices.Clone(s.mac)
	for i := range keys {
		keys[i].Key = slices.Clone(keys[i].Key)
	}
	return keys
}

// SealKeys returns the keys of sealed values: the first seals, all open.
func (s *Set) SealKeys() [][]byte {
	keys := slices.Clone(s.seal)
	for i := range keys {
		keys[i] = slices.Clone(keys[i])
	}
	return keys
}

// SigningKey returns the key that signs with alg now, EdDSA or ES256, and its
// id (RFC 7638). Any other name is ErrUnknownAlgorithm.
func (s *Set) SigningKey(alg string) (kid string, key crypto.Signer, err error) {
	k, ok := s.signing[alg]
	if !ok {
		return "", nil, fmt.Errorf("%w: want %s or %s", ErrUnknownAlgorithm, EdDSA, ES256)
	}
	return k.kid, k.key, nil
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517 §5).
func (s *Set) JWKS() []byte { return slices.Clone(s.jwks) }
