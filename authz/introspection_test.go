package authz_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/introspect"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

const (
	otherResource  = "https://api.example.com/mcp/other"
	reportsSecret  = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	callback       = "http://localhost:1234/callback"
	verifier       = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge      = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	inactiveAnswer = "{\"active\":false}\n"
)

// grants is a server with a resource server "reports", a person and a client.
type grants struct {
	*authz.Server
	t      *testing.T
	clock  *clock.Fake
	config authz.Config
	store  store.Store
	user   store.User
	client store.Client
	people *everybody
}

func newGrants(t *testing.T) *grants {
	t.Helper()
	g := &grants{t: t, clock: clock.NewFake(time.Unix(1_800_000_000, 0)), people: &everybody{active: true}}
	g.Server, g.store = newServer(t, func(c *authz.Config) {
		cache, err := grant.NewCache(100)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cache.Close)
		c.Directory = g.people
		c.Clock, c.Cache, c.Policy = g.clock, cache, policyWith(t, true, "claude-code")
		c.ResourceServers = []introspect.ResourceServer{{Name: "reports", SecretHash: opaque.HashOf(reportsSecret), Resources: []string{resource}}}
		g.config = *c
	})
	g.client = store.Client{
		ID: "client-1", Profile: "claude-code", Name: "Claude Code", RedirectURIs: []string{callback}, AuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, CreatedAt: g.clock.Now(), AuthorizedAt: g.clock.Now(),
	}
	err := g.store.Update(t.Context(), func(tx store.Tx) (err error) {
		g.user, err = tx.UpsertUser(t.Context(), store.User{
			ID: opaque.NewID(rand.Reader), Domain: "acme.com", Issuer: "https://idp.example", Subject: "ada", Email: "ada@acme.com", CreatedAt: g.clock.Now(), SignedIn: g.clock.Now(),
		})
		if err != nil {
			return err
		}
		return tx.CreateClient(t.Context(), g.client)
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// policyWith is a policy with two resources, for one domain.
func policyWith(t *testing.T, enabled bool, clients ...string) *policy.Policy {
	t.Helper()
	scopes := []policy.Scope{{Name: "appstore:read", Permissions: []string{"apps.view"}}}
	p, err := policy.New(policy.Config{
		Domains:   []policy.Domain{{Name: "acme.com", Enabled: enabled, Clients: clients, Everyone: true}},
		Resources: []policy.Resource{{URL: resource, Scopes: scopes}, {URL: otherResource, Scopes: scopes}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reload is the server of a configuration with another policy over the same
// store, keys and cache.
func (g *grants) reload(p *policy.Policy) {
	g.t.Helper()
	g.config.Policy = p
	server, err := authz.New(g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(server.Close)
	g.Server = server
}

func (g *grants) code(resource string) string {
	g.t.Helper()
	var code string
	err := g.store.Update(g.t.Context(), func(tx store.Tx) (err error) {
		code, err = g.Grants().IssueCode(g.t.Context(), tx, store.Approval{
			UserID: g.user.ID, Subject: "u-17", ClientID: g.client.ID, RedirectURI: callback, Resource: resource, Scopes: []string{"appstore:read"}, Challenge: challenge, AuthTime: g.clock.Now(),
		}, g.user)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return code
}

func (g *grants) connect(resource string) grant.Tokens {
	g.t.Helper()
	tokens, refused := g.Grants().Redeem(g.t.Context(), grant.RedeemRequest{Code: g.code(resource), Client: g.client, RedirectURI: callback, Verifier: verifier, Resource: resource})
	if refused != nil {
		g.t.Fatal(refused)
	}
	return tokens
}

func (g *grants) introspect(token string) (status int, body string) {
	g.t.Helper()
	form := url.Values{"token": {token}, "client_id": {"reports"}, "client_secret": {reportsSecret}}
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, issuer+"/introspect", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Result().Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return w.Code, string(raw)
}

func TestIntrospectionTellsWhomALiveTokenSpeaksFor(t *testing.T) {
	g := newGrants(t)
	status, body := g.introspect(g.connect(resource).AccessToken)
	const want = `{"active":true,"scope":"appstore:read","client_id":"client-1","username":"ada@acme.com","token_type":"Bearer",` +
		`"exp":1800003600,"iat":1800000000,"sub":"u-17","aud":"https://api.example.com/mcp","iss":"https://auth.example.com"}` + "\n"
	if status != http.StatusOK || body != want {
		t.Errorf("%d %s", status, body)
	}
	var metadata struct {
		Endpoint string   `json:"introspection_endpoint"`
		Methods  []string `json:"introspection_endpoint_auth_methods_supported"`
	}
	if err := json.Unmarshal(g.Metadata().Bytes(), &metadata); err != nil || metadata.Endpoint != issuer+"/introspect" || len(metadata.Methods) != 2 {
		t.Errorf("%+v, %v", metadata, err)
	}
}

// TestIntrospectionIsAsImmediateAsTheMCPEndpoint introspects a live token, so
// that it is in the cache, then changes one thing and asks again.
func TestIntrospectionIsAsImmediateAsTheMCPEndpoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(g *grants, tokens grant.Tokens)
	}{
		{"the client revokes it", func(g *grants, tokens grant.Tokens) {
			if _, refused := g.Grants().Revoke(g.t.Context(), tokens.AccessToken, g.client); refused != nil {
				g.t.Fatal(refused)
			}
		}},
		{"the client revokes its refresh token", func(g *grants, tokens grant.Tokens) {
			if _, refused := g.Grants().Revoke(g.t.Context(), tokens.RefreshToken, g.client); refused != nil {
				g.t.Fatal(refused)
			}
		}},
		{"its hour is over", func(g *grants, _ grant.Tokens) { g.clock.Advance(time.Hour) }},
		{"the domain is turned off", func(g *grants, _ grant.Tokens) { g.reload(policyWith(g.t, false, "claude-code")) }},
		{"the assistant is taken off the list", func(g *grants, _ grant.Tokens) { g.reload(policyWith(g.t, true, "chatgpt")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGrants(t)
			tokens := g.connect(resource)
			for range 3 {
				if _, body := g.introspect(tokens.AccessToken); !strings.HasPrefix(body, `{"active":true`) {
					t.Fatalf("before: %s", body)
				}
			}
			c.change(g, tokens)
			if status, body := g.introspect(tokens.AccessToken); status != http.StatusOK || body != inactiveAnswer {
				t.Errorf("after: %d %s", status, body)
			}
		})
	}
}

func TestIntrospectionKnowsNothingButAccessTokensOfItsResources(t *testing.T) {
	g := newGrants(t)
	tokens, foreign := g.connect(resource), g.connect(otherResource)
	for name, token := range map[string]string{
		"a refresh token": tokens.RefreshToken, "a code": g.code(resource), "another resource's token": foreign.AccessToken, "another resource's refresh token": foreign.RefreshToken,
		"a made-up token": "lma_made-up", "a token with a letter more": tokens.AccessToken + "A", "the secret": reportsSecret, "the client": g.client.ID,
	} {
		if status, body := g.introspect(token); status != http.StatusOK || body != inactiveAnswer {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if _, body := g.introspect(tokens.AccessToken); !strings.HasPrefix(body, `{"active":true`) {
		t.Errorf("the token itself: %s", body)
	}
}

func TestIntrospectionOverAStoreThatIsDownSaysSo(t *testing.T) {
	g := newGrants(t)
	token := g.connect(resource).AccessToken
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	if status, body := g.introspect(token); status != http.StatusServiceUnavailable || strings.Contains(body, "active") {
		t.Errorf("%d %s", status, body)
	}
}
