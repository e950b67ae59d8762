package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

const verifiedAudience = "https://api.example.com"

// backendSide is a Caddy of a backend team: mcp_verify before an API, with the
// keys of an issuer that may be away.
type backendSide struct {
	t      *testing.T
	addr   string
	issuer *httptest.Server
	away   atomic.Bool
	keys   *keys.Set
	api    *httptest.Server
	dir    string

	mu       sync.Mutex
	requests []*http.Request // as the API got them
	bodies   []string
}

func newBackendSide(t *testing.T) *backendSide {
	t.Helper()
	b := &backendSide{t: t, dir: t.TempDir()}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	storage, err := storageOf(ctx, fmt.Appendf(nil, `{"storage": {"module": "file_system", "root": %q}}`, b.dir))
	if err != nil {
		t.Fatal(err)
	}
	if b.keys, err = keys.Open(t.Context(), storage, clock.System, nil); err != nil {
		t.Fatal(err)
	}
	b.issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.away.Load() || r.URL.Path != "/jwks.json" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(b.keys.JWKS())
	}))
	b.api = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.requests, b.bodies = append(b.requests, r), append(b.bodies, string(body))
	}))
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		b.api.Close()
		b.issuer.Close()
	})
	return b
}

// load makes Caddy run mcp_verify with these lines, and before with others in
// front of it.
//
// Each time at another address: what comes to a listener that is just being
// closed is reset by the system, which is none of what is tested here.
func (b *backendSide) load(lines string, before ...string) {
	b.t.Helper()
	b.addr = freeAddress(b.t)
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, `{
	admin off
	persist_config off
	auto_https off
	servers {
		protocols h1 h2 h2c
	}
	log {
		output file %[1]s/log
	}
}
http://%[2]s {
	%[6]s
	mcp_verify {
		issuer %[3]s
		audience %[7]s
		%[5]s
	}
	reverse_proxy %[4]s
}
`, b.dir, b.addr, b.issuer.URL, b.api.URL, lines, strings.Join(before, "\n"), verifiedAudience), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := caddy.Load(raw, true); err != nil {
		b.t.Fatal(err)
	}
}

// transport sends what the gateway's client made to the backend's Caddy, after
// change.
type transport struct {
	addr   string
	change func(*http.Request)
	status int
	header http.Header
	body   string
	fault  error // why there is no answer
}

func (s *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Scheme, r.URL.Host, r.Host = "http", s.addr, s.addr
	if s.change != nil {
		s.change(r)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		s.fault = err
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	s.status, s.header, s.body = resp.StatusCode, resp.Header, string(raw)
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, err
}

// send lets the real client of the gateway make a request, changes it on the way
// and returns how it was answered.
func (b *backendSide) send(signature bool, r *backend.Request, change func(*http.Request)) *transport {
	b.t.Helper()
	signer, err := assertion.New(assertion.Config{Issuer: b.issuer.URL, Audience: verifiedAudience, Keys: b.keys})
	if err != nil {
		b.t.Fatal(err)
	}
	var credential backend.Credential = backend.Assertion{Signer: signer}
	if signature {
		credential = backend.SignedMessage{Issuer: signer, Keys: b.keys, Alg: assertion.EdDSA}
	}
	s := &transport{addr: b.addr, change: change}
	c, err := backend.New(backend.Config{Base: &url.URL{Scheme: "https", Host: "api.example.com"}, Transport: s, Credential: credential})
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = c.Do(context.Background(), r) // what counts is the answer as it came
	if s.fault != nil {
		b.t.Logf("no answer: %v", s.fault)
	}
	return s
}

func (b *backendSide) passed() (requests []*http.Request, bodies []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, bodies = b.requests, b.bodies
	b.requests, b.bodies = nil, nil
	return requests, bodies
}

func signedWrite() *backend.Request {
	return &backend.Request{
		Person: backend.Person{Email: "ada@acme.com", Domain: "acme.com", Subject: "u-1", ClientID: "c-1", TXN: "txn-1"},
		Scope:  "appstore:request", Permissions: []string{"appstore.requests.create", "appstore.requests.cancel"},
		Method: http.MethodPost, Path: []string{"appstore", "access_request"}, Query: []backend.Param{{Name: "q", Value: "1"}}, Body: []byte(`{"app_id":"a"}`),
	}
}

func signedRead() *backend.Request {
	r := signedWrite()
	r.Method, r.Body = http.MethodGet, nil
	return r
}

const allHeaders = `
		header X-User-Email {email}
		header X-User-Id {sub}
		header X-Domain {domain_id}
		header X-Client {client_id}
		header X-Scope {scope}
		header X-Permissions {permissions}
		header X-Txn {txn}`

func TestAVerifiedRequestReachesTheAPIWithWhoItIsFor(t *testing.T) {
	b := newBackendSide(t)
	for _, message := range []bool{false, true} {
		lines := allHeaders
		if message {
			lines += "\nrequire_signature rfc9421"
		}
		b.load(lines)
		for _, r := range []*backend.Request{signedRead(), signedWrite()} {
			if s := b.send(message, r, nil); s.status != http.StatusOK {
				t.Fatalf("%s: %d %s", r.Method, s.status, s.body)
			}
			requests, bodies := b.passed()
			if len(requests) != 1 || bodies[0] != string(r.Body) || requests[0].RequestURI != "/appstore/access_request?q=1" || requests[0].Method != r.Method {
				t.Fatalf("the API got %v %q", requests, bodies)
			}
			for name, want := range map[string]string{
				"X-User-Email": "ada@acme.com", "X-User-Id": "u-1", "X-Domain": "acme.com", "X-Client": "c-1", "X-Scope": "appstore:request",
				"X-Permissions": "appstore.requests.create appstore.requests.cancel", "X-Txn": "txn-1", "X-Request-Id": "txn-1",
			} {
				if got := requests[0].Header.Values(name); !slices.Equal(got, []string{want}) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if requests[0].Header.Get("Authorization") != "" {
				t.Error("the assertion reached the API")
			}
		}
	}
	b.load("keep_authorization")
	b.send(false, signedRead(), nil)
	if requests, _ := b.passed(); len(requests) != 1 || !strings.HasPrefix(requests[0].Header.Get("Authorization"), "Bearer ey") {
		t.Error("keep_authorization kept nothing")
	}
}

func TestNobodyElseSaysWhoARequestIsFor(t *testing.T) {
	b := newBackendSide(t)
	b.load("header X-User-Email {email}\nheader X-Missing {client_id}")
	spellings := []string{"X-User-Email", "x-user-email", "X_User_Email", "x_user_email", "X-User_Email", "X-USER-EMAIL", "X.User.Email", "X-Missing", "X_Missing", "X-HTTP-Method-Override", "X-Original-URL", "x_rewrite_url"}
	r := signedWrite()
	r.Person.ClientID = "" // the header of a claim that is absent is not let in either
	s := b.send(false, r, func(r *http.Request) {
		for _, name := range spellings {
			r.Header[name] = []string{"root@acme.com", "other@acme.com"}
		}
		r.Header["Connection"] = []string{"x-user-email"}
		r.Trailer = http.Header{"X-User-Email": {"root@acme.com"}, "X_user_email": {"root@acme.com"}}
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	})
	if s.status != http.StatusOK {
		t.Fatalf("%d %s", s.status, s.body)
	}
	requests, bodies := b.passed()
	if bodies[0] != `{"app_id":"a"}` {
		t.Errorf("body %q", bodies[0])
	}
	for name, values := range requests[0].Header {
		if strings.Contains(strings.Join(values, " "), "root@") {
			t.Errorf("%s: %q reached the API", name, values)
		}
	}
	if got := requests[0].Header.Values("X-User-Email"); !slices.Equal(got, []string{"ada@acme.com"}) {
		t.Errorf("X-User-Email is %q", got)
	}
	if len(requests[0].Trailer) != 0 {
		t.Errorf("trailers %v", requests[0].Trailer)
	}
}

// Raw bytes: Go's client sends no trailer that it did not announce.
func TestATrailerThatNobodyAnnouncedIsNotPassedOn(t *testing.T) {
	b := newBackendSide(t)
	b.load("header X-User-Email {email}")
	var token string
	b.send(false, signedWrite(), func(r *http.Request) {
		token = r.Header.Get("Authorization")
		r.Method = http.MethodPut // refused, so the assertion is not used up
	})
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST /appstore/access_request HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n%s\r\n0\r\nX-User-Email: root@acme.com\r\n\r\n", b.addr, token, `{"app_id":"a"}`)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	requests, _ := b.passed()
	if len(requests[0].Trailer) != 0 || !slices.Equal(requests[0].Header.Values("X-User-Email"), []string{"ada@acme.com"}) {
		t.Errorf("header %v, trailer %v", requests[0].Header, requests[0].Trailer)
	}
}

func TestARequestThatIsNotAsItWasSignedNeverReachesTheAPI(t *testing.T) {
	b := newBackendSide(t)
	setBody := func(body string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
	}
	for name, test := range map[string]struct {
		message   bool
		change    func(*http.Request)
		status    int
		challenge string
		reason    string
	}{
		"no assertion":    {false, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "Bearer", "no bearer token"},
		"an opaque token": {false, func(r *http.Request) { r.Header.Set("Authorization", "Bearer lma_x") }, 401, `Bearer error="invalid_token"`, "not a signed JWT"},
		"another method":  {false, func(r *http.Request) { r.Method = http.MethodPut }, 401, `Bearer error="invalid_token"`, "htm"},
		"another path":    {false, func(r *http.Request) { r.URL.Path = "/appstore/apps" }, 401, `Bearer error="invalid_token"`, "htu"},
		"another body":    {false, setBody(`{"app_id":"b"}`), 401, `Bearer error="invalid_token"`, "content_digest"},
		// Not much longer than the limit: what is left unread must fit into the buffers
		// on the way, or the answer is lost with the connection.
		"a body that is too long": {false, setBody(strings.Repeat("x", 1<<20+4<<10)), 413, "", "too large"},
		"another query":           {true, func(r *http.Request) { r.URL.RawQuery = "q=2" }, 401, `Bearer error="invalid_token"`, "message signature"},
		"no message signature":    {true, func(r *http.Request) { r.Header.Del("Signature") }, 401, `Bearer error="invalid_token"`, "message signature"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := "header X-User-Email {email}"
			if test.message {
				lines += "\nrequire_signature rfc9421"
			}
			b.load(lines)
			var token string
			s := b.send(test.message, signedWrite(), func(r *http.Request) {
				token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				test.change(r)
			})
			if s.status != test.status || s.header.Get("WWW-Authenticate") != test.challenge {
				t.Errorf("answer %d, challenge %q, want %d %q", s.status, s.header.Get("WWW-Authenticate"), test.status, test.challenge)
			}
			if s.header.Get("Content-Type") != "application/json" || !strings.Contains(s.body, `"error":"invalid_`) {
				t.Errorf("body %s %s", s.header.Get("Content-Type"), s.body)
			}
			if requests, _ := b.passed(); len(requests) != 0 {
				t.Error("the API got the request")
			}
			log, err := os.ReadFile(filepath.Join(b.dir, "log"))
			if err != nil || !strings.Contains(string(log), test.reason) {
				t.Errorf("the log has no reason %q (%v)", test.reason, err)
			}
			if strings.Contains(string(log), token) {
				t.Error("the log holds the token")
			}
		})
	}
}

func TestAnAssertionIsTakenOnceAlsoAfterAReload(t *testing.T) {
	b := newBackendSide(t)
	b.load("")
	var first http.Header
	if s := b.send(false, signedRead(), func(r *http.Request) { first = r.Header.Clone() }); s.status != http.StatusOK {
		t.Fatalf("%d", s.status)
	}
	again := func(r *http.Request) { r.Header = first.Clone() }
	if s := b.send(false, signedRead(), again); s.status != http.StatusUnauthorized {
		t.Errorf("a second time: %d", s.status)
	}
	b.load("replay_window 5m\nheader X-User-Email {email}")
	if s := b.send(false, signedRead(), again); s.status != http.StatusUnauthorized {
		t.Errorf("after a reload: %d", s.status)
	}
	b.load("replay_window off")
	if s := b.send(false, signedRead(), again); s.status != http.StatusOK {
		t.Errorf("with replay_window off: %d", s.status)
	}
}

func TestWithoutAnyKeyTheAnswerIs503AndKnownKeysOutliveTheIssuer(t *testing.T) {
	b := newBackendSide(t)
	b.away.Store(true)
	b.load("")
	s := b.send(false, signedRead(), nil)
	if s.status != http.StatusServiceUnavailable || s.header.Get("Retry-After") != "5" || s.header.Get("WWW-Authenticate") != "" {
		t.Errorf("%d, Retry-After %q, challenge %q", s.status, s.header.Get("Retry-After"), s.header.Get("WWW-Authenticate"))
	}
	// The keys may come from a file instead.
	file := filepath.Join(b.dir, "jwks.json")
	if err := os.WriteFile(file, b.keys.JWKS(), 0o600); err != nil {
		t.Fatal(err)
	}
	b.load("jwks " + file)
	for range 2 {
		if s := b.send(false, signedRead(), nil); s.status != http.StatusOK {
			t.Errorf("with a file: %d %s", s.status, s.body)
		}
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

func TestWhatWasSignedIsWhatArrivedAndNotWhatASiteMakesOfIt(t *testing.T) {
	b := newBackendSide(t)
	b.load("", "rewrite * /v2{uri}", "method PATCH")
	if s := b.send(false, signedRead(), nil); s.status != http.StatusOK {
		t.Fatalf("%d %s", s.status, s.body)
	}
	requests, _ := b.passed()
	if requests[0].URL.Path != "/v2/appstore/access_request" || requests[0].Method != http.MethodPatch {
		t.Errorf("the API got %s %s", requests[0].Method, requests[0].URL)
	}
	s := b.send(false, signedRead(), func(r *http.Request) { r.URL.Path = "/v2/appstore/access_request" })
	if s.status != http.StatusUnauthorized {
		t.Errorf("the rewritten path from outside: %d", s.status)
	}
}

func TestJSONSettingsOfMcpVerifyAreChecked(t *testing.T) {
	good := func() *Verify {
		return &Verify{Issuer: "https://auth.example.com", Audience: verifiedAudience, Headers: []IdentityHeader{{"X-User", "email"}}}
	}
	for name, change := range map[string]func(*Verify){
		"":                      func(*Verify) {},
		"no issuer":             func(v *Verify) { v.Issuer = "" },
		"issuer with a path":    func(v *Verify) { v.Issuer += "/x" },
		"audience with a path":  func(v *Verify) { v.Audience += "/x" },
		"keys over plain http":  func(v *Verify) { v.JWKS = "http://auth.example.com/jwks.json" },
		"a claim that is none":  func(v *Verify) { v.Headers[0].Claim = "exp" },
		"a header that is none": func(v *Verify) { v.Headers[0].Name = "X User" },
		"a header twice":        func(v *Verify) { v.Headers = append(v.Headers, IdentityHeader{"x-user", "sub"}) },
		"another signature":     func(v *Verify) { v.RequireSignature = "x" },
		"a short window":        func(v *Verify) { v.ReplayWindow = 1 },
		"a negative size":       func(v *Verify) { v.MaxBody = -1 },
		"a placeholder unset":   func(v *Verify) { v.Issuer = "{env.NOT_SET_ANYWHERE}" },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			v := good()
			change(v)
			err := v.Provision(ctx)
			if (err == nil) != (name == "") {
				t.Errorf("Provision: %v", err)
			}
			if err := v.Cleanup(); err != nil {
				t.Errorf("Cleanup: %v", err)
			}
		})
	}
	verifying.Range(func(key, _ any) bool {
		t.Errorf("the pool still holds %v", key)
		return true
	})
}
