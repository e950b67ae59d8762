package keys_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

const (
	macPath     = "mcp_edge/keys/mac.json"
	sealPath    = "mcp_edge/keys/seal.json"
	signingPath = "mcp_edge/keys/signing.json"
)

// memory is a storage in memory with faults to order.
type memory struct {
	mu       sync.Mutex
	files    map[string][]byte
	stores   int
	lock     chan struct{}
	loadErr  error
	storeErr error
}

func newMemory() *memory {
	return &memory{files: map[string][]byte{}, lock: make(chan struct{}, 1)}
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loadErr != nil {
		return nil, m.loadErr
	}
	raw, ok := m.files[key]
	if !ok {
		return nil, fmt.Errorf("load %s: %w", key, fs.ErrNotExist)
	}
	return bytes.Clone(raw), nil
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.storeErr != nil {
		return m.storeErr
	}
	m.stores++
	m.files[key] = bytes.Clone(value)
	return nil
}

func (m *memory) Lock(ctx context.Context, _ string) error {
	select {
	case m.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(context.Context, string) error {
	<-m.lock
	return nil
}

var now = clock.NewFake(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))

func open(t *testing.T, storage keys.Storage) *keys.Set {
	t.Helper()
	set, err := keys.Open(t.Context(), storage, now, rand.Reader)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return set
}

func TestFirstStartMakesEveryKeyAndLaterStartsFindThem(t *testing.T) {
	storage := newMemory()
	first := open(t, storage)
	second := open(t, storage)

	if storage.stores != 3 {
		t.Errorf("stored %d documents, want the three of the first start", storage.stores)
	}
	if diff := cmp.Diff(first.MACKeys(), second.MACKeys()); diff != "" {
		t.Errorf("MAC keys changed: %s", diff)
	}
	if diff := cmp.Diff(first.SealKeys(), second.SealKeys()); diff != "" {
		t.Errorf("sealing keys changed: %s", diff)
	}
	if diff := cmp.Diff(string(first.JWKS()), string(second.JWKS())); diff != "" {
		t.Errorf("public keys changed: %s", diff)
	}
	if bytes.Equal(first.MACKeys()[0].Key, first.SealKeys()[0]) {
		t.Error("one secret serves two purposes")
	}
}

func TestTwoStoragesHaveDifferentKeys(t *testing.T) {
	a, b := open(t, newMemory()), open(t, newMemory())
	if bytes.Equal(a.MACKeys()[0].Key, b.MACKeys()[0].Key) || bytes.Equal(a.SealKeys()[0], b.SealKeys()[0]) || bytes.Equal(a.JWKS(), b.JWKS()) {
		t.Error("keys of two installations are the same")
	}
}

func TestNodesThatStartAtOnceEndWithTheSameKeys(t *testing.T) {
	storage := newMemory()
	sets := make([]*keys.Set, 8)
	var group sync.WaitGroup
	for i := range sets {
		group.Go(func() {
			set, err := keys.Open(context.Background(), storage, now, rand.Reader)
			if err != nil {
				t.Errorf("node %d: %v", i, err)
				return
			}
			sets[i] = set
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for i, set := range sets[1:] {
		if !bytes.Equal(set.MACKeys()[0].Key, sets[0].MACKeys()[0].Key) || !bytes.Equal(set.SealKeys()[0], sets[0].SealKeys()[0]) || !bytes.Equal(set.JWKS(), sets[0].JWKS()) {
			t.Errorf("node %d has other keys", i+1)
		}
	}
	if storage.stores != 3 {
		t.Errorf("%d documents were written, want 3", storage.stores)
	}
}

func TestSigningKeysVerifyAgainstThePublishedSet(t *testing.T) {
	set := open(t, newMemory())
	var public jose.JSONWebKeySet
	if err := json.Unmarshal(set.JWKS(), &public); err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{keys.EdDSA, keys.ES256} {
		t.Run(alg, func(t *testing.T) {
			kid, private, err := set.SigningKey(alg)
			if err != nil {
				t.Fatal(err)
			}
			found := public.Key(kid)
			if len(found) != 1 || found[0].Algorithm != alg || found[0].Use != "sig" {
				t.Fatalf("the set has %d keys with that id, want one for %s signatures", len(found), alg)
			}
			sum, err := found[0].Thumbprint(crypto.SHA256)
			if err != nil || base64.RawURLEncoding.EncodeToString(sum) != kid {
				t.Errorf("kid %q is not the thumbprint", kid)
			}
			digest := sha256.Sum256([]byte("message"))
			switch pub := found[0].Key.(type) {
			case ed25519.PublicKey:
				signature := ed25519.Sign(private.(ed25519.PrivateKey), []byte("message"))
				if !ed25519.Verify(pub, []byte("message"), signature) {
					t.Error("signature does not verify")
				}
			case *ecdsa.PublicKey:
				signature, err := ecdsa.SignASN1(rand.Reader, private.(*ecdsa.PrivateKey), digest[:])
				if err != nil || !ecdsa.VerifyASN1(pub, digest[:], signature) {
					t.Errorf("signature does not verify: %v", err)
				}
			default:
				t.Errorf("key type %T", pub)
			}
		})
	}
	if _, _, err := set.SigningKey("none"); !errors.Is(err, keys.ErrUnknownAlgorithm) {
		t.Errorf("algorithm none: %v", err)
	}
}

func TestPublishedSetHoldsNoPrivatePart(t *testing.T) {
	storage := newMemory()
	set := open(t, storage)
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(set.JWKS(), &published); err != nil {
		t.Fatal(err)
	}
	if len(published.Keys) != 2 {
		t.Fatalf("%d keys published, want 2", len(published.Keys))
	}
	public := []string{"kty", "crv", "x", "y", "kid", "alg", "use"}
	for _, k := range published.Keys {
		for member := range k {
			if !strings.Contains(strings.Join(public, " "), member) || member == "d" || member == "k" {
				t.Errorf("member %q is published", member)
			}
		}
	}
	for _, secret := range regexp.MustCompile(`"(?:d|k)":\s*"([^"]+)"`).FindAllSubmatch(slicesConcat(storage.files), -1) {
		if bytes.Contains(set.JWKS(), secret[1]) {
			t.Error("private key material is published")
		}
	}
}

func slicesConcat(files map[string][]byte) []byte {
	var all []byte
	for _, f := range files {
		all = append(all, f...)
	}
	return all
}

func TestCallerCannotChangeTheKeys(t *testing.T) {
	set := open(t, newMemory())
	before := set.MACKeys()[0].Key[0]
	set.MACKeys()[0].Key[0] ^= 0xff
	set.SealKeys()[0][0] ^= 0xff
	jwks := string(set.JWKS())
	set.JWKS()[0] = 'x'
	if set.MACKeys()[0].Key[0] != before || string(set.JWKS()) != jwks {
		t.Error("a caller changed the keys of the set")
	}
}

func unmarshal(t *testing.T, raw []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedDocumentIsRefusedAndLeftAlone(t *testing.T) {
	replace := func(pattern, with string) func([]byte) []byte {
		return func(raw []byte) []byte { return regexp.MustCompile(pattern).ReplaceAll(raw, []byte(with)) }
	}
	cases := []struct {
		name, path string
		damage     func([]byte) []byte
	}{
		{"an empty file", macPath, func([]byte) []byte { return nil }},
		{"a file cut short", signingPath, func(raw []byte) []byte { return raw[:len(raw)/2] }},
		{"text after the document", macPath, func(raw []byte) []byte { return append(raw, "{}"...) }},
		{"an unknown version", macPath, replace(`"version": 2`, `"version": 3`)},
		{"the document of another purpose", macPath, replace(`"purpose": "mac"`, `"purpose": "seal"`)},
		{"an unknown member", macPath, replace(`"version": 2`, `"version": 2, "x": 1`)},
		{"a member given twice", macPath, replace(`"version": 2`, `"version": 2, "version": 2`)},
		{"no keys", sealPath, replace(`(?s)"keys": \[.*\]`, `"keys": []`)},
		{"a state of version 1", macPath, replace(`"jwk"`, `"state": "active", "jwk"`)},
		{"times in a document of version 1", macPath, replace(`"version": 2`, `"version": 1`)},
		{"no time of use", macPath, replace(`"use_from"`, `"accept_until"`)},
		{"an end of the only key", signingPath, replace(`"use_from": "[^"]*"`, `${0}, "accept_until": "2030-01-01T00:00:00Z"`)},
		{"no creation time", macPath, replace(`"created_at": "[^"]*"`, `"created_at": "0001-01-01T00:00:00Z"`)},
		{"a secret that is too short", macPath, replace(`"k":\s*"[^"]*"`, `"k": "c2hvcnQ"`)},
		{"an id that is not the key's", macPath, replace(`"id": "[^"]*"`, `"id": "other"`)},
		{"a signing document with secrets", signingPath, replace(`(?s)"jwk": \{.*?\}`, `"jwk": {"kty":"oct","k":"AAAA"}`)},
		{"a private part of another Ed25519 key", signingPath, replace(`(?s)("Ed25519".*?"d":\s*")[^"]{4}`, `${1}AAAA`)},
		{"a private part of another P-256 key", signingPath, replace(`(?s)("P-256".*?"d":\s*")[^"]{4}`, `${1}AAAA`)},
		{"a private part that is too short", signingPath, replace(`(?s)("Ed25519".*?"d":\s*")[^"]{4}`, `${1}`)},
		{"a public part of another Ed25519 key", signingPath, replace(`(?s)("Ed25519".*?"x":\s*")[^"]{4}`, `${1}AAAA`)},
		{"a public key without its private part", signingPath, replace(`,\s*"d":\s*"[^"]*"`, ``)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			storage := newMemory()
			open(t, storage)
			damaged := c.damage(bytes.Clone(storage.files[c.path]))
			if bytes.Equal(damaged, storage.files[c.path]) {
				t.Fatal("the case damages nothing")
			}
			storage.files[c.path] = damaged

			_, err := keys.Open(t.Context(), storage, now, rand.Reader)
			if !errors.Is(err, keys.ErrDamaged) {
				t.Fatalf("error %v, want ErrDamaged", err)
			}
			if !bytes.Equal(storage.files[c.path], damaged) {
				t.Error("the damaged document was replaced")
			}
			for _, secret := range regexp.MustCompile(`"(?:d|k)":\s*"([^"]{8,})"`).FindAllSubmatch(damaged, -1) {
				if strings.Contains(err.Error(), string(secret[1])) {
					t.Error("the error holds key material")
				}
			}
		})
	}
}

func TestStorageFaultIsReportedAndMakesNoKeys(t *testing.T) {
	fault := errors.New("disk on fire")
	t.Run("when a document cannot be read", func(t *testing.T) {
		storage := newMemory()
		storage.loadErr = fault
		if _, err := keys.Open(t.Context(), storage, now, rand.Reader); !errors.Is(err, fault) || storage.stores != 0 {
			t.Errorf("error %v after %d stores", err, storage.stores)
		}
	})
	t.Run("when a document cannot be written", func(t *testing.T) {
		storage := newMemory()
		storage.storeErr = fault
		if _, err := keys.Open(t.Context(), storage, now, rand.Reader); !errors.Is(err, fault) {
			t.Errorf("error %v", err)
		}
		storage.storeErr = nil
		open(t, storage) // the lock was given back
	})
	t.Run("when another node holds the lock for too long", func(t *testing.T) {
		storage := newMemory()
		storage.lock <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := keys.Open(ctx, storage, now, rand.Reader); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("when randomness runs out", func(t *testing.T) {
		storage := newMemory()
		if _, err := keys.Open(t.Context(), storage, now, strings.NewReader("short")); err == nil || storage.stores != 0 {
			t.Errorf("error %v after %d stores", err, storage.stores)
		}
	})
}
