package verify_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/tests/gateway"
)

const audience = "https://api.example.com"

// issuer publishes the gateway's keys as the gateway does.
type issuer struct {
	*httptest.Server
	keys *keys.Set
}

// memory is a storage for the keys.
type memory struct {
	sync.Mutex
	files map[string][]byte
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	if raw, ok := m.files[key]; ok {
		return raw, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.files[key] = value
	return nil
}

func (m *memory) Lock(context.Context, string) error { m.Mutex.Lock(); return nil }

func (m *memory) Unlock(context.Context, string) error { m.Mutex.Unlock(); return nil }

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	set, err := keys.Open(t.Context(), &memory{files: map[string][]byte{}}, clock.System, nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/jwks.json" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set.JWKS())
	}))
	t.Cleanup(srv.Close)
	return &issuer{srv, set}
}

// program is an example and what it needs.
type program struct {
	name string
	// command returns how it is started, or says in the error what is missing.
	command func(t *testing.T, dir string) ([]string, error)
	// required is set for the languages that the tests need anyway.
	required bool
}

var programs = []program{
	{"go", func(t *testing.T, dir string) ([]string, error) {
		binary := filepath.Join(t.TempDir(), "verify")
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Dir = dir
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		return []string{binary}, nil
	}, true},
	{"node", func(_ *testing.T, dir string) ([]string, error) {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "jose")); err != nil {
			return nil, fmt.Errorf("jose is not installed: ./tests/run does it, or run npm ci in %s", dir)
		}
		return []string{"node", "verify.mjs"}, nil
	}, true},
	{"python", func(*testing.T, string) ([]string, error) {
		for _, python := range []string{"python3", "/usr/bin/python3"} {
			if exec.Command(python, "-c", "import jwt, cryptography; jwt.PyJWKClient").Run() == nil {
				return []string{python, "verify.py"}, nil
			}
		}
		return nil, fmt.Errorf("no python3 with PyJWT and cryptography (Debian: python3-jwt python3-cryptography)")
	}, false},
	{"java", func(*testing.T, string) ([]string, error) {
		const gson = "/usr/share/java/gson.jar"
		if _, err := os.Stat(gson); err != nil {
			return nil, fmt.Errorf("no Gson at %s (Debian: libgoogle-gson-java)", gson)
		}
		if err := exec.Command("java", "--version").Run(); err != nil {
			return nil, fmt.Errorf("no java (Debian: default-jdk-headless)")
		}
		return []string{"java", "-XX:TieredStopAtLevel=1", "-cp", gson, "Verify.java"}, nil
	}, false},
}

// start runs an example until the test ends and returns its address.
func start(t *testing.T, p program, i *issuer) string {
	t.Helper()
	dir := filepath.Join(gateway.Root(), "docs", "examples", "verify", p.name)
	args, err := p.command(t, dir)
	switch {
	case err != nil && p.required:
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ISSUER="+i.URL, "AUDIENCE="+audience, "PORT=0")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("its log:\n%s", log.String())
		}
	})
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- line
	}()
	select {
	case line := <-first:
		_, addr, found := strings.Cut(strings.TrimSpace(line), "listening on ")
		if !found {
			t.Fatalf("it said %q\n%s", line, log.String())
		}
		return addr
	case <-time.After(time.Minute):
		t.Fatal("it does not listen")
	}
	return ""
}

// way is the way from the gateway's client to the example.
type way struct {
	addr   string
	change func(*http.Request)
	status int
	body   string
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Scheme, r.URL.Host = "http", w.addr
	if w.change != nil {
		w.change(r)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	w.status, w.body = resp.StatusCode, string(raw)
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, err
}

// send lets the gateway's client make a request with a signer of its own.
func send(t *testing.T, addr string, cfg assertion.Config, r *backend.Request, change func(*http.Request)) *way {
	t.Helper()
	signer, err := assertion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{addr: addr, change: change}
	c, err := backend.New(backend.Config{Base: &url.URL{Scheme: "https", Host: "api.example.com"}, Transport: w, Credential: backend.Assertion{Signer: signer}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Do(t.Context(), r) // what counts is the answer as it came
	return w
}

func read() *backend.Request {
	return &backend.Request{
		Person: backend.Person{Email: "ada@acme.com", Domain: "acme.com", Subject: "u-1", ClientID: "c-1", TXN: "txn-1"},
		Scope:  "appstore:read", Permissions: []string{"appstore.apps.view"},
		Method: http.MethodGet, Path: []string{"appstore", "apps", "a~b"}, Query: []backend.Param{{Name: "q", Value: "x y/z"}},
	}
}

func write() *backend.Request {
	r := read()
	r.Method, r.Path, r.Query, r.Body = http.MethodPost, []string{"appstore", "access_request"}, nil, []byte(`{"app_id":"ä"}`)
	return r
}

// rewriteToken changes the two JSON parts of the token.
func rewriteToken(r *http.Request, header, claims func(map[string]any), signature string) {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	for i, change := range []func(map[string]any){header, claims} {
		if change == nil {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			panic(err)
		}
		var value map[string]any
		if err := json.Unmarshal(raw, &value); err != nil {
			panic(err)
		}
		change(value)
		if raw, err = json.Marshal(value); err != nil {
			panic(err)
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	if signature != "keep" {
		parts[2] = signature
	}
	r.Header.Set("Authorization", "Bearer "+strings.Join(parts, "."))
}

func TestTheExamplesTakeWhatTheGatewaySignedAndNothingElse(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			i := newIssuer(t)
			addr := start(t, p, i)
			good := assertion.Config{Issuer: i.URL, Audience: audience, Keys: i.keys}

			for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
				cfg := good
				cfg.Alg = alg
				for name, r := range map[string]*backend.Request{"a read": read(), "a write": write()} {
					w := send(t, addr, cfg, r, nil)
					var answer struct{ Email, Sub string }
					if w.status != http.StatusOK || json.Unmarshal([]byte(w.body), &answer) != nil || answer.Email != "ada@acme.com" || answer.Sub != "u-1" {
						t.Errorf("%s, %s: %d %s", alg, name, w.status, w.body)
					}
				}
			}

			otherAudience, otherIssuer, past, future := good, good, good, good
			otherAudience.Audience = "https://other.example.com"
			otherIssuer.Issuer = "https://auth.example.com"
			past.Clock = clock.NewFake(time.Now().Add(-3 * time.Minute))
			future.Clock = clock.NewFake(time.Now().Add(3 * time.Minute))
			foreign := good
			foreign.Keys = newIssuer(t).keys
			setBody := func(body string) func(*http.Request) {
				return func(r *http.Request) {
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				}
			}
			for name, refused := range map[string]struct {
				cfg    assertion.Config
				change func(*http.Request)
			}{
				"no assertion":     {good, func(r *http.Request) { r.Header.Del("Authorization") }},
				"no JWT":           {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer lma_x") }},
				"another audience": {otherAudience, nil},
				"another issuer":   {otherIssuer, nil},
				"expired":          {past, nil},
				"key of another":   {foreign, nil},
				"another method":   {good, func(r *http.Request) { r.Method = http.MethodPut }},
				"another path":     {good, func(r *http.Request) { r.URL.Path = "/appstore/apps" }},
				"another body":     {good, setBody(`{"app_id":"b"}`)},
				"no body":          {good, func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }},
				"alg none":         {good, func(r *http.Request) { rewriteToken(r, func(h map[string]any) { h["alg"] = "none" }, nil, "") }},
				"alg HS256":        {good, func(r *http.Request) { rewriteToken(r, func(h map[string]any) { h["alg"] = "HS256" }, nil, "AAAA") }},
				"another typ":      {good, func(r *http.Request) { rewriteToken(r, func(h map[string]any) { h["typ"] = "JWT" }, nil, "keep") }},
				"another person": {good, func(r *http.Request) {
					rewriteToken(r, nil, func(c map[string]any) { c["email"] = "root@acme.com" }, "keep")
				}},
				"signature of zeros": {good, func(r *http.Request) { rewriteToken(r, nil, nil, strings.Repeat("A", 86)) }},
			} {
				w := send(t, addr, refused.cfg, write(), refused.change)
				if w.status != http.StatusUnauthorized || strings.Contains(w.body, "acme.com") {
					t.Errorf("%s: %d %s, want 401", name, w.status, w.body)
				}
			}
			if w := send(t, addr, good, read(), setBody("x")); w.status != http.StatusUnauthorized {
				t.Errorf("a body that was not signed: %d", w.status)
			}
			// It still serves.
			if w := send(t, addr, good, write(), nil); w.status != http.StatusOK {
				t.Errorf("a good request afterwards: %d %s", w.status, w.body)
			}
		})
	}
}
