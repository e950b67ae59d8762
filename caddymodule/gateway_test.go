package caddymodule

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/testport"
)

// gateway is MCP Edge running in this process over plain http on loopback. Caddy
// is one per process, so tests with a gateway do not run in parallel.
type gateway struct {
	t        *testing.T
	dir      string
	auth     string // host and port
	api      string
	backend  *httptest.Server
	slow     chan struct{} // a request for the app "slow" is answered when it is closed
	arrived  chan struct{} // gets a value when such a request arrives
	resource string
	client   *http.Client
}

// policyOf is the part of a configuration that the tests change.
type policyOf struct {
	users, clients, store, extra string
	limits                       string // default: none, since most tests hurry
	limiter                      string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	t.Setenv("TEST_IDP_SECRET", "secret")
	g := &gateway{t: t, dir: t.TempDir(), auth: freeAddress(t), api: freeAddress(t), slow: make(chan struct{}), arrived: make(chan struct{}, 16)}
	g.resource = "http://" + g.api + "/mcp/appstore"
	g.backend = httptest.NewServer(http.HandlerFunc(g.serveApp))
	// HTTP/2, as over TLS: a server that goes away says so, while over HTTP/1 a
	// request can cross the end of an idle connection on its way.
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	g.client = &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		g.client.CloseIdleConnections()
		g.backend.CloseClientConnections()
		g.backend.Close()
	})
	return g
}

// serveApp is a backend that knows one person and answers searches.
func (g *gateway) serveApp(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/users/current" {
		_, _ = io.WriteString(w, `{"id":"u-1","email":"ada@demo.example","status":"ACTIVE"}`)
		return
	}
	if r.URL.Query().Get("name_search") == "slow" {
		g.arrived <- struct{}{}
		<-g.slow
	}
	_, _ = io.WriteString(w, `{"items":[],"total":0,"page":1,"size":20,"pages":0}`)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := testport.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// caddyfile returns a configuration; p may leave everything out.
func (g *gateway) caddyfile(p policyOf) string {
	or := func(s, fallback string) string {
		if s == "" {
			return fallback
		}
		return s
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %[1]s/caddy
	servers {
		protocols h1 h2 h2c
	}
	mcp_edge {
		issuer http://%[2]s
		store sqlite %[1]s/%[7]s
		limiter %[10]s
		domain demo.example {
			enabled
			idp oidc http://127.0.0.1:1 {
				client_id x
				client_secret {env.TEST_IDP_SECRET}
			}
			clients %[6]s
			users %[5]s
			role member {
				everyone
				allow *
			}
			limits {
				%[9]s
			}
		}
		audit {
			file %[1]s/audit.jsonl
		}
	}
}
http://%[2]s {
	mcp_auth
	respond "not ours" 404
}
http://%[3]s {
	mcp_bridge /mcp/appstore {
		resource http://%[3]s/mcp/appstore
		toolset appstore
		audience https://api.example.com
		upstream %[4]s
	}
	respond "not ours" 404
	%[8]s
}
`, g.dir, g.auth, g.api, g.backend.URL, or(p.users, "everyone"), or(p.clients, "claude"), or(p.store, "edge.db"), p.extra,
		or(p.limits, "read off\n\t\t\t\twrite off\n\t\t\t\tdomain off"), or(p.limiter, "memory"))
}

// load makes Caddy run a configuration, as a reload does.
func (g *gateway) load(caddyfile string) error {
	g.t.Helper()
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err
	}
	return caddy.Load(raw, true)
}

func (g *gateway) mustLoad(p policyOf) {
	g.t.Helper()
	if err := g.load(g.caddyfile(p)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) app() *App {
	g.t.Helper()
	module, err := caddy.ActiveContext().AppIfConfigured(appName)
	if err != nil {
		g.t.Fatal(err)
	}
	return module.(*App)
}

// token issues an access token to the person whom the backend knows, as if they
// had signed in and approved.
func (g *gateway) token() string {
	g.t.Helper()
	_, tokens := g.grant()
	return tokens.AccessToken
}

// grant is token with all that was issued, and to which client.
func (g *gateway) grant() (store.Client, grant.Tokens) {
	g.t.Helper()
	app := g.app()
	run := app.running.Load()
	grants := run.auth.(*authz.Server).Grants()
	ctx, now := g.t.Context(), time.Now()
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	client := store.Client{
		ID: opaque.NewID(rand.Reader), Profile: "claude", Name: "Claude", RedirectURIs: []string{"https://claude.ai/cb"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethod: "none", CreatedAt: now,
	}
	var code string
	err := run.runtime.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.CreateClient(ctx, client); err != nil {
			return err
		}
		user, err := tx.UpsertUser(ctx, store.User{
			ID: opaque.NewID(rand.Reader), Domain: "demo.example", Issuer: "http://127.0.0.1:1", Subject: "ada", Email: "ada@demo.example",
			Groups: []string{"staff"}, CreatedAt: now, SignedIn: now,
		})
		if err != nil {
			return err
		}
		code, err = grants.IssueCode(ctx, tx, store.Approval{
			ID: opaque.NewID(rand.Reader), UserID: user.ID, Subject: "u-1", ClientID: client.ID, RedirectURI: "https://claude.ai/cb",
			Resource: g.resource, Scopes: []string{"appstore:read"}, AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
			Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
		}, user)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	tokens, refusal := grants.Redeem(ctx, grant.RedeemRequest{Code: code, Client: client, RedirectURI: "https://claude.ai/cb", Verifier: verifier})
	if refusal != nil {
		g.t.Fatal(refusal)
	}
	return client, tokens
}

// search calls the tool search_apps and returns status and body.
func (g *gateway) search(ctx context.Context, token, query string) (int, string, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":{"query":"` + query + `"}}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.resource, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-06-18")
	return g.do(req)
}

// get requests a URL and returns status and body.
func (g *gateway) get(url string) (int, string, error) {
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	return g.do(req)
}

func (g *gateway) do(req *http.Request) (int, string, error) {
	var sent atomic.Bool
	traced := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}))
	answer, err := g.client.Do(traced)
	if err != nil && !sent.Load() && req.GetBody != nil {
		// Nothing was sent: a server that is being replaced may still take a
		// connection from the listener, and clients open another one.
		if traced.Body, err = req.GetBody(); err == nil {
			answer, err = g.client.Do(traced)
		}
	}
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

// audit returns the audit trail so far.
func (g *gateway) audit() string {
	raw, err := os.ReadFile(g.path("audit.jsonl"))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(raw)
}
