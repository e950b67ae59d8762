package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestEqualRegistrationsShareARow(t *testing.T) {
	for name, bodies := range map[string][2]string{
		"the port of a loopback address": {
			`{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`,
			`{"redirect_uris":["http://localhost:65535/callback"],"token_endpoint_auth_method":"none"}`,
		},
		"no port": {
			`{"redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none"}`,
			`{"redirect_uris":["http://localhost:2/callback"],"token_endpoint_auth_method":"none"}`,
		},
		"the order of the addresses": {
			`{"redirect_uris":["http://localhost:1/callback","http://127.0.0.1:1/callback"],"token_endpoint_auth_method":"none"}`,
			`{"redirect_uris":["http://127.0.0.1:1/callback","http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`,
		},
		"scopes that nobody has":            {with(`"scope":"openid email"`), with(`"scope":"offline_access"`)},
		"members without a meaning":         {with(`"contacts":["a@example.com"]`), with(`"logo_uri":"https://example.com/a.png"`)},
		"the name, where it is the product": {with(`"software_id":""`), `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, all)
			first, second := register(t, e, bodies[0]), register(t, e, bodies[1])
			if len(e.store.registrations) != 1 {
				t.Errorf("%d rows", len(e.store.registrations))
			}
			if first.id == second.id || first.token == second.token {
				t.Error("two clients have one id or token")
			}
		})
	}
}

func TestDifferentRegistrationsDoNotShareARow(t *testing.T) {
	base := `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`
	for name, body := range map[string]string{
		"another host":        `{"redirect_uris":["http://127.0.0.1:1/callback"],"token_endpoint_auth_method":"none"}`,
		"one address more":    `{"redirect_uris":["http://localhost:1/callback","http://127.0.0.1:1/callback"],"token_endpoint_auth_method":"none"}`,
		"a secret":            `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"client_secret_post"}`,
		"other grant types":   `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code"]}`,
		"another name":        `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","client_name":"X"}`,
		"another type":        `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","application_type":"web"}`,
		"a scope that exists": `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","scope":"appstore:read"}`,
		"software":            `{"redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none","software_id":"x"}`,
		"another product":     `{"redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, all)
			register(t, e, base)
			register(t, e, body)
			if len(e.store.registrations) != 2 {
				t.Errorf("%d rows, want 2", len(e.store.registrations))
			}
		})
	}
}

func TestTwoClientsOfOneRowKnowNothingOfEachOther(t *testing.T) {
	e := newEndpoint(t, all)
	a, b := register(t, e, confidentialClaude), register(t, e, confidentialClaude)
	if a.secret == "" || a.secret == b.secret {
		t.Fatal("two clients have one secret")
	}
	if w := a.own(http.MethodDelete, ""); w.Code != 204 {
		t.Fatalf("%d", w.Code)
	}
	if _, err := e.clients.Client(t.Context(), a.id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the first: %v, want it gone", err)
	}
	if b.client(t, b.id).Profile != "claude" {
		t.Error("the second is gone with the first")
	}
	if w := b.put(`"client_name":"Claude","redirect_uris":["https://claude.com/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	third := register(t, e, confidentialClaude)
	if got := third.client(t, third.id); got.RedirectURIs[0] != "https://claude.ai/api/mcp/auth_callback" {
		t.Errorf("the change of one client is in the next one: %q", got.RedirectURIs)
	}
}

func TestAClientThatNobodyApprovedLivesADay(t *testing.T) {
	e := newEndpoint(t, all)
	m := register(t, e, publicClaudeCode)
	e.clock.Advance(store.KeepUnusedClient - time.Second)
	m.client(t, m.id)
	e.clock.Advance(time.Second)
	if _, err := e.clients.Client(t.Context(), m.id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v, want it gone", err)
	}
	if w := m.own(http.MethodGet, ""); w.Code != 401 {
		t.Errorf("its token: %d", w.Code)
	}
}

func TestAClientThatSomebodyApprovedStays(t *testing.T) {
	e := newEndpoint(t, all)
	m := register(t, e, confidentialClaude)
	c := m.client(t, m.id)
	if err := e.store.Update(t.Context(), func(tx store.Tx) error { return e.clients.Authorize(t.Context(), tx, c, now) }); err != nil {
		t.Fatal(err)
	}
	e.clock.Advance(300 * 24 * time.Hour)
	got := m.client(t, m.id)
	if got.SecretHash != c.SecretHash || got.RegistrationHash != c.RegistrationHash || got.AuthorizedAt != now || !got.CreatedAt.Equal(now) {
		t.Errorf("got %+v, want %+v and its approval", got, c)
	}
}

func TestAClientThatWasEndedCannotBeApproved(t *testing.T) {
	e := newEndpoint(t, all)
	m := register(t, e, publicClaudeCode)
	c := m.client(t, m.id) // as a consent page read it
	if w := m.own(http.MethodDelete, ""); w.Code != 204 {
		t.Fatal(w.Code)
	}
	err := e.store.Update(t.Context(), func(tx store.Tx) error { return e.clients.Authorize(t.Context(), tx, c, now) })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("approved: %v", err)
	}
}

func TestAMadeUpIdIsNotLookedUp(t *testing.T) {
	e := newEndpoint(t, all)
	m := register(t, e, publicClaudeCode)
	for _, id := range []string{m.id[:len(m.id)-1] + "A", "lmcl_k1." + strings.Repeat("A", 91), strings.Replace(m.id, "lmcl_", "lms_", 1)} {
		if id == m.id {
			continue
		}
		if _, err := e.clients.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestAFloodOfEqualRegistrationsWritesNothing(t *testing.T) {
	e := newEndpoint(t, all)
	const flood = 5000
	made, refused := 0, 0
	for range flood {
		switch w := e.post(publicClaudeCode); w.Code {
		case 201:
			made++
		case 429:
			refused++
			if w.Header().Get("Retry-After") == "" || decode(t, w)["error"] != "temporarily_unavailable" {
				t.Fatalf("%v %s", w.Header(), w.Body)
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if len(e.store.registrations) != 1 || e.store.writes != 1 || made == 0 || refused == 0 {
		t.Errorf("%d rows, %d writes, %d made, %d refused", len(e.store.registrations), e.store.writes, made, refused)
	}
	if n := len(e.trail.Named(audit.ClientRegistered)); n != 2 { // the new one, and a sample of the others
		t.Errorf("%d events", n)
	}
	e.clock.Advance(2 * time.Hour)
	if w := e.post(publicClaudeCode); w.Code != 201 || e.store.writes != 2 {
		t.Errorf("%d, %d writes; want the row to be kept alive by one", w.Code, e.store.writes)
	}
}

func TestAFloodOfDifferentRegistrationsIsBoundedAndLeavesRoom(t *testing.T) {
	e := newEndpoint(t, all)
	for i := range 1000 {
		e.post(fmt.Sprintf(`{"client_name":"bot %d","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`, i))
	}
	if n := len(e.store.registrations); n > 60 {
		t.Errorf("%d rows of one address", n)
	}
	e.clock.Advance(time.Minute)
	for name, body := range map[string]string{"the product itself": confidentialClaude, "another product": publicClaudeCode} {
		if w := e.post(body); w.Code != 201 {
			t.Errorf("%s, from the address of the flood: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAFloodOfWhatTheProfileKnowsIsBoundedToo(t *testing.T) {
	e := newEndpoint(t, all)
	hosts, scopes := []string{"localhost", "127.0.0.1", "[::1]"}, []string{"", "appstore:read", "appstore:request", "appstore:read appstore:request"}
	for subset := 1; subset < 8; subset++ {
		var redirects []string
		for i, host := range hosts {
			if subset&(1<<i) != 0 {
				redirects = append(redirects, `"http://`+host+`/callback"`)
			}
		}
		for _, scope := range scopes {
			for _, method := range []string{"none", "client_secret_post", "client_secret_basic"} {
				e.post(fmt.Sprintf(`{"redirect_uris":[%s],"scope":%q,"token_endpoint_auth_method":%q}`, strings.Join(redirects, ","), scope, method))
			}
		}
	}
	if n := len(e.store.registrations); n > 60 {
		t.Errorf("%d rows of one address", n)
	}
	if w := e.post(`{"client_name":"bot","redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none"}`); w.Code != 201 {
		t.Errorf("another kind: %d %s, want a budget of its own", w.Code, w.Body)
	}
}

func TestAReplacementPrefersTheProfileThatTheClientHas(t *testing.T) {
	m := register(t, newEndpoint(t, allowed{"mcp-remote"}), `{"client_name":"MCP CLI Proxy","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none"}`)
	if got := m.client(t, m.id).Profile; got != "mcp-remote" {
		t.Fatalf("registered as %s", got)
	}
	if w := m.put(`"client_name":"Something","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none"`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestARefusedRegistrationIsKeptForTheOperators(t *testing.T) {
	e := newEndpoint(t, allowed{"claude-code"})
	for _, body := range []string{
		`{"client_name":"Kiro","redirect_uris":["http://localhost:3000/oauth/secret-path"],"token_endpoint_auth_method":"none"}`,
		`{"client_name":"Kiro","redirect_uris":["http://localhost:4000/oauth/secret-path"],"token_endpoint_auth_method":"none"}`,
		`{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`,
		`{"client_name":"bad","redirect_uris":["javascript:alert(1)"]}`,
		`{"client_name":"\u202e","redirect_uris":["https://hidden.example/cb"]}`,
		`{"redirect_uris":[]}`,
	} {
		e.post(body)
		e.clock.Advance(time.Minute)
	}
	got := map[string]store.Rejection{}
	for _, j := range e.store.rejections {
		got[strings.Join(j.RedirectURIs, " ")] = j
	}
	if len(got) != 2 {
		t.Fatalf("kept %+v, want 2", got)
	}
	kiro := got["http://localhost/oauth/secret-path"]
	if kiro.ClientName != "Kiro" || kiro.Count != 2 || kiro.ClientIP != "192.0.2.7" || kiro.Reason != "client/no_profile" || kiro.Profile != "" || kiro.Advice == "" {
		t.Errorf("kept %+v", kiro)
	}
	if claude := got["https://claude.ai/api/mcp/auth_callback"]; claude.Profile != "claude" || claude.Reason != "client/not_allowed" {
		t.Errorf("kept %+v", claude)
	}
}

func TestAFloodOfRefusalsKeepsABoundedNumber(t *testing.T) {
	e := newEndpoint(t, all)
	for i := range 500 {
		e.post(fmt.Sprintf(`{"redirect_uris":["https://evil%d.example/cb"]}`, i))
	}
	if n := len(e.store.rejections); n == 0 || n > 31 {
		t.Errorf("%d are kept of one address", n)
	}
}

func TestClientsAreComplete(t *testing.T) {
	if _, err := client.NewClients(nil, nil, nil); err == nil {
		t.Error("clients without a store were made")
	}
	if _, err := client.NewRejections(nil, nil, nil, nil); err == nil {
		t.Error("rejections without a store were made")
	}
}
