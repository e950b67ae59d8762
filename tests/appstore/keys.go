package appstore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// A key set is read again when it is older than keysMaxAge, so that a withdrawn
// key stops working, and for an unknown kid at most every keysMinAge, so that a
// new key works soon and a made-up kid costs the issuer nothing.
const (
	keysMaxAge  = 5 * time.Minute
	keysMinAge  = 2 * time.Second
	keysTimeout = 5 * time.Second
	keysMaxSize = 1 << 20 // bytes
)

// Key is a public key and the one JWS algorithm that it is for.
type Key struct {
	Algorithm string // "EdDSA" or "ES256"
	Public    crypto.PublicKey
}

// KeySet is the issuer's JSON Web Key Set (RFC 7517 section 5), read when it is
// first needed.
type KeySet struct {
	url    string
	client *http.Client
	clock  clock.Clock

	mu   sync.Mutex
	keys map[string]Key // by kid
	read time.Time
}

// NewKeySet returns the key set at url. client must trust the issuer's TLS
// certificate.
func NewKeySet(url string, client *http.Client, now clock.Clock) *KeySet {
	return &KeySet{url: url, client: client, clock: now}
}

// Key returns the key with that kid, ErrKey when there is none, or an error that
// wraps ErrKeySet. A key that is already known is used further while the issuer
// cannot be reached.
func (k *KeySet) Key(ctx context.Context, kid string) (Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, known := k.keys[kid]
	age := k.clock.Now().Sub(k.read)
	if known && age < keysMaxAge {
		return key, nil
	}
	if k.keys != nil && age < keysMinAge {
		return Key{}, ErrKey
	}
	keys, err := k.fetch(ctx)
	if err != nil {
		if known {
			return key, nil
		}
		return Key{}, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	k.keys, k.read = keys, k.clock.Now()
	if key, known = k.keys[kid]; !known {
		return Key{}, ErrKey
	}
	return key, nil
}

// fetch reads the key set.
func (k *KeySet) fetch(ctx context.Context) (map[string]Key, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, keysMaxSize))
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

// parseKeys returns the keys of a set that can verify our tokens. Others are
// left out rather than refused, as RFC 7517 section 5 asks.
func parseKeys(body []byte) (map[string]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	keys := make(map[string]Key, len(set.Keys))
	for _, raw := range set.Keys {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal(raw, &jwk); err != nil || jwk.KeyID == "" || (jwk.Use != "" && jwk.Use != "sig") {
			continue
		}
		switch public := jwk.Key.(type) {
		case ed25519.PublicKey:
			keys[jwk.KeyID] = Key{Algorithm: "EdDSA", Public: public}
		case *ecdsa.PublicKey:
			if public.Curve == elliptic.P256() {
				keys[jwk.KeyID] = Key{Algorithm: "ES256", Public: public}
			}
		}
	}
	return keys, nil
}
