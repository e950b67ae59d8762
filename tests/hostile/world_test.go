package hostile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const (
	readScope  = "appstore:read"
	bothScopes = "appstore:read appstore:request"
	formType   = "application/x-www-form-urlencoded"
	jsonType   = "application/json"
	// evil is a host that is registered nowhere. Nothing is ever sent there.
	evil = "evil.example"
)

// world is a running gateway with what stands around it.
type world struct {
	*gateway.Gateway
	issuer, resource string
	// approvals counts the clients that people approved during floods.
	approvals atomic.Int64
}

// start runs the gateway with the root Caddyfile, changed by pairs of old and
// new text.
func start(t *testing.T, edits ...string) *world {
	t.Helper()
	path := ""
	if len(edits) > 0 {
		path = gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), edits...)
	}
	g := gateway.Start(t, stack.Options{}, path)
	t.Cleanup(func() {
		if strings.Contains(g.Log(), "panic") {
			t.Error("the gateway's log speaks of a panic")
		}
	})
	return &world{Gateway: g, issuer: g.Stack.Issuer, resource: g.Stack.Resource}
}

// part is a group of cases that shares its gateway with others.
type part struct {
	name string
	run  func(*testing.T, *world)
}

func (w *world) run(t *testing.T, parts ...part) {
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.run(t, w) })
	}
}

// client is an HTTP client that follows no redirect and keeps no cookie.
func (w *world) client() *http.Client {
	c := w.Stack.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// register registers a client like MCP Inspector, with a loopback redirect.
func (w *world) register(t testing.TB) *assistant.Assistant {
	t.Helper()
	a, err := assistant.Register(t.Context(), w.stranger(t), w.issuer, w.resource)
	if err != nil {
		t.Fatal(err)
	}
	a.HTTP = w.client()
	return a
}

// registerAs registers a client by a body of the caller's own.
func (w *world) registerAs(t testing.TB, redirect, body string) (*assistant.Assistant, registration) {
	t.Helper()
	answer := w.sendBy(t, w.stranger(t), http.MethodPost, w.issuer+"/register", jsonType, body)
	var r registration
	if err := json.Unmarshal(answer.Body, &r); err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("registration answered %d: %s", answer.Status, answer.Body)
	}
	return &assistant.Assistant{Issuer: w.issuer, Resource: w.resource, HTTP: w.client(), ClientID: r.ClientID, Redirect: redirect}, r
}

// registration is the part of a registration answer that tests look at.
type registration struct {
	ClientID     string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris"`
	GrantTypes   []string `json:"grant_types"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
	SecretEnds   *int64   `json:"client_secret_expires_at"`
}

// person is a browser of the person with that role.
func (w *world) person(role string) *robot.Robot {
	return w.personBy(role, w.Stack.Transport())
}

func (w *world) personBy(role string, transport http.RoundTripper) *robot.Robot {
	u := w.Stack.User(role)
	return robot.New(transport, robot.Person{Email: u.Email, Password: u.Password})
}

// connect returns tokens of the person with that role.
func (w *world) connect(t testing.TB, a *assistant.Assistant, role, scope string) assistant.Tokens {
	t.Helper()
	tokens, err := a.Connect(t.Context(), w.person(role), scope)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// approve returns a code of the member.
func (w *world) approve(t testing.TB, a *assistant.Assistant) assistant.Approval {
	t.Helper()
	return must(t, func() (assistant.Approval, error) { return a.Approve(t.Context(), w.person("member"), readScope) })
}

// must fails the test when f does.
func must[T any](t testing.TB, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// send sends one request as it is given: no header but the pairs.
func (w *world) send(t testing.TB, method, address, body string, header ...string) assistant.Answer {
	t.Helper()
	req := newRequest(t, method, address, body, header...)
	return must(t, func() (assistant.Answer, error) { return assistant.Do(w.client(), req) })
}

func (w *world) sendBy(t testing.TB, c *http.Client, method, address, contentType, body string) assistant.Answer {
	t.Helper()
	req := newRequest(t, method, address, body, "Content-Type", contentType)
	return must(t, func() (assistant.Answer, error) { return assistant.Do(c, req) })
}

// newRequest takes headers as pairs; a name that comes twice has two values. A
// pair "Host" sets the host.
func newRequest(t testing.TB, method, address, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		// Names go out as they are spelt, which Add would change.
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	return req
}

// form encodes pairs in their order; a name may come twice.
func form(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(parts, "&")
}

// call calls search_apps with a token.
func (w *world) call(t testing.TB, token string) assistant.Answer {
	t.Helper()
	return w.send(t, http.MethodPost, w.resource, searchApps, "Content-Type", jsonType, "Authorization", "Bearer "+token)
}

const searchApps = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":{}}}`

// alive and dead say what must be true of an access token.
func (w *world) alive(t testing.TB, what, token string) {
	t.Helper()
	if a := w.call(t, token); a.Status != http.StatusOK || bytes.Contains(a.Body, []byte(`"isError":true`)) {
		t.Errorf("%s should work: %d %s", what, a.Status, a.Body)
	}
}

func (w *world) dead(t testing.TB, what, token string) {
	t.Helper()
	a := w.call(t, token)
	if a.Status != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%s should be dead: %d %s", what, a.Status, a.Body)
	}
}

// refused wants an OAuth error in JSON that no cache keeps (RFC 6749 §5.2).
func refused(t testing.TB, a assistant.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || a.Error() != code {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if a.Header.Get("Content-Type") != jsonType || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Content-Type %q, Cache-Control %q", a.Header.Get("Content-Type"), a.Header.Get("Cache-Control"))
	}
	plainDescription(t, a)
}

// notOurFault wants answers below 500.
func notOurFault(t testing.TB, answers ...assistant.Answer) {
	t.Helper()
	for i, a := range answers {
		if a.Status >= http.StatusInternalServerError || a.Status == 0 {
			t.Errorf("answer %d: %d %s", i, a.Status, a.Body)
		}
	}
}

// plainDescription wants an error_description of printable ASCII without quote
// and backslash, so that input is never echoed raw (RFC 6749 §5.2).
func plainDescription(t testing.TB, a assistant.Answer) {
	t.Helper()
	var e struct {
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(a.Body, &e)
	if i := strings.IndexFunc(e.Description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }); i >= 0 {
		t.Errorf("error_description holds %q", e.Description[i:])
	}
}

// localPage wants an error page of our own that leads nowhere.
func localPage(t testing.TB, a assistant.Answer, status int) {
	t.Helper()
	if a.Status != status || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" {
		t.Errorf("got %d, Location %q: %s", a.Status, a.Header.Get("Location"), a.Body)
	}
	text := strings.ToLower(string(a.Body))
	for _, way := range []string{"http-equiv", "<script", "<meta http", `href="http`, "window.location"} {
		if strings.Contains(text, way) {
			t.Errorf("the page leads on by %q: %s", way, a.Body)
		}
	}
	unframed(t, a.Header)
}

// unframed wants the headers of every page: not framed, not sniffed, not cached,
// and no address given on.
func unframed(t testing.TB, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") ||
		strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("a page says %s: %q", name, h.Get(name))
		}
	}
}

// exchange is one request with its answer, as a tap saw it.
type exchange struct {
	url      *url.URL
	request  http.Header
	sent     string
	status   int
	response http.Header
	body     string
}

// tap is a transport that writes down what goes through it. edit, when set, may
// change a request, or stop it by an error.
type tap struct {
	inner http.RoundTripper
	edit  func(*http.Request) error

	mu   sync.Mutex
	seen []exchange
}

// RoundTrip implements http.RoundTripper.
func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	if p.edit != nil {
		if err := p.edit(r); err != nil {
			return nil, err
		}
	}
	resp, err := p.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, exchange{
		url: r.URL, request: r.Header.Clone(), sent: string(sent), status: resp.StatusCode, response: resp.Header.Clone(), body: string(body),
	})
	return resp, err
}

// parallel runs f n times at once.
func parallel(t testing.TB, n int, f func(i int) assistant.Answer) []assistant.Answer {
	t.Helper()
	answers := make([]assistant.Answer, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			answers[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return answers
}

// audited waits until the audit trail has a line with all of want.
func (w *world) audited(t testing.TB, want map[string]any) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		for _, line := range w.AuditLines() {
			var event map[string]any
			if json.Unmarshal([]byte(line), &event) == nil && holds(event, want) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Errorf("no audit line has %v", want)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

func holds(event, want map[string]any) bool {
	for name, value := range want {
		if fmt.Sprint(event[name]) != fmt.Sprint(value) {
			return false
		}
	}
	return true
}

// fileSize is the size of a file of the data folder, 0 where there is none.
func fileSize(w *world, name string) int64 {
	info, err := os.Stat(filepath.Join(w.Stack.Data, name))
	if err != nil {
		return 0
	}
	return info.Size()
}
