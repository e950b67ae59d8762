package oidc

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Bounds of a provider's key set.
const (
	// refetchAfter is how often, at most, an unknown key makes us ask again.
	refetchAfter = time.Minute
	maxKeys      = 100
	minRSABits   = 2048
	maxRSABits   = 8192 // a larger key costs more time than a sign-in may take
)

// algorithms are the only ones by which an ID token may be signed, whatever its
// header or the provider's metadata say: no "none", no shared secrets.
var algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}

// keySet is a provider's JWKS (RFC 7517 §5). It is ours and not go-oidc's
// remote one because a fetch that fails must be told from a signature that does
// not verify, and because keys and fetches are bounded.
type keySet struct {
	address string
	fetch   fetcher
	clock   clock.Clock
	flight  singleflight.Group

	mu   sync.Mutex
	keys []jose.JSONWebKey
	read time.Time
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	accepted := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		accepted[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSignedCompact(jwt, accepted)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errors.New("malformed signature")
	}
	keys, read := k.known()
	if payload, ok := verifyWith(jws, keys); ok {
		return payload, nil
	}
	if !read.IsZero() && k.clock.Now().Sub(read) < refetchAfter {
		return nil, errors.New("signed by no key of the provider")
	}
	if keys, err = k.refresh(ctx); err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(jws, keys); ok {
		return payload, nil
	}
	return nil, errors.New("signed by no key of the provider")
}

func (k *keySet) known() ([]jose.JSONWebKey, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys, k.read
}

func (k *keySet) refresh(ctx context.Context) ([]jose.JSONWebKey, error) {
	flight := k.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		var document struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := k.fetch.json(ctx, k.address, &document); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if len(document.Keys) > maxKeys {
			return nil, fmt.Errorf("keys: %w: more than %d keys", idp.ErrUnavailable, maxKeys)
		}
		keys := usable(document.Keys)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.keys, k.read = keys, k.clock.Now()
		return keys, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("keys: %w: %w", idp.ErrUnavailable, ctx.Err())
	case result := <-flight:
		keys, _ := result.Val.([]jose.JSONWebKey)
		return keys, result.Err
	}
}

// usable keeps the public signing keys that we can use; a key that we cannot
// read does not spoil the others (RFC 7517 §5).
func usable(raw []json.RawMessage) []jose.JSONWebKey {
	keys := make([]jose.JSONWebKey, 0, len(raw))
	for _, r := range raw {
		var key jose.JSONWebKey
		if json.Unmarshal(r, &key) != nil || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		if pub, ok := key.Key.(*rsa.PublicKey); ok && (pub.N.BitLen() < minRSABits || pub.N.BitLen() > maxRSABits) {
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// verifyWith tries the keys that the token's key id selects. The key decides
// whether it fits the algorithm; an embedded key is never looked at.
func verifyWith(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := jws.Signatures[0].Header
	for i := range keys {
		if header.KeyID != "" && keys[i].KeyID != header.KeyID {
			continue
		}
		if keys[i].Algorithm != "" && keys[i].Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(&keys[i]); err == nil {
			return payload, true
		}
	}
	return nil, false
}
