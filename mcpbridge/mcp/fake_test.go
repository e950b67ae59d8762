package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// The tokens that the fake gate knows.
const (
	tokenMember = "lma_member" // reads; its role could write
	tokenWriter = "lma_writer" // reads and writes
	tokenGuest  = "lma_guest"  // has the scopes, and a role that allows nothing
	tokenBroken = "lma_broken" // cannot be checked
)

const (
	scopeRead, scopeWrite = "appstore:read", "appstore:request"
	metadataURL           = "https://api.example.com/.well-known/oauth-protected-resource/mcp"
)

// goneError tells its reason, as a gate may.
type goneError struct{}

func (goneError) Error() string         { return "revoked" }
func (goneError) Reason() reason.Reason { return reason.GrantRevoked }
func (goneError) Unwrap() error         { return mcpbridge.ErrInvalidToken }

type fakeGate struct {
	mu    sync.Mutex
	asked []string
}

func (g *fakeGate) Authenticate(_ context.Context, token string) (*mcpbridge.Principal, error) {
	g.mu.Lock()
	g.asked = append(g.asked, token)
	g.mu.Unlock()
	p := &mcpbridge.Principal{UserID: token, Email: token + "@example.com", Scopes: []string{scopeRead, scopeWrite}}
	switch token {
	case tokenMember:
		p.Scopes = []string{scopeRead}
	case tokenWriter, tokenGuest:
	case tokenBroken:
		return nil, fmt.Errorf("a secret detail: %w", mcpbridge.ErrUnavailable)
	case "lma_revoked":
		return nil, goneError{}
	default:
		if strings.HasPrefix(token, "lma_user") {
			return p, nil
		}
		return nil, mcpbridge.ErrInvalidToken
	}
	return p, nil
}

func (g *fakeGate) Authorize(_ context.Context, p *mcpbridge.Principal, n mcpbridge.Need) mcpbridge.Decision {
	switch {
	case p.UserID == tokenGuest || n.Permission == "admin":
		return mcpbridge.Decision{Outcome: mcpbridge.Deny, Reason: reason.RoleNoPermission}
	case !slices.Contains(p.Scopes, n.Scope):
		return mcpbridge.Decision{Outcome: mcpbridge.StepUp, Scopes: append(slices.Clone(p.Scopes), n.Scope), Reason: reason.ScopeMissing}
	}
	return mcpbridge.Decision{Outcome: mcpbridge.Allow}
}

// fakeTrail keeps events and fails when told to.
type fakeTrail struct {
	mu     sync.Mutex
	events []mcpbridge.Event
	fails  bool
	refuse string                // the name of events that alone are not stored
	stored func(mcpbridge.Event) // is told of each event, may be nil
}

func (f *fakeTrail) Record(ctx context.Context, e mcpbridge.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.fails || f.refuse == e.Name {
		return fmt.Errorf("disk full")
	}
	f.events = append(f.events, e)
	if f.stored != nil {
		f.stored(e)
	}
	return nil
}

func (f *fakeTrail) all() []mcpbridge.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// fakeTools offers one tool per behaviour that the protocol has to handle.
type fakeTools struct {
	entered chan struct{} // wait and wait_write signal it
	release chan struct{} // wait_write goes on after it
	ended   chan error    // … and both report the context's error here
	ran     func(string)  // is told of each call's tool, may be nil
}

func tool(name string, need mcpbridge.Need) toolset.Tool {
	return toolset.Tool{
		Name: name, Title: "Title of " + name, Description: "Describes " + name + ".",
		InputSchema:  json.RawMessage(`{ "type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": false }`),
		OutputSchema: json.RawMessage(`{"type":"object"}`),
		Annotations:  toolset.Annotations{ReadOnly: !need.Write, Idempotent: !need.Write},
		Need:         need,
	}
}

func (*fakeTools) List() []toolset.Tool {
	read := mcpbridge.Need{Scope: scopeRead, Permission: "view"}
	write := mcpbridge.Need{Scope: scopeWrite, Permission: "create", Write: true}
	return []toolset.Tool{
		tool("echo", read), tool("whoami", read), tool("words", read), tool("fail", read), tool("silent", read), tool("bad", read), tool("picture", read), tool("bad_picture", read),
		tool("panic", read), tool("wait", read), tool("write", write), tool("panic_write", write), tool("wait_write", write),
		tool("busy_write", write), tool("choose", write), tool("mute_write", write), tool("bad_write", write),
		tool("admin", mcpbridge.Need{Scope: scopeRead, Permission: "admin"}),
	}
}

// picture is a content block that is not text.
const picture = `{"type":"image","mimeType":"image/png","data":"aGk="}`

func (f *fakeTools) Call(ctx context.Context, c *toolset.Call) toolset.Result {
	if f != nil && f.ran != nil {
		f.ran(c.Tool)
	}
	switch c.Tool {
	case "echo":
		return toolset.Result{Structured: fmt.Appendf(nil, `{"arguments":%s}`, c.Arguments), Intent: "to see", TargetResourceID: "t1"}
	case "whoami":
		return toolset.Result{Structured: fmt.Appendf(nil, `{"user":%q,"request":%q}`, c.Principal.UserID, c.RequestID)}
	case "words":
		return toolset.Result{Structured: []byte(`{"n":1}`), Text: "One."}
	case "fail":
		return toolset.Result{IsError: true, Code: "not_found", Reason: reason.BackendRefused, Text: "There is no such app. Use search_apps.", Structured: []byte(`{"never":"sent"}`)}
	case "silent":
		return toolset.Result{IsError: true, Code: "x"}
	case "bad":
		return toolset.Result{Structured: []byte(`{}},"isError":false,"x":{`)}
	case "picture":
		return toolset.Result{Text: "See:", Blocks: []json.RawMessage{json.RawMessage(picture), json.RawMessage(picture)}}
	case "bad_picture":
		return toolset.Result{Blocks: []json.RawMessage{json.RawMessage(picture), json.RawMessage(`{}],"isError":false,"x":[{}`)}}
	case "panic", "panic_write":
		panic("secret of " + c.Principal.Email)
	case "write":
		return toolset.Result{Structured: []byte(`{"id":"r1"}`), WriteOutcome: "created", TargetResourceID: "r1"}
	case "busy_write": // nothing was sent
		return toolset.Result{IsError: true, Code: "busy", Text: "Nothing was changed."}
	case "choose":
		return f.choose(c)
	case "mute_write":
		return toolset.Result{Structured: []byte(`{}`)}
	case "bad_write":
		return toolset.Result{Structured: []byte(`{`)}
	case "wait":
		f.entered <- struct{}{}
		<-ctx.Done()
		f.ended <- ctx.Err()
		return toolset.Result{IsError: true, Code: "cancelled", Text: "cancelled"}
	case "wait_write":
		f.entered <- struct{}{}
		<-f.release
		f.ended <- ctx.Err()
		return toolset.Result{Structured: []byte(`{}`), WriteOutcome: "created"}
	}
	panic("no such tool")
}

// endpoint is a running server with its doubles.
type endpoint struct {
	url   string
	gate  *fakeGate
	trail *fakeTrail
	tools *fakeTools
	clock *clock.Fake
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server over real HTTP.
func serve(tb testing.TB, change ...func(*mcp.Config)) *endpoint {
	tb.Helper()
	e, h := newEndpoint(tb, change...)
	e.url = serveHandler(tb, h)
	return e
}

func newEndpoint(tb testing.TB, change ...func(*mcp.Config)) (*endpoint, http.Handler) {
	tb.Helper()
	e := &endpoint{
		gate: &fakeGate{}, trail: &fakeTrail{}, log: &lockedBuffer{},
		tools: &fakeTools{entered: make(chan struct{}), release: make(chan struct{}), ended: make(chan error, 1)},
		clock: clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)),
	}
	c := mcp.Config{
		Gate: e.gate, Auditor: e.trail, Tools: e.tools, Clock: e.clock,
		ServerInfo:   mcp.ServerInfo{Name: "mcp-edge", Title: "MCP Edge", Version: "1.2.3"},
		Instructions: "Ask before you write.",
		MetadataURL:  metadataURL, ChallengeScopes: []string{scopeRead, scopeWrite},
		AllowedOrigins: []string{"https://app.example.com"},
		Log:            slog.New(slog.NewTextHandler(e.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	h, err := mcp.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return e, h
}

// call is a request to make. Headers is a list "Name: value" that replaces the
// defaults of the same name, or removes them where the value is empty.
type call struct {
	method  string // default POST
	token   string
	headers []string
	body    string
	query   string
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (e *endpoint) do(tb testing.TB, c call) answer {
	tb.Helper()
	method := c.method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, e.url+"/mcp"+c.query, strings.NewReader(c.body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	replaced := map[string]bool{}
	for _, line := range c.headers {
		name, value, _ := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(name), strings.TrimPrefix(value, " ")
		if !replaced[name] {
			r.Header.Del(name)
		}
		replaced[name] = true
		switch {
		case name == "Host":
			r.Host = value
		case value != "":
			r.Header.Add(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, string(body)}
	checkAnswer(tb, a)
	return a
}

// modernMeta is the least that a 2026-07-28 request says about itself.
const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// modernCall makes a correct 2026-07-28 request; params are its members, _meta excluded.
func modernCall(method, params string, headers ...string) call {
	if params != "" {
		params += ","
	}
	c := call{
		token:   tokenWriter,
		headers: []string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " + method},
		body:    fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s%s}}`, method, params, modernMeta),
	}
	var p struct{ Name string }
	if json.Unmarshal([]byte("{"+strings.TrimSuffix(params, ",")+"}"), &p) == nil && p.Name != "" {
		c.headers = append(c.headers, "Mcp-Name: "+p.Name)
	}
	return c.with(headers...)
}

// with replaces headers; an empty value removes one.
func (c call) with(headers ...string) call {
	for _, line := range headers {
		name, _, _ := strings.Cut(line, ":")
		c.headers = slices.DeleteFunc(slices.Clone(c.headers), func(h string) bool {
			return strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)+":")
		})
		c.headers = append(c.headers, line)
	}
	return c
}

func legacyCall(method, params string) call {
	c := call{token: tokenWriter, headers: []string{"MCP-Protocol-Version: 2025-11-25"}}
	if params == "" {
		c.body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, method)
	} else {
		c.body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, params)
	}
	return c
}

func (c call) as(token string) call { c.token = token; return c }

// checkAnswer holds for every answer that any test gets.
func checkAnswer(tb testing.TB, a answer) {
	tb.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Get(name); got != want {
			tb.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.header.Get("X-Request-Id") == "" {
		tb.Error("no X-Request-Id")
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" {
		tb.Error("credentials are allowed across origins")
	}
	if a.header.Get("Mcp-Session-Id") != "" {
		tb.Error("a session was opened")
	}
	if a.body == "" {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		tb.Errorf("Content-Type: %q", got)
	}
	if !json.Valid([]byte(a.body)) {
		tb.Fatalf("the body is not JSON: %s", a.body)
	}
	if code := a.errorCode(tb); code != 0 && !slices.Contains(emittable, code) {
		tb.Errorf("the error code %d must never be emitted", code)
	}
}

// emittable are the error codes that clients may see: those of JSON-RPC 2.0
// §5.1, those of MCP 2026-07-28, and three of ours outside of the reserved range.
var emittable = []int{-32700, -32600, -32601, -32602, -32603, -32020, -32022, 401, 403, 429}

func (a answer) errorCode(tb testing.TB) int {
	tb.Helper()
	var body struct{ Error struct{ Code int } }
	a.decode(tb, &body)
	return body.Error.Code
}

func (a answer) decode(tb testing.TB, into any) {
	tb.Helper()
	if a.body == "" {
		return
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		tb.Fatalf("%v in %s", err, a.body)
	}
}
