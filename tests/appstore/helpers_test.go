package appstore_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/tests/appstore"
)

const audience = "https://api.example"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer signs tokens and serves its key set over TLS with a private CA.
type issuer struct {
	server *httptest.Server

	mu    sync.Mutex
	keys  map[string]crypto.Signer
	reads int
	down  bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: make(map[string]crypto.Signer)}
	i.addEd25519(t, "ed")
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys["p256"] = p256
	i.server = httptest.NewTLSServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) addEd25519(t *testing.T, kid string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[kid] = key
}

func (i *issuer) remove(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.keys, kid)
}

func (i *issuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *issuer) readCount() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reads
}

func (i *issuer) key(kid string) crypto.Signer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[kid]
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reads++
	if i.down || r.URL.Path != "/jwks.json" {
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	}
	var set jose.JSONWebKeySet
	for kid, key := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{KeyID: kid, Use: "sig", Key: key.Public()})
	}
	_ = json.NewEncoder(w).Encode(set)
}

// backend is a running backend and a caller who signs.
type backend struct {
	t      *testing.T
	server *appstore.Server
	issuer *issuer
	clock  *clock.Fake
	http   *http.Client
}

func start(t *testing.T, change ...func(*appstore.Config)) *backend {
	t.Helper()
	i := newIssuer(t)
	now := clock.NewFake(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	config := appstore.Config{Issuer: i.server.URL, Audience: audience, Client: i.server.Client(), Clock: now}
	for _, c := range change {
		c(&config)
	}
	server, err := appstore.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &backend{t: t, server: server, issuer: i, clock: now, http: &http.Client{Transport: transport}}
}

// signed is a request with its token still to be made, so that a test can spoil
// any part of it.
type signed struct {
	request *http.Request
	method  jwt.SigningMethod
	kid     string
	header  map[string]any
	claims  jwt.MapClaims
	key     any // nil: the issuer's key of that kid
}

// as returns the claims of a demo person by number.
func as(n int) jwt.MapClaims {
	p := appstore.DemoPeople()[n]
	return jwt.MapClaims{"sub": p.ID, "email": p.Email, "domain_id": p.DomainID}
}

func (b *backend) prepare(method, target, body string) *signed {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL()+target, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	claims := jwt.MapClaims{
		"iss": b.issuer.server.URL, "aud": audience, "client_id": "client-1",
		"act": map[string]any{"sub": "client-1"}, "txn": "txn-1", "jti": rand.Text(),
		"iat": b.clock.Now().Unix(), "exp": b.clock.Now().Add(time.Minute).Unix(),
		"htm": method, "htu": audience + req.URL.EscapedPath(),
		"scope": "appstore:read appstore:request",
		"permissions": []string{
			"appstore.apps.view", "appstore.requests.view", "appstore.requests.create", "appstore.requests.cancel",
		},
	}
	for name, value := range as(0) {
		claims[name] = value
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		claims["content_digest"] = digest(body)
	}
	return &signed{
		request: req, method: jwt.SigningMethodEdDSA, kid: "ed",
		header: map[string]any{"typ": "at+jwt"}, claims: claims,
	}
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// sign makes the token and sets the header.
func (b *backend) sign(s *signed) {
	b.t.Helper()
	token := jwt.NewWithClaims(s.method, s.claims)
	token.Header["kid"] = s.kid
	for name, value := range s.header {
		token.Header[name] = value
	}
	key := s.key
	if key == nil {
		key = b.issuer.key(s.kid)
	}
	raw, err := token.SignedString(key)
	if err != nil {
		b.t.Fatal(err)
	}
	s.request.Header.Set("Authorization", "Bearer "+raw)
}

// send sends the request as it is and returns status and body.
func (b *backend) send(req *http.Request) (int, []byte) {
	b.t.Helper()
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, body
}

// do signs and sends a request, with claims in place of the usual ones.
func (b *backend) do(method, target, body string, claims ...jwt.MapClaims) (int, []byte) {
	b.t.Helper()
	s := b.prepare(method, target, body)
	for _, c := range claims {
		for name, value := range c {
			s.claims[name] = value
		}
	}
	b.sign(s)
	return b.send(s.request)
}

// get signs and sends a GET that must succeed, and decodes the answer.
func get[T any](b *backend, target string, claims ...jwt.MapClaims) T {
	b.t.Helper()
	status, body := b.do(http.MethodGet, target, "", claims...)
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", target, status, body)
	}
	return decode[T](b.t, body)
}

func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// detail returns the text of an error answer.
func detail(t *testing.T, body []byte) string {
	t.Helper()
	return decode[struct {
		Detail string `json:"detail"`
	}](t, body).Detail
}
