package oidc_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

const (
	clientID = "gateway"
	callback = "https://auth.example/callback/acme.com"
	nonce    = "the nonce that was sent"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// claims of an ID token; any JSON, since providers send any JSON.
type claims map[string]any

// op is an OpenID provider on loopback whose every answer a test can bend.
type op struct {
	*httptest.Server
	clock *clock.Fake

	mu       sync.Mutex
	meta     claims // changes of the discovery document
	token    claims // changes of the ID token; nil values leave a claim out
	alg      jose.SignatureAlgorithm
	key      any // signs
	kid      string
	keys     []jose.JSONWebKey // published
	answer   http.HandlerFunc  // instead of the token endpoint
	jwks     http.HandlerFunc  // instead of the key set
	requests []*http.Request   // of the token endpoint, parsed

	discoveries, keyFetches atomic.Int32
	down                    atomic.Int32 // so many discoveries fail
}

func newOP(t testing.TB) *op {
	t.Helper()
	o := &op{clock: clock.NewFake(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)), alg: jose.RS256, kid: "k1"}
	o.use(t, jose.RS256)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("/token", o.tokenEndpoint)
	mux.HandleFunc("/keys", o.keySet)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// rsaKey is made once: it is slow to make.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// use signs with a new key for alg and publishes it.
func (o *op) use(t testing.TB, alg jose.SignatureAlgorithm) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.alg, o.key = alg, key
	o.keys = []jose.JSONWebKey{{Key: key.Public(), KeyID: o.kid, Use: "sig"}}
}

func (o *op) discovery(w http.ResponseWriter, _ *http.Request) {
	o.discoveries.Add(1)
	if o.down.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	doc := claims{
		"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token",
		"jwks_uri": o.URL + "/keys", "id_token_signing_alg_values_supported": []string{"HS256", "none"},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	writeJSON(w, merge(doc, o.meta))
}

func (o *op) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r)
	if o.answer != nil {
		o.answer(w, r)
		return
	}
	writeJSON(w, claims{"access_token": "at", "token_type": "Bearer", "id_token": o.sign()})
}

// sign makes an ID token. The caller holds the lock.
func (o *op) sign() string {
	now := o.clock.Now().Unix()
	body, _ := json.Marshal(merge(claims{
		"iss": o.URL, "sub": "ann", "aud": clientID, "nonce": nonce, "iat": now, "exp": now + 300,
		"email": "ann@acme.com", "email_verified": true, "name": "Ann", "groups": []string{"staff", "admins"},
	}, o.token))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: o.alg, Key: jose.JSONWebKey{Key: o.key, KeyID: o.kid}}, nil)
	if err != nil {
		return err.Error()
	}
	jws, err := signer.Sign(body)
	if err != nil {
		return err.Error()
	}
	raw, _ := jws.CompactSerialize()
	return raw
}

func (o *op) keySet(w http.ResponseWriter, r *http.Request) {
	o.keyFetches.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.jwks != nil {
		o.jwks(w, r)
		return
	}
	writeJSON(w, jose.JSONWebKeySet{Keys: o.keys})
}

func merge(a, b claims) claims {
	for k, v := range b {
		if a[k] = v; v == nil {
			delete(a, k)
		}
	}
	return a
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// provider connects to o.
func (o *op) provider(t testing.TB, change func(*oidc.Config)) *oidc.Provider {
	t.Helper()
	cfg := oidc.Config{Issuer: o.URL, ClientID: clientID, ClientSecret: "the secret", RedirectURI: callback, Clock: o.clock, HTTPClient: o.Client()}
	if change != nil {
		change(&cfg)
	}
	p, err := oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// exchange runs a callback with a code.
func exchange(t testing.TB, p *oidc.Provider) (idp.Identity, error) {
	t.Helper()
	return p.Exchange(t.Context(), idp.Response{Code: "the code", Nonce: nonce, Verifier: verifier})
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func query(t testing.TB, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

var large = bytes.Repeat([]byte(" "), 2<<20)
