package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

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

// Set is all keys of a server. Which of them sign and which are published
// follows from the clock; Refresh brings in a rotation. It is safe for concurrent
// use.
type Set struct {
	storage Storage
	clock   clock.Clock

	mac  []Secret
	seal [][]byte

	refreshing sync.Mutex // one Refresh at a time
	signing    atomic.Pointer[generation]
}

// Open reads the keys and makes those of a purpose that has none yet. random
// may be nil for the system's source. Errors: ErrDamaged for a document that
// does not check; otherwise what the storage reported, wrapped.
func Open(ctx context.Context, storage Storage, now clock.Clock, random io.Reader) (*Set, error) {
	if random == nil {
		random = rand.Reader
	}
	s := &Set{storage: storage, clock: now}
	for _, p := range []purpose{purposeMAC, purposeSeal, purposeSigning} {
		raw, keys, err := load(ctx, storage, p)
		if err != nil {
			// A document that is not there, or that another node is writing.
			raw, keys, err = loadOrCreate(ctx, storage, p, now, random)
		}
		if err == nil {
			err = s.take(p, raw, keys)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path(p), err)
		}
	}
	return s, nil
}

// take makes the keys of a purpose those of the set.
func (s *Set) take(p purpose, raw []byte, keys []key) error {
	switch p {
	case purposeMAC:
		for _, k := range slices.Backward(keys) { // the one to use first
			s.mac = append(s.mac, Secret{ID: k.id, Key: k.material.([]byte)})
		}
	case purposeSeal:
		for _, k := range slices.Backward(keys) {
			s.seal = append(s.seal, k.material.([]byte))
		}
	case purposeSigning:
		g, err := newGeneration(raw, keys)
		if err != nil {
			return err
		}
		s.signing.Store(g)
	}
	return nil
}

// SigningDocument is where the storage keeps the signing keys.
const SigningDocument = "mcp_edge/keys/" + string(purposeSigning) + ".json"

// path is where the storage keeps the document of a purpose.
func path(p purpose) string { return "mcp_edge/keys/" + string(p) + ".json" }

func load(ctx context.Context, storage Storage, p purpose) (raw []byte, keys []key, err error) {
	if raw, err = storage.Load(ctx, path(p)); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	keys, err = parse(raw, p)
	return raw, keys, err
}

// loadOrCreate decides under the lock. Only a document that does not exist is
// made; any other trouble is reported.
func loadOrCreate(ctx context.Context, storage Storage, p purpose, now clock.Clock, random io.Reader) (raw []byte, keys []key, err error) {
	err = locked(ctx, storage, func() error {
		if raw, keys, err = load(ctx, storage, p); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if raw, err = create(p, now.Now(), random); err != nil {
			return err
		}
		if err = storage.Store(ctx, path(p), raw); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		// What counts is what was stored: a storage that lost it must not start.
		raw, keys, err = load(ctx, storage, p)
		return err
	})
	return raw, keys, err
}

// locked runs change while no other node changes a document.
func locked(ctx context.Context, storage Storage, change func() error) (err error) {
	if err := storage.Lock(ctx, lockName); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer func() {
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), lockName); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlock: %w", unlockErr)
		}
	}()
	return change()
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
	k, ok := s.signing.Load().at(s.clock.Now()).signers[alg]
	if !ok {
		return "", nil, fmt.Errorf("%w: want %s or %s", ErrUnknownAlgorithm, EdDSA, ES256)
	}
	return k.kid, k.key, nil
}

// JWKS returns the public keys that are published now as a JSON Web Key Set
// (RFC 7517 §5): coming ones, those that sign, and retired ones whose assertions
// may still be under way. Whoever serves it says that it is good for CacheLife
// and not longer.
func (s *Set) JWKS() []byte { return slices.Clone(s.signing.Load().at(s.clock.Now()).jwks) }

// Refresh reads the signing keys again, so that a rotation which another process
// wrote takes effect here, and says whether there was one. It has to be called
// every RefreshEvery. After an error the keys are those of before.
func (s *Set) Refresh(ctx context.Context) (changed bool, err error) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	raw, err := s.storage.Load(ctx, path(purposeSigning))
	if err != nil {
		return false, fmt.Errorf("%s: load: %w", path(purposeSigning), err)
	}
	if bytes.Equal(raw, s.signing.Load().raw) {
		return false, nil
	}
	keys, err := parse(raw, purposeSigning)
	if err == nil {
		err = s.take(purposeSigning, raw, keys)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path(purposeSigning), err)
	}
	return true, nil
}
