package client_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

var now = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// clients is a store that holds what registration needs.
type clients struct {
	store.Tx
	rows          map[string]store.Client
	registrations map[store.Hash]store.Registration
	removed       map[string]bool
	rejections    map[string]store.Rejection
	gone          []string // whose consent pages were closed
	writes        int
	err           error
}

func newClients() *clients {
	return &clients{
		rows: map[string]store.Client{}, registrations: map[store.Hash]store.Registration{},
		removed: map[string]bool{}, rejections: map[string]store.Rejection{},
	}
}

func (c *clients) Registration(_ context.Context, id string) (store.Registration, error) {
	for _, r := range c.registrations {
		if r.ID == id {
			return r, c.err
		}
	}
	return store.Registration{}, cmp.Or(c.err, store.ErrNotFound)
}

func (c *clients) RegistrationByFold(_ context.Context, fold store.Hash) (store.Registration, error) {
	r, ok := c.registrations[fold]
	if c.err != nil || ok {
		return r, c.err
	}
	return r, store.ErrNotFound
}

func (c *clients) SaveRegistration(_ context.Context, r store.Registration) (store.Registration, error) {
	c.writes++
	if old, ok := c.registrations[r.Fold]; ok {
		old.SeenAt = r.SeenAt
		r = old
	}
	c.registrations[r.Fold] = r
	return r, nil
}

func (c *clients) ClientRemoved(_ context.Context, id string) (bool, error) {
	return c.removed[id], c.err
}

func (c *clients) PutClient(_ context.Context, row store.Client) error {
	row.AuthorizedAt = c.rows[row.ID].AuthorizedAt
	c.rows[row.ID] = row
	return nil
}

func (c *clients) MarkClientAuthorized(_ context.Context, id string, at time.Time) error {
	row, ok := c.rows[id]
	if !ok {
		return store.ErrNotFound
	}
	row.AuthorizedAt = at
	c.rows[id] = row
	return nil
}

func (c *clients) DeleteApprovalsOfClient(_ context.Context, id string) error {
	c.gone = append(c.gone, id)
	return nil
}

func (c *clients) SaveRejection(_ context.Context, j store.Rejection) error {
	c.writes++
	j.Count += c.rejections[j.ID].Count
	c.rejections[j.ID] = j
	return nil
}

// RevokeClient is that of the grant service.
func (c *clients) RevokeClient(_ context.Context, id, _ string, remove bool) ([]store.Family, error) {
	if c.err != nil {
		return nil, c.err
	}
	delete(c.rows, id)
	c.removed[id] = remove
	return make([]store.Family, 3), nil
}

func (c *clients) Update(_ context.Context, fn func(store.Tx) error) error {
	if c.err != nil {
		return c.err
	}
	return fn(c)
}

func (c *clients) CreateClient(_ context.Context, row store.Client) error {
	if _, taken := c.rows[row.ID]; taken || c.removed[row.ID] {
		return store.ErrConflict
	}
	c.rows[row.ID] = row
	return nil
}

func (c *clients) Client(_ context.Context, id string) (store.Client, error) {
	if c.err != nil {
		return store.Client{}, c.err
	}
	row, ok := c.rows[id]
	if !ok {
		return store.Client{}, store.ErrNotFound
	}
	return row, nil
}

// allowed are the profiles that some domain allows.
type allowed []string

func (a allowed) ProfileAllowedAnywhere(id string) bool { return slices.Contains(a, id) }

type endpoint struct {
	*client.Registration
	store   *clients
	clients *client.Clients
	trail   *audittest.Memory
	log     *bytes.Buffer
	clock   *clock.Fake
	told    *[]reason.Reason
}

const issuer = "https://auth.example.com"

// client returns a registered client, as the other endpoints find it.
func (e endpoint) client(t testing.TB, id any) store.Client {
	t.Helper()
	c, err := e.clients.Client(t.Context(), id.(string))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newEndpoint(t testing.TB, gate allowed, custom ...client.Profile) endpoint {
	t.Helper()
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k1", Key: bytes.Repeat([]byte{1}, 32)}}, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint{store: newClients(), trail: &audittest.Memory{}, log: &bytes.Buffer{}, clock: clock.NewFake(now), told: new([]reason.Reason)}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	limits, err := limit.NewMemory(0)
	if err != nil {
		t.Fatal(err)
	}
	rejections, err := client.NewRejections(e.store, limits, e.clock, log)
	if err != nil {
		t.Fatal(err)
	}
	if e.clients, err = client.NewClients(e.store, minter, e.clock); err != nil {
		t.Fatal(err)
	}
	e.Registration, err = client.NewRegistration(client.RegistrationConfig{
		Issuer: issuer, Registry: registry(t, custom...), Gate: gate, Store: e.store, Minter: minter, Grants: e.store,
		Limiter: limits, Rejections: rejections, Scopes: []string{"appstore:read", "appstore:request"},
		Audit: e.trail, Clock: e.clock, Rand: rand.NewChaCha8([32]byte{2}), Log: log,
		Observe: func(why reason.Reason) { *e.told = append(*e.told, why) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e endpoint) post(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/register", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r = r.WithContext(httpx.WithClientIP(httpx.WithRequestID(r.Context(), "req-1"), "192.0.2.7"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return v
}

var all = allowed{"claude", "claude-code", "chatgpt", "vscode", "mcp-inspector", "mcp-remote", "acme-agent"}

const publicClaudeCode = `{"client_name":"Claude Code","redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`

func TestRealClientsRegisterAtTheFirstTry(t *testing.T) {
	cases := []struct {
		name, body, profile string
		want                map[string]any // besides client_id and client_secret
	}{
		{
			"Claude asks for a secret and sends no scope",
			`{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`,
			"claude",
			map[string]any{
				"client_name": "Claude", "redirect_uris": []any{"https://claude.ai/api/mcp/auth_callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "client_secret_post", "application_type": "web", "client_secret_expires_at": 0.0,
			},
		},
		{
			"VS Code sends four addresses and a grant type that is dropped",
			`{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`,
			"vscode",
			map[string]any{
				"client_name": "Visual Studio Code", "redirect_uris": []any{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"},
				"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "none", "application_type": "native",
			},
		},
		{
			"Inspector sends an empty scope",
			`{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"application_type":"native","client_uri":"https://github.com/modelcontextprotocol/inspector","scope":""}`,
			"mcp-inspector",
			map[string]any{
				"client_name": "MCP Inspector", "redirect_uris": []any{"http://localhost:6274/oauth/callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "application_type": "native",
			},
		},
		{
			"mcp-remote sends software fields and scopes that nobody has",
			`{"client_name":"MCP CLI Proxy","redirect_uris":["http://localhost:3335/oauth/callback"],"token_endpoint_auth_method":"none","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.1.38","scope":"openid email profile"}`,
			"mcp-remote",
			map[string]any{
				"client_name": "mcp-remote", "redirect_uris": []any{"http://localhost:3335/oauth/callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "application_type": "native",
				"software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d", "software_version": "0.1.38",
			},
		},
		{
			"members without a meaning here are ignored, null counts as absent",
			`{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","client_name":null,"contacts":["a@example.com"],"jwks_uri":"x","jwks":{"keys":[]},"token_endpoint_auth_methods_supported":["none"],"client_name#de":"X"}`,
			"claude-code",
			map[string]any{
				"client_name": "Claude Code", "redirect_uris": []any{"http://localhost:1/callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "application_type": "native",
			},
		},
		{
			"no method means HTTP Basic and a secret",
			`{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"],"grant_types":["authorization_code"]}`,
			"chatgpt",
			map[string]any{
				"client_name": "ChatGPT", "redirect_uris": []any{"https://chatgpt.com/connector_platform_oauth_redirect"}, "grant_types": []any{"authorization_code"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "client_secret_basic", "application_type": "web", "client_secret_expires_at": 0.0,
			},
		},
		{
			"a private scheme that the profile lists is left out of the answer",
			`{"client_name":"Acme Agent","redirect_uris":["acme://oauth/callback","https://agent.acme.com/oauth/callback"],"token_endpoint_auth_method":"none"}`,
			"acme-agent",
			map[string]any{
				"client_name": "Acme Agent", "redirect_uris": []any{"https://agent.acme.com/oauth/callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
				"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "application_type": "web",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, all, acmeAgent())
			w := e.post(c.body)
			if w.Code != http.StatusCreated {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			got := decode(t, w)
			id, _ := got["client_id"].(string)
			secret, _ := got["client_secret"].(string)
			row := e.client(t, id)

			c.want["client_id"], c.want["client_id_issued_at"] = id, float64(now.Unix())
			c.want["registration_access_token"], c.want["registration_client_uri"] = got["registration_access_token"], issuer+"/register/"+id
			if secret != "" {
				c.want["client_secret"] = secret
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("answer: %s", diff)
			}
			if !strings.HasPrefix(id, "lmcl_k1.") || len(id) > opaque.MaxLength {
				t.Errorf("client id %q", id)
			}
			if token, _ := got["registration_access_token"].(string); !strings.HasPrefix(token, "lmg_") || row.RegistrationHash != opaque.HashOf(token) {
				t.Error("the hash is not that of the registration access token")
			}
			if len(e.store.rows) != 0 {
				t.Error("a client that nobody approved has a row")
			}
			if row.Profile != c.profile || row.Name != c.want["client_name"] || row.CreatedAt != now || !row.AuthorizedAt.IsZero() {
				t.Errorf("stored %+v", row)
			}
			if c.want["token_endpoint_auth_method"] == "none" {
				if secret != "" || row.SecretHash != (store.Hash{}) {
					t.Error("a public client has a secret")
				}
			} else if !strings.HasPrefix(secret, "lms_") || row.SecretHash != opaque.HashOf(secret) {
				t.Error("the stored hash is not that of the secret")
			}
			events := e.trail.Events()
			if len(events) != 1 || events[0].Name != audit.ClientRegistered || events[0].ClientID != id || events[0].ClientIP != "192.0.2.7" || events[0].RequestID != "req-1" {
				t.Errorf("audited %+v", events)
			}
			if text := fmt.Sprint(events, e.log); secret != "" && strings.Contains(text, secret) {
				t.Error("the secret is in the trail or in the log")
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json", "Access-Control-Allow-Origin": "*"} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

func TestRegisteringAgainAlwaysSucceedsWithAnotherId(t *testing.T) {
	e := newEndpoint(t, all)
	ids := map[any]bool{}
	for range 20 {
		ids[decode(t, e.post(publicClaudeCode))["client_id"]] = true
	}
	if len(ids) != 20 || len(e.store.rows) != 0 || len(e.store.registrations) != 1 {
		t.Errorf("%d ids, %d clients, %d registrations; want 20, 0, 1", len(ids), len(e.store.rows), len(e.store.registrations))
	}
}

func TestOfProfilesThatFitAnAllowedOneIsTaken(t *testing.T) {
	const body = `{"client_name":%q,"redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none"}`
	for _, c := range []struct {
		name, client, want string
		gate               allowed
	}{
		{"only mcp-remote is allowed", "MCP Inspector", "mcp-remote", allowed{"mcp-remote"}},
		{"only Inspector is allowed", "MCP CLI Proxy", "mcp-inspector", allowed{"mcp-inspector"}},
		{"both are allowed and the name tells them apart", "MCP CLI Proxy", "mcp-remote", all},
		{"both are allowed and the name is neither's", "Something", "mcp-inspector", all},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, c.gate)
			w := e.post(fmt.Sprintf(body, c.client))
			if w.Code != http.StatusCreated {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := e.client(t, decode(t, w)["client_id"]).Profile; got != c.want {
				t.Errorf("profile %q, want %q", got, c.want)
			}
		})
	}
}

func TestFaultOfOursIsNoRefusal(t *testing.T) {
	fault := errors.New("disk on fire")
	for name, breakIt := range map[string]func(endpoint){
		"the store": func(e endpoint) { e.store.err = fmt.Errorf("%w: %w", store.ErrUnavailable, fault) },
		"the trail": func(e endpoint) { e.trail.Fail(fault) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, all)
			breakIt(e)
			w := e.post(publicClaudeCode)
			got := decode(t, w)
			if w.Code != 503 || got["error"] != "temporarily_unavailable" || w.Header().Get("Retry-After") == "" || got["client_id"] != nil {
				t.Errorf("%d %v", w.Code, got)
			}
			if strings.Contains(w.Body.String(), "fire") {
				t.Error("the answer tells the cause")
			}
			if !strings.Contains(e.log.String(), "fire") {
				t.Error("nobody is told the cause")
			}
		})
	}
	t.Run("a refusal stands when it cannot be audited", func(t *testing.T) {
		e := newEndpoint(t, all)
		e.trail.Fail(fault)
		if w := e.post(`{}`); w.Code != 400 {
			t.Errorf("%d", w.Code)
		}
	})
}

func TestEveryRegistrationIsToldWithItsReason(t *testing.T) {
	e := newEndpoint(t, allowed{"claude-code"})
	e.post(publicClaudeCode)
	e.post(`{`)
	e.post(`{"redirect_uris":["https://unknown.example/cb"],"token_endpoint_auth_method":"none"}`)
	e.post(`{"redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`)
	e.trail.Fail(errors.New("disk full"))
	e.post(publicClaudeCode)
	e.store.err = store.ErrUnavailable
	e.post(publicClaudeCode)
	want := []reason.Reason{
		reason.None, reason.ClientBadMetadata, reason.ClientNoProfile, reason.ClientNotAllowed, reason.AuditUnavailable, reason.StoreUnavailable,
	}
	if diff := gocmp.Diff(want, *e.told); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestConfigurationIsComplete(t *testing.T) {
	if _, err := client.NewRegistration(client.RegistrationConfig{}); err == nil {
		t.Error("an endpoint without parts was made")
	}
}

func TestOfAFloodOfRefusalsTrailAndLogGetASample(t *testing.T) {
	e := newEndpoint(t, all)
	for range 100 {
		if w := e.post(`{}`); w.Code != http.StatusBadRequest {
			t.Fatalf("%d", w.Code)
		}
	}
	e.post(publicClaudeCode) // a registration is always written
	e.clock.Advance(time.Second)
	e.post(`{}`)
	var got []string
	for _, event := range e.trail.Events() {
		got = append(got, fmt.Sprint(event.Name, " +", event.Count))
	}
	if diff := gocmp.Diff([]string{"client_rejected +0", "client_registered +0", "client_rejected +99"}, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(e.log.String(), "client registration refused"); n != 2 {
		t.Errorf("%d lines in the log, want 2", n)
	}
}

func TestARejectedNameIsWrittenDownOnlyWhenItCanBeShown(t *testing.T) {
	long := strings.Repeat("x", 100)
	const nobody = `"redirect_uris":["https://evil.example/cb"]`
	for _, c := range []struct{ name, body, want string }{
		{"a plain name", `{"client_name":"Some Agent",` + nobody + `}`, "Some Agent"},
		{"a name with spaces to spare", `{"client_name":"  Some\u00a0 Agent ",` + nobody + `}`, "Some Agent"},
		{"a name of a hundred characters", `{"client_name":"` + long + `",` + nobody + `}`, long},
		{"a longer name is left out", `{"client_name":"` + long + `x",` + nobody + `}`, ""},
		{"a name that turns its direction is left out", `{"client_name":"` + strings.Repeat("\u202e", 340) + `",` + nobody + `}`, ""},
		{"a name with a line end is left out", `{"client_name":"a\nb",` + nobody + `}`, ""},
		{"the same before other members are checked", `{"client_name":"\u202e"}`, ""},
		{"the same where the rest is not read", `{"client_name":"\u202e","redirect_uris":1}`, ""},
		{"a plain name where the rest is not read", `{"client_name":" Some  Agent","redirect_uris":1}`, "Some Agent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, all)
			if w := e.post(c.body); w.Code != http.StatusBadRequest {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			events := e.trail.Named(audit.ClientRejected)
			if len(events) != 1 || events[0].ClientName != c.want {
				t.Errorf("audited %+v, want the name %q", events, c.want)
			}
			if strings.Contains(e.log.String(), "\u202e") {
				t.Error("the log holds the name")
			}
		})
	}
}

// TestASoftwareStatementIsIgnored: a server that does not support software
// statements may ignore them (RFC 7591 §2.3), and no client that sends one can
// know beforehand whether it is supported. Refusing would keep out clients that
// lose nothing; trusting what is inside would let anyone sign a claim for
// themselves. As it is not used, it is not given back either (§3.2.1).
func TestASoftwareStatementIsIgnored(t *testing.T) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(
		`{"client_name":"ChatGPT","redirect_uris":["https://evil.example/cb"],"software_id":"other"}`))
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims + "."
	plain := newEndpoint(t, all)
	want := decode(t, plain.post(publicClaudeCode))
	for name, statement := range map[string]string{
		"one that claims another client": `"` + unsigned + `"`, "one that is no JWT": `"x"`, "one that is no string": `{"a":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, all)
			w := e.post(strings.TrimSuffix(publicClaudeCode, "}") + `,"software_statement":` + statement + `}`)
			if w.Code != http.StatusCreated {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if diff := gocmp.Diff(want, decode(t, w)); diff != "" {
				t.Errorf("the answer differs from one without a statement:\n%s", diff)
			}
		})
	}
}
