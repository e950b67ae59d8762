package appstore_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

const issuer = "https://issuer.example"

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// reply is an answer of the fake backend.
type reply struct {
	status int
	body   string
	header http.Header
	drop   bool          // close the connection after reading the request
	hold   chan struct{} // answer when it is closed
}

// seen is a request that reached the fake backend.
type seen struct {
	line   string // method and request target
	body   string
	claims assertion.Claims
}

// fake is a backend that accepts only requests which are documented, signed and
// without a header that is not ours.
type fake struct {
	tb       testing.TB
	audience string
	key      ed25519.PublicKey
	client   *backend.Client
	ledger   *ledger

	mu      sync.Mutex
	replies map[string][]reply // by method and path; the last one stays
	seen    []seen
	jti     map[string]bool
}

// routes are the documented requests, with the parameters that we send and what
// the assertion may say that it is for.
var routes = []struct {
	line   *regexp.Regexp
	query  []string
	rights []string // "scope permission"
}{
	{regexp.MustCompile(`^GET /users/current$`), nil, []string{" "}},
	{regexp.MustCompile(`^GET /appstore/apps$`), []string{"name_search", "exact_match", "page", "size"}, []string{"appstore:read appstore.apps.view"}},
	{regexp.MustCompile(`^GET /appstore/apps/[A-Za-z0-9._~-]+$`), nil, []string{"appstore:read appstore.apps.view"}},
	{
		regexp.MustCompile(`^GET /appstore/apps/[A-Za-z0-9._~-]+/settings$`), nil,
		[]string{"appstore:read appstore.apps.view", "appstore:request appstore.requests.create"},
	},
	{
		regexp.MustCompile(`^GET /appstore/requestable_permissions$`), []string{"app_id", "in_app_store", "search_term", "page", "size"},
		[]string{"appstore:read appstore.apps.view", "appstore:request appstore.requests.create"},
	},
	{
		regexp.MustCompile(`^GET /appstore/access_requests$`), []string{"target_user_id", "statuses", "sort", "page", "size"},
		[]string{"appstore:read appstore.requests.view", "appstore:request appstore.requests.create"},
	},
	{
		regexp.MustCompile(`^GET /appstore/access_requests/[A-Za-z0-9._~-]+$`), []string{"expand"},
		[]string{"appstore:read appstore.requests.view", "appstore:request appstore.requests.cancel"},
	},
	{regexp.MustCompile(`^POST /appstore/access_request$`), nil, []string{"appstore:request appstore.requests.create"}},
	{regexp.MustCompile(`^DELETE /appstore/access_requests/[A-Za-z0-9._~-]+$`), []string{"reason"}, []string{"appstore:request appstore.requests.cancel"}},
}

var headers = []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id"}

// signingKey is the gateway's key.
type signingKey struct{ ed25519.PrivateKey }

func (k signingKey) SigningKey(string) (string, crypto.Signer, error) {
	return "key-1", k.PrivateKey, nil
}

// newSet starts a fake backend and returns a toolset on it.
func newSet(tb testing.TB) (*appstore.Set, *fake) {
	tb.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	f := &fake{tb: tb, key: public, replies: make(map[string][]reply), jti: make(map[string]bool)}
	srv := httptest.NewServer(f)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
	})
	f.audience = srv.URL
	base, err := url.Parse(srv.URL)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := assertion.New(assertion.Config{Issuer: issuer, Audience: srv.URL, Keys: signingKey{private}, Clock: clock.NewFake(start)})
	if err != nil {
		tb.Fatal(err)
	}
	client, err := backend.New(backend.Config{Base: base, Transport: transport, Credential: backend.Assertion{Signer: signer}, Clock: clock.NewFake(start)})
	if err != nil {
		tb.Fatal(err)
	}
	f.ledger = newLedger()
	f.client = client
	f.defaults()
	return f.newSet(tb), f
}

// newSet returns another toolset on the same backend and ledger: the one after a
// restart.
func (f *fake) newSet(tb testing.TB) *appstore.Set {
	tb.Helper()
	set, err := appstore.New(appstore.Config{Backend: f.client, Ledger: f.ledger, Clock: f.ledger.clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// on sets what is answered to a method and path, in turn; the last stays.
func (f *fake) on(line string, replies ...reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies[line] = replies
}

// lines returns the requests so far.
func (f *fake) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := make([]string, 0, len(f.seen))
	for _, s := range f.seen {
		lines = append(lines, s.line)
	}
	return lines
}

// posts returns the bodies that were posted so far.
func (f *fake) posts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var bodies []string
	for _, s := range f.seen {
		if strings.HasPrefix(s.line, "POST ") {
			bodies = append(bodies, s.body)
		}
	}
	return bodies
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	claims, err := f.verify(r, body)
	if err != nil {
		f.tb.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	f.mu.Lock()
	f.seen = append(f.seen, seen{line: r.Method + " " + r.RequestURI, body: string(body), claims: claims})
	key := r.Method + " " + r.URL.Path
	answers := f.replies[key]
	answer := reply{status: http.StatusNotFound, body: `{"detail":"Not found"}`}
	if len(answers) > 0 {
		answer = answers[0]
	}
	if len(answers) > 1 {
		f.replies[key] = answers[1:]
	}
	f.mu.Unlock()
	if answer.hold != nil {
		<-answer.hold
	}
	if answer.drop {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	if answer.status == 0 {
		answer.status = http.StatusOK
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

// verify is what a backend does with our requests, and more.
func (f *fake) verify(r *http.Request, body []byte) (assertion.Claims, error) {
	var c assertion.Claims
	if r.URL.EscapedPath() != r.URL.Path || r.URL.Fragment != "" {
		return c, fmt.Errorf("path %q is not plain", r.URL.EscapedPath())
	}
	for name, values := range r.Header {
		if !slices.Contains(headers, name) || len(values) != 1 {
			return c, fmt.Errorf("header %s: %q", name, values)
		}
	}
	signed, err := jose.ParseSignedCompact(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return c, err
	}
	payload, err := signed.Verify(f.key)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(payload, &c, json.RejectUnknownMembers(true)); err != nil {
		return c, err
	}
	digest := ""
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		digest = "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	f.mu.Lock()
	replayed := f.jti[c.ID]
	f.jti[c.ID] = true
	f.mu.Unlock()
	switch {
	case c.Issuer != issuer || c.Audience != f.audience:
		return c, fmt.Errorf("iss %q, aud %q", c.Issuer, c.Audience)
	case c.Method != r.Method || c.URL != f.audience+r.URL.EscapedPath() || c.ContentDigest != digest:
		return c, fmt.Errorf("bound to %s %s %s", c.Method, c.URL, c.ContentDigest)
	case c.IssuedAt != start.Unix() || c.Expires != start.Unix()+60:
		return c, fmt.Errorf("iat %d, exp %d", c.IssuedAt, c.Expires)
	case replayed:
		return c, fmt.Errorf("jti %s was seen before", c.ID)
	case c.Email != "ada@example.com" || c.DomainID != "example.com" || c.ClientID != "client-1" || c.Transaction != "txn-1":
		return c, fmt.Errorf("made for %+v", c)
	case c.Subject != "me" && c.Subject != "email:ada@example.com":
		return c, fmt.Errorf("sub %q", c.Subject)
	}
	return c, f.route(r, body, &c)
}

// route refuses requests that the interface does not document.
func (f *fake) route(r *http.Request, body []byte, c *assertion.Claims) error {
	for _, route := range routes {
		if !route.line.MatchString(r.Method + " " + r.URL.Path) {
			continue
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return err
		}
		for name, values := range query {
			if !slices.Contains(route.query, name) || len(values) > 1 && name != "statuses" && name != "expand" {
				return fmt.Errorf("query parameter %q: %q", name, values)
			}
		}
		if rights := c.Scope + " " + strings.Join(c.Permissions, " "); !slices.Contains(route.rights, rights) {
			return fmt.Errorf("asserts %q", rights)
		}
		if target := query.Get("target_user_id"); r.URL.Path == "/appstore/access_requests" && target != "me" {
			return fmt.Errorf("asks for the requests of %q", target)
		}
		if r.Method != http.MethodPost {
			return nil
		}
		var sent struct {
			AppID         string   `json:"app_id"`
			Permissions   []string `json:"requestable_permission_ids"`
			Justification string   `json:"business_justification"`
			AccessLength  string   `json:"access_length"`
		}
		return json.UnmarshalRead(bytes.NewReader(body), &sent, json.RejectUnknownMembers(true))
	}
	return fmt.Errorf("not documented")
}

// principal is who calls in the tests.
func principal() *mcpbridge.Principal {
	return &mcpbridge.Principal{
		UserID: "me", Email: "ada@example.com", DomainID: "example.com", ClientID: "client-1",
		Scopes: []string{"appstore:read", "appstore:request"}, Permissions: appstore.Permissions(),
	}
}

// run calls a tool as the principal.
func run(ctx context.Context, set *appstore.Set, tool, arguments string) toolset.Result {
	return set.Call(ctx, &toolset.Call{Tool: tool, Arguments: []byte(arguments), Principal: principal(), RequestID: "txn-1"})
}

// canned is a backend that costs nothing, for benchmarks.
type canned struct{}

var cannedApps = []byte(page(strings.Split(strings.TrimSuffix(strings.Repeat(hub+"\x00", 25), "\x00"), "\x00")...).body)

func (canned) Do(context.Context, *backend.Request) ([]byte, error) { return cannedApps, nil }

func (canned) CurrentUser(context.Context, backend.Person) (backend.User, error) {
	return backend.User{ID: "me"}, nil
}
