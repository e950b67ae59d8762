package assertion

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

const (
	// keySetLife is how long a key set is used without asking again. The issuer
	// states the same in its Cache-Control.
	keySetLife = 5 * time.Minute
	// refetchAfter is how often, at most, an unknown key id makes us ask: a
	// made-up one costs the issuer nothing.
	refetchAfter = time.Minute
	// retryAfter is how often, at most, we ask after a try that failed.
	retryAfter = 5 * time.Second
	// fetchTimeout bounds one question.
	fetchTimeout = 5 * time.Second
	// maxPublicKeys bounds a key set.
	maxPublicKeys = 100
)

// Source reads a JSON Web Key Set (RFC 7517 §5) from where it is kept.
type Source func(ctx context.Context) ([]byte, error)

// KeySet is an issuer's public keys. They are read when they are first needed;
// the last good ones are used while the issuer cannot be reached. It is safe for
// concurrent use.
type KeySet struct {
	source Source
	clock  clock.Clock
	flight singleflight.Group

	mu     sync.Mutex
	keys   map[string]publicKey // by key id; nil before the first success
	read   time.Time            // of the last success
	asked  time.Time            // of the last try
	failed error                // of the last try
}

type publicKey struct {
	alg string
	key crypto.PublicKey
}

// NewKeySet returns the key set that source reads. now may be nil for the
// system's clock.
func NewKeySet(source Source, now clock.Clock) *KeySet {
	if now == nil {
		now = clock.System
	}
	return &KeySet{source: source, clock: now}
}

// PublicKey implements PublicKeys.
func (k *KeySet) PublicKey(ctx context.Context, kid string) (alg string, key crypto.PublicKey, err error) {
	found, known, due := k.look(kid)
	if known {
		if due {
			k.fetch(ctx) // nobody waits for it: the key at hand is good
		}
		return found.alg, found.key, nil
	}
	if due {
		select {
		case <-ctx.Done():
			return "", nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		case <-k.fetch(ctx):
		}
		if found, known, _ = k.look(kid); known {
			return found.alg, found.key, nil
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed != nil { // whether the key exists cannot be known
		return "", nil, fmt.Errorf("%w: %w", ErrUnavailable, k.failed)
	}
	return "", nil, ErrUnknownKey
}

// look returns the key of that id, and whether the issuer should be asked now.
func (k *KeySet) look(kid string) (found publicKey, known, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, known = k.keys[kid]
	now := k.clock.Now()
	pause := refetchAfter
	if k.failed != nil {
		pause = retryAfter
	}
	due = now.Sub(k.asked) >= pause && (!known || now.Sub(k.read) >= keySetLife)
	return found, known, due
}

// fetch reads the key set, once for all who want it at one time. It goes on when
// the request that caused it has ended.
func (k *KeySet) fetch(ctx context.Context) <-chan singleflight.Result {
	return k.flight.DoChan("", func() (any, error) {
		k.mu.Lock()
		justAsked := k.clock.Now().Sub(k.asked) < retryAfter
		k.mu.Unlock()
		if justAsked { // by a flight that landed before this one began
			return nil, nil //nolint:nilnil // what counts is the state
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		var keys map[string]publicKey
		raw, err := k.source(ctx)
		if err == nil {
			keys, err = parseKeys(raw)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.asked, k.failed = k.clock.Now(), err
		if err == nil {
			k.keys, k.read = keys, k.asked
		}
		return nil, err
	})
}

// parseKeys returns the keys of a set that can verify assertions. Others are left
// out and do not spoil the rest (RFC 7517 §5); a set without any is no key set.
func parseKeys(raw []byte) (map[string]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	if len(set.Keys) > maxPublicKeys {
		return nil, fmt.Errorf("more than %d keys", maxPublicKeys)
	}
	keys := make(map[string]publicKey, len(set.Keys))
	for _, one := range set.Keys {
		var jwk jose.JSONWebKey
		if json.Unmarshal(one, &jwk) != nil || jwk.KeyID == "" || jwk.Use != "" && jwk.Use != "sig" {
			continue
		}
		switch public := jwk.Key.(type) {
		case ed25519.PublicKey:
			keys[jwk.KeyID] = publicKey{EdDSA, public}
		case *ecdsa.PublicKey:
			if public.Curve == elliptic.P256() {
				keys[jwk.KeyID] = publicKey{ES256, public}
			}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no Ed25519 or P-256 key in the key set")
	}
	return keys, nil
}
