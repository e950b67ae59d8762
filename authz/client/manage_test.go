package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// managed is a registered client that manages itself.
type managed struct {
	endpoint
	t                 testing.TB
	id, token, secret string
}

const confidentialClaude = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"client_secret_post"}`

func register(t testing.TB, e endpoint, body string) managed {
	t.Helper()
	w := e.post(body)
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := decode(t, w)
	m := managed{endpoint: e, t: t}
	m.id, _ = got["client_id"].(string)
	m.token, _ = got["registration_access_token"].(string)
	m.secret, _ = got["client_secret"].(string)
	if uri := got["registration_client_uri"]; uri != issuer+"/register/"+m.id {
		t.Fatalf("registration_client_uri is %v", uri)
	}
	return m
}

func (m managed) do(method, body string, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/register/"+m.id, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	r = r.WithContext(httpx.WithClientIP(r.Context(), "192.0.2.7"))
	w := httptest.NewRecorder()
	m.Manage(w, r)
	return w
}

func (m managed) own(method, body string) *httptest.ResponseRecorder {
	return m.do(method, body, "Bearer "+m.token)
}

// put sends the metadata of a registration as RFC 7592 wants them.
func (m managed) put(members string) *httptest.ResponseRecorder {
	return m.own(http.MethodPut, `{"client_id":"`+m.id+`",`+members+`}`)
}

func TestAClientReadsWhatIsRegistered(t *testing.T) {
	for name, approved := range map[string]bool{"before anyone approved it": false, "once it has a row": true} {
		t.Run(name, func(t *testing.T) {
			m := register(t, newEndpoint(t, all), confidentialClaude)
			if approved {
				c := m.client(t, m.id)
				if err := m.store.Update(t.Context(), func(tx store.Tx) error { return m.clients.Authorize(t.Context(), tx, c, now) }); err != nil {
					t.Fatal(err)
				}
			}
			w := m.own(http.MethodGet, "")
			want := map[string]any{
				"client_id": m.id, "client_id_issued_at": float64(now.Unix()), "client_secret": m.secret, "client_secret_expires_at": 0.0,
				"registration_access_token": m.token, "registration_client_uri": issuer + "/register/" + m.id,
				"client_name": "Claude", "redirect_uris": []any{"https://claude.ai/api/mcp/auth_callback"},
				"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
				"token_endpoint_auth_method": "client_secret_post", "application_type": "web",
			}
			if diff := gocmp.Diff(want, decode(t, w)); w.Code != 200 || diff != "" {
				t.Errorf("%d (-want +got):\n%s", w.Code, diff)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func TestOnlyTheOwnerManagesAClient(t *testing.T) {
	e := newEndpoint(t, all)
	m, other := register(t, e, publicClaudeCode), register(t, e, publicClaudeCode)
	for name, authorization := range map[string][]string{
		"another client's token":       {"Bearer " + other.token},
		"a made-up token":              {"Bearer lmg_k1.AAAA"},
		"an empty token":               {"Bearer "},
		"the client id as token":       {"Bearer " + m.id},
		"the right token as Basic":     {"Basic " + m.token},
		"the right token, given twice": {"Bearer " + m.token, "Bearer " + m.token},
		"a very long token":            {"Bearer " + m.token + strings.Repeat("x", 1000)},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			t.Run(name+" "+method, func(t *testing.T) {
				m.clock.Advance(time.Second)
				m.trail.Reset()
				w := m.do(method, `{}`, authorization...)
				if w.Code != 401 || decode(t, w)["error"] != "invalid_token" || w.Header().Get("WWW-Authenticate") != `Bearer realm="registration", error="invalid_token"` {
					t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
				}
				events := m.trail.Named(audit.ClientRejected)
				if len(events) != 1 || events[0].Reason != reason.ClientBadRegistration {
					t.Errorf("audited %+v", events)
				}
			})
		}
	}
	t.Run("without a token there is a challenge without error", func(t *testing.T) {
		if w := m.do(http.MethodGet, ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="registration"` {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
	t.Run("the scheme in another case is the same", func(t *testing.T) {
		if w := m.do(http.MethodGet, "", "bearer "+m.token); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	m.client(t, m.id)
}

func TestAnUnknownClientAndAWrongTokenAreAnsweredAlike(t *testing.T) {
	m := register(t, newEndpoint(t, all), publicClaudeCode)
	wrong := m.do(http.MethodGet, "", "Bearer lmg_k1.x")
	known := m.id
	for _, id := range []string{"lmcl_k1.x", strings.ToUpper(known), known + "x", "", "https://claude.ai/oauth/claude-code-client-metadata", strings.Repeat("x", 3000), "../token"} {
		m.id = id
		if w := m.own(http.MethodGet, ""); w.Code != wrong.Code || w.Body.String() != wrong.Body.String() {
			t.Errorf("%.40q: %d %s, want %d %s", id, w.Code, w.Body, wrong.Code, wrong.Body)
		}
	}
}

func TestAClientReplacesItsMetadata(t *testing.T) {
	m := register(t, newEndpoint(t, all), publicClaudeCode)
	w := m.put(`"client_name":"Claude Code","redirect_uris":["http://127.0.0.1:7/callback"],"token_endpoint_auth_method":"client_secret_basic","scope":"openid appstore:read"`)
	got := decode(t, w)
	secret, _ := got["client_secret"].(string)
	want := map[string]any{
		"client_id": m.id, "client_id_issued_at": float64(now.Unix()), "client_secret": secret, "client_secret_expires_at": 0.0,
		"registration_access_token": m.token, "registration_client_uri": issuer + "/register/" + m.id,
		"client_name": "Claude Code", "redirect_uris": []any{"http://127.0.0.1:7/callback"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
		"token_endpoint_auth_method": "client_secret_basic", "application_type": "native", "scope": "appstore:read",
	}
	if diff := gocmp.Diff(want, got); w.Code != 200 || diff != "" {
		t.Fatalf("%d (-want +got):\n%s", w.Code, diff)
	}
	row := m.client(t, m.id)
	if row.SecretHash != opaque.HashOf(secret) || row.RegistrationHash != opaque.HashOf(m.token) || row.UpdatedAt != now || !row.CreatedAt.Equal(now) {
		t.Errorf("stored %+v", row)
	}
	if len(m.store.gone) != 1 || m.store.gone[0] != m.id {
		t.Errorf("closed the consent pages of %q, want those of the client", m.store.gone)
	}
	events := m.trail.Named(audit.ClientUpdated)
	if len(events) != 1 || !events[0].Durable || events[0].ClientID != m.id || events[0].Detail != "changed redirect_uris token_endpoint_auth_method scope" {
		t.Errorf("audited %+v", events)
	}
	if text := fmt.Sprint(m.trail.Events(), m.log); strings.Contains(text, secret) || strings.Contains(text, m.token) {
		t.Error("a secret is in the trail or in the log")
	}
	t.Run("and gets the same credentials again after it went back and forth", func(t *testing.T) {
		if w := m.put(`"redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none"`); w.Code != 200 || decode(t, w)["client_secret"] != nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if m.client(t, m.id).SecretHash != (store.Hash{}) {
			t.Error("a public client has a secret")
		}
		w := m.put(`"redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"client_secret_post","client_id_x":1`)
		if w.Code != 200 || decode(t, w)["client_secret"] != secret {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

func TestAnApprovedClientStaysApprovedWhenItChanges(t *testing.T) {
	m := register(t, newEndpoint(t, all), publicClaudeCode)
	c := m.client(t, m.id)
	if err := m.store.Update(t.Context(), func(tx store.Tx) error { return m.clients.Authorize(t.Context(), tx, c, now) }); err != nil {
		t.Fatal(err)
	}
	if w := m.put(`"redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none"`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if m.client(t, m.id).AuthorizedAt != now {
		t.Error("it is a client that nobody approved")
	}
}

func TestAReplacementIsRefusedWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		body         func(m managed) string
		status       int
		code         string
		why          reason.Reason
		confidential bool
	}{
		"no client id":          {func(managed) string { return publicClaudeCode }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"another client's id":   {func(managed) string { return with(`"client_id":"lmcl_k1.x"`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"an id that is no text": {func(managed) string { return with(`"client_id":1`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"a registration token":  {func(m managed) string { return with(`"client_id":"` + m.id + `","registration_access_token":"x"`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"an address of its own": {func(m managed) string { return with(`"client_id":"` + m.id + `","registration_client_uri":"x"`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"an expiry of its own":  {func(m managed) string { return with(`"client_id":"` + m.id + `","client_secret_expires_at":0`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"a birthday of its own": {func(m managed) string { return with(`"client_id":"` + m.id + `","client_id_issued_at":0`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"a secret of its own": {func(m managed) string {
			return strings.TrimSuffix(confidentialClaude, "}") + `,"client_id":"` + m.id + `","client_secret":"mine"}`
		}, 400, "invalid_client_metadata", reason.ClientBadMetadata, true},
		"a secret where there is none": {func(m managed) string { return with(`"client_id":"` + m.id + `","client_secret":""`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"an address of nobody": {func(m managed) string {
			return `{"client_id":"` + m.id + `","redirect_uris":["https://evil.example/cb"]}`
		}, 400, "invalid_redirect_uri", reason.ClientNoProfile, false},
		"the address of another product": {func(m managed) string {
			return `{"client_id":"` + m.id + `","redirect_uris":["https://claude.ai/api/mcp/auth_callback"]}`
		}, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"not JSON":                      {func(managed) string { return `x` }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
		"a client id in the wrong case": {func(m managed) string { return with(`"Client_ID":"` + m.id + `"`) }, 400, "invalid_client_metadata", reason.ClientBadMetadata, false},
	} {
		t.Run(name, func(t *testing.T) {
			body := publicClaudeCode
			if c.confidential {
				body = confidentialClaude
			}
			m := register(t, newEndpoint(t, all), body)
			before := m.client(t, m.id)
			w := m.own(http.MethodPut, c.body(m))
			if got := decode(t, w); w.Code != c.status || got["error"] != c.code {
				t.Errorf("%d %v, want %d %s", w.Code, got, c.status, c.code)
			}
			if diff := gocmp.Diff(before, m.client(t, m.id)); diff != "" {
				t.Errorf("the client changed: %s", diff)
			}
			if events := m.trail.Named(audit.ClientRejected); len(events) != 1 || events[0].Reason != c.why {
				t.Errorf("audited %+v", events)
			}
		})
	}
}

func with(member string) string {
	return strings.TrimSuffix(publicClaudeCode, "}") + "," + member + "}"
}

func TestAClientEndsItself(t *testing.T) {
	m := register(t, newEndpoint(t, all), publicClaudeCode)
	w := m.own(http.MethodDelete, "")
	if w.Code != 204 || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, err := m.clients.Client(t.Context(), m.id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the client: %v, want it gone", err)
	}
	events := m.trail.Named(audit.ClientRemoved)
	if len(events) != 1 || !events[0].Durable || events[0].ClientID != m.id || events[0].Count != 3 {
		t.Errorf("audited %+v", events)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if w := m.own(method, `{}`); w.Code != 401 {
			t.Errorf("%s with the token of a client that is gone: %d", method, w.Code)
		}
	}
}

func TestAFaultWhileManagingIsNoRefusal(t *testing.T) {
	for name, breakIt := range map[string]func(m managed){
		"the store": func(m managed) { m.store.err = store.ErrUnavailable },
		"the trail": func(m managed) { m.trail.Fail(errors.New("disk on fire")) },
	} {
		for method, body := range map[string]string{http.MethodPut: "", http.MethodDelete: ""} {
			t.Run(name+" "+method, func(t *testing.T) {
				m := register(t, newEndpoint(t, all), publicClaudeCode)
				breakIt(m)
				if method == http.MethodPut {
					body = with(`"client_id":"` + m.id + `"`)
				}
				if w := m.own(method, body); w.Code != 503 || w.Header().Get("Retry-After") == "" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
	}
}

func TestTheMethodsOfTheConfigurationEndpoint(t *testing.T) {
	m := register(t, newEndpoint(t, all), publicClaudeCode)
	if w := m.own(http.MethodPost, publicClaudeCode); w.Code != 405 || w.Header().Get("Allow") != "GET, PUT, DELETE, OPTIONS" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := m.do(http.MethodOptions, ""); w.Code != 204 || w.Header().Get("Access-Control-Allow-Methods") != "GET, PUT, DELETE, OPTIONS" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
}
