package assertion_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

// keys is one key under one id, which a test can change.
type keys struct {
	kid string
	key crypto.Signer
	err error
}

func (k *keys) SigningKey(string) (string, crypto.Signer, error) { return k.kid, k.key, k.err }

func newKeys(tb testing.TB, alg string) *keys {
	tb.Helper()
	if alg == assertion.ES256 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		return &keys{kid: "key-1", key: key}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return &keys{kid: "key-1", key: key}
}

const (
	issuer   = "https://b.app.lumosidentity.com"
	audience = "https://api.lumos.com"
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 900e6, time.UTC)

func newSigner(tb testing.TB, k assertion.Keys, alg string) (*assertion.Signer, *clock.Fake) {
	tb.Helper()
	now := clock.NewFake(start)
	s, err := assertion.New(assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Alg: alg, Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	return s, now
}

func request() assertion.Request {
	return assertion.Request{
		UserID: "user-1", Email: "ada@example.com", DomainID: "example.com", ClientID: "client-1",
		Scope: "appstore:request", Permissions: []string{"appstore.requests.create"},
		Transaction: "txn-1", Method: "POST", Path: "/appstore/access_request", Body: []byte(`{"app_id":"a"}`),
	}
}

// open verifies token with go-jose, which shares no code with the signer.
func open(tb testing.TB, token string, k *keys, alg string) (jose.Header, assertion.Claims) {
	tb.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		tb.Fatalf("parsing: %v", err)
	}
	payload, err := signed.Verify(k.key.Public())
	if err != nil {
		tb.Fatalf("verifying: %v", err)
	}
	var c assertion.Claims
	if err := json.Unmarshal(payload, &c, json.RejectUnknownMembers(true)); err != nil {
		tb.Fatalf("claims: %v", err)
	}
	return signed.Signatures[0].Protected, c
}

func sign(tb testing.TB, s *assertion.Signer, r assertion.Request) string {
	tb.Helper()
	token, err := s.Sign(r)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestEachClaimSaysWhatTheRequestIs(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(`{"app_id":"a"}`))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	tests := []struct {
		name   string
		change func(*assertion.Request)
		claim  func(assertion.Claims) any
		want   any
	}{
		{"iss is the issuer exactly", nil, func(c assertion.Claims) any { return c.Issuer }, issuer},
		{"aud is the one backend", nil, func(c assertion.Claims) any { return c.Audience }, audience},
		{"sub is the backend's user id", nil, func(c assertion.Claims) any { return c.Subject }, "user-1"},
		{
			"sub is the marked address while the id is unknown",
			func(r *assertion.Request) { r.UserID = "" },
			func(c assertion.Claims) any { return c.Subject }, "email:ada@example.com",
		},
		{"email is the address", nil, func(c assertion.Claims) any { return c.Email }, "ada@example.com"},
		{"domain_id is the domain", nil, func(c assertion.Claims) any { return c.DomainID }, "example.com"},
		{"client_id is the assistant", nil, func(c assertion.Claims) any { return c.ClientID }, "client-1"},
		{"act names the assistant as actor", nil, func(c assertion.Claims) any { return c.Actor }, &assertion.Actor{Subject: "client-1"}},
		{
			"act is absent without an assistant",
			func(r *assertion.Request) { r.ClientID = "" },
			func(c assertion.Claims) any { return c.Actor }, (*assertion.Actor)(nil),
		},
		{"scope is what the request needs", nil, func(c assertion.Claims) any { return c.Scope }, "appstore:request"},
		{"permissions are what the request needs", nil, func(c assertion.Claims) any { return c.Permissions }, []string{"appstore.requests.create"}},
		{"txn is the audit request id", nil, func(c assertion.Claims) any { return c.Transaction }, "txn-1"},
		{"iat is now in whole seconds", nil, func(c assertion.Claims) any { return c.IssuedAt }, start.Unix()},
		{"exp is 60 seconds after iat", nil, func(c assertion.Claims) any { return c.Expires - c.IssuedAt }, int64(60)},
		{"htm is the method", nil, func(c assertion.Claims) any { return c.Method }, "POST"},
		{"htu is audience and path", nil, func(c assertion.Claims) any { return c.URL }, audience + "/appstore/access_request"},
		{"content_digest is the digest of the body", nil, func(c assertion.Claims) any { return c.ContentDigest }, digest},
		{
			"content_digest is absent without a body",
			func(r *assertion.Request) { r.Body = nil },
			func(c assertion.Claims) any { return c.ContentDigest }, "",
		},
		{"jti carries 128 bits", nil, func(c assertion.Claims) any {
			raw, err := base64.RawURLEncoding.DecodeString(c.ID)
			return err == nil && len(raw) == 16
		}, true},
	}
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		k := newKeys(t, alg)
		s, _ := newSigner(t, k, alg)
		for _, tt := range tests {
			t.Run(alg+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				r := request()
				if tt.change != nil {
					tt.change(&r)
				}
				_, claims := open(t, sign(t, s, r), k, alg)
				if diff := cmp.Diff(tt.want, tt.claim(claims)); diff != "" {
					t.Errorf("claim differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestHeaderNamesTypeAlgorithmAndKey(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		k := newKeys(t, alg)
		s, _ := newSigner(t, k, alg)
		for _, kid := range []string{"key-1", "key-1", "key-2"} { // rotation shows at once
			k.kid = kid
			h, _ := open(t, sign(t, s, request()), k, alg)
			if h.KeyID != kid || h.Algorithm != alg || h.ExtraHeaders[jose.HeaderType] != "at+jwt" {
				t.Errorf("header = %+v, want kid %s, alg %s, typ at+jwt", h, kid, alg)
			}
		}
	}
}

func TestNoTwoAssertionsShareAnID(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	s, _ := newSigner(t, k, assertion.EdDSA)
	const workers, each = 4, 50
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := make(map[string]bool)
	for range workers {
		wg.Go(func() {
			for range each {
				_, c := open(t, sign(t, s, request()), k, assertion.EdDSA)
				mu.Lock()
				seen[c.ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != workers*each {
		t.Errorf("%d different ids of %d assertions", len(seen), workers*each)
	}
}

func TestTimesFollowTheClock(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	s, now := newSigner(t, k, assertion.EdDSA)
	now.Advance(time.Hour)
	_, c := open(t, sign(t, s, request()), k, assertion.EdDSA)
	if want := start.Add(time.Hour).Unix(); c.IssuedAt != want {
		t.Errorf("iat = %d, want %d", c.IssuedAt, want)
	}
}

func TestIncompleteRequestsAreNotSigned(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*assertion.Request)
	}{
		{"nobody is named", func(r *assertion.Request) { r.UserID, r.Email = "", "" }},
		{"a user id that reads as an address", func(r *assertion.Request) { r.UserID = "email:root@example.com" }},
		{"no domain", func(r *assertion.Request) { r.DomainID = "" }},
		{"no transaction", func(r *assertion.Request) { r.Transaction = "" }},
		{"no method", func(r *assertion.Request) { r.Method = "" }},
		{"no path", func(r *assertion.Request) { r.Path = "" }},
		{"a path without slash would extend the host", func(r *assertion.Request) { r.Path = ".evil.example/x" }},
		{"a path with a query", func(r *assertion.Request) { r.Path = "/x?y=z" }},
		{"a path with a fragment", func(r *assertion.Request) { r.Path = "/x#y" }},
	}
	k := newKeys(t, assertion.EdDSA)
	s, _ := newSigner(t, k, assertion.EdDSA)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request()
			tt.change(&r)
			if token, err := s.Sign(r); !errors.Is(err, assertion.ErrIncomplete) || token != "" {
				t.Errorf("Sign = %q, %v; want ErrIncomplete", token, err)
			}
		})
	}
}

func TestFailuresOfKeysAndRandomnessAreReported(t *testing.T) {
	t.Parallel()
	good := newKeys(t, assertion.EdDSA)
	broken := errors.New("broken")
	tests := []struct {
		name string
		keys *keys
		alg  string
		rand io.Reader
	}{
		{"the key cannot be read", &keys{err: broken}, assertion.EdDSA, nil},
		{"the key is of another algorithm", good, assertion.ES256, nil},
		{"randomness fails", good, assertion.EdDSA, iotest.ErrReader(broken)},
		{"randomness is short", good, assertion.EdDSA, strings.NewReader("15 bytes of it.")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := assertion.New(assertion.Config{Issuer: issuer, Audience: audience, Keys: tt.keys, Alg: tt.alg, Rand: tt.rand})
			if err != nil {
				t.Fatal(err)
			}
			if token, err := s.Sign(request()); err == nil || token != "" {
				t.Errorf("Sign = %q, %v; want an error and no token", token, err)
			}
		})
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	tests := []struct {
		name string
		cfg  assertion.Config
	}{
		{"no issuer", assertion.Config{Audience: audience, Keys: k}},
		{"no audience", assertion.Config{Issuer: issuer, Keys: k}},
		{"no keys", assertion.Config{Issuer: issuer, Audience: audience}},
		{"audience with a slash would double it in htu", assertion.Config{Issuer: issuer, Audience: audience + "/", Keys: k}},
		{"no signature", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Alg: "none"}},
		{"a shared secret", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Alg: "HS256"}},
		{"RSA", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Alg: "RS256"}},
		{"longer than a minute", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Lifetime: 61 * time.Second}},
		{"negative lifetime", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Lifetime: -time.Second}},
		{"less than the claims can say", assertion.Config{Issuer: issuer, Audience: audience, Keys: k, Lifetime: time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := assertion.New(tt.cfg); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		b.Run(alg, func(b *testing.B) {
			k := newKeys(b, alg)
			s, _ := newSigner(b, k, alg)
			r := request()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
