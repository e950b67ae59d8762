package hostile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestRegistrationManagement is about the address at which a client manages
// itself (RFC 7592).
func TestRegistrationManagement(t *testing.T) {
	start(t).run(t,
		part{"whoever has not the token learns and changes nothing [R7]", foreignManagers},
		part{"a client reads itself, and its secret survives", readsItself},
		part{"a client replaces itself, within what it was", replacesItself},
		part{"a client that removes itself is dead with all that people gave it [R7]", removesItself},
		part{"browsers may manage their own client", managedByBrowsers},
	)
}

// managed is a confidential client that registered, with its tokens.
type managed struct {
	*assistant.Assistant
	registration
	Token  string         `json:"registration_access_token"`
	URI    string         `json:"registration_client_uri"`
	answer map[string]any // all that the registration answered
}

const managedMetadata = `"client_name":"MCP Inspector","redirect_uris":["` + inspectorRedirect + `"],"token_endpoint_auth_method":"client_secret_post"`

func (w *world) manageable(t *testing.T) *managed {
	t.Helper()
	answer := w.tryRegister(t, `{`+managedMetadata+`}`)
	m := &managed{Assistant: &assistant.Assistant{Issuer: w.issuer, Resource: w.resource, HTTP: w.client(), Redirect: inspectorRedirect}}
	if err := json.Unmarshal(answer.Body, m); err != nil || answer.Status != http.StatusCreated || m.Token == "" || m.registration.Secret == "" {
		t.Fatalf("registration answered %d: %s", answer.Status, answer.Body)
	}
	_ = json.Unmarshal(answer.Body, &m.answer)
	m.Assistant.ClientID = m.registration.ClientID
	if m.URI != w.issuer+"/register/"+m.Assistant.ClientID {
		t.Errorf("it manages itself at %s", m.URI)
	}
	return m
}

// manage sends a request about a client; the bearer token may be missing.
func (w *world) manage(t *testing.T, method, uri, body string, authorization ...string) assistant.Answer {
	t.Helper()
	header := []string{"Content-Type", jsonType}
	for _, a := range authorization {
		header = append(header, "Authorization", a)
	}
	req := newRequest(t, method, uri, body, header...)
	return must(t, func() (assistant.Answer, error) { return assistant.Do(w.stranger(t), req) })
}

// connectSecretly signs the member in and redeems with the client's secret.
func (w *world) connectSecretly(t *testing.T, m *managed) assistant.Tokens {
	t.Helper()
	p := w.approve(t, m.Assistant)
	answer := w.post(t, "/token", form("grant_type", "authorization_code", "code", p.Code, "code_verifier", p.Verifier,
		"redirect_uri", m.Redirect, "client_id", m.Assistant.ClientID, "client_secret", m.registration.Secret))
	if answer.Status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", answer.Status, answer.Body)
	}
	return answer.Tokens()
}

// foreignManagers: RFC 7592 §2.1 and §3; nobody may try out which ids exist.
func foreignManagers(t *testing.T, w *world) {
	m, other := w.manageable(t), w.manageable(t)
	tokens := w.connectSecretly(t, m)
	for name, authorization := range map[string][]string{
		"no token":                    nil,
		"an empty token":              {"Bearer "},
		"the token of another client": {"Bearer " + other.Token},
		"the client's secret":         {"Bearer " + m.registration.Secret},
		"the client's id":             {"Bearer " + m.Assistant.ClientID},
		"a person's access token":     {"Bearer " + tokens.AccessToken},
		"a person's refresh token":    {"Bearer " + tokens.RefreshToken},
		"the token, cut by a letter":  {"Bearer " + m.Token[:len(m.Token)-1]},
		"the token and one more":      {"Bearer " + m.Token, "Bearer " + other.Token},
		"the token as Basic":          {"Basic " + m.Token},
		"a token of 5,000 letters":    {"Bearer " + strings.Repeat("a", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				answer := w.manage(t, method, m.URI, `{"client_id":"`+m.Assistant.ClientID+`",`+managedMetadata+`}`, authorization...)
				challenge := answer.Header.Get("WWW-Authenticate")
				if answer.Status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") || strings.Contains(challenge, "error=") != (authorization != nil) {
					t.Errorf("%s: %d %q %s", method, answer.Status, challenge, answer.Body)
				}
			}
		})
	}
	t.Run("the token in the query", func(t *testing.T) {
		refused(t, w.manage(t, http.MethodGet, m.URI+"?access_token="+m.Token, ""), http.StatusUnauthorized, "invalid_request")
	})
	t.Run("the token at another client, at none and at a path beyond", func(t *testing.T) {
		for _, uri := range []string{other.URI, w.issuer + "/register/x", w.issuer + "/register/", m.URI + "/x", m.URI + "%00", w.issuer + "/register/" + strings.Repeat("x", 5000)} {
			refused(t, w.manage(t, http.MethodDelete, uri, "", "Bearer "+m.Token), http.StatusUnauthorized, "invalid_token")
		}
	})
	for _, c := range []*managed{m, other} {
		if answer := w.manage(t, http.MethodGet, c.URI, "", "Bearer "+c.Token); answer.Status != http.StatusOK {
			t.Errorf("a client was changed: %d %s", answer.Status, answer.Body)
		}
	}
	w.alive(t, "what a person gave the client", tokens.AccessToken)
}

// readsItself: RFC 7592 §2.1. The answer is the registration's, so that a client
// that lost it can go on.
func readsItself(t *testing.T, w *world) {
	m := w.manageable(t)
	for range 2 {
		answer := w.manage(t, http.MethodGet, m.URI, "", "Bearer "+m.Token)
		var got map[string]any
		_ = json.Unmarshal(answer.Body, &got)
		want := maps.Clone(m.answer)
		if answer.Status != http.StatusOK || fmt.Sprint(got["client_secret"], got["registration_access_token"], got["client_id"]) != fmt.Sprint(want["client_secret"], want["registration_access_token"], want["client_id"]) {
			t.Errorf("%d %s, registered as %v", answer.Status, answer.Body, want)
		}
		if answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control %q", answer.Header.Get("Cache-Control"))
		}
		w.alive(t, "a token by the first secret", w.connectSecretly(t, m).AccessToken) // it has a row from now on
	}
	for _, method := range []string{http.MethodPost, http.MethodPatch} {
		refused(t, w.manage(t, method, m.URI, "", "Bearer "+m.Token), http.StatusMethodNotAllowed, "invalid_request")
	}
}

// replacesItself: RFC 7592 §2.2.
func replacesItself(t *testing.T, w *world) {
	m := w.manageable(t)
	put := func(members string) assistant.Answer {
		return w.manage(t, http.MethodPut, m.URI, `{"client_id":"`+m.Assistant.ClientID+`",`+members+`}`, "Bearer "+m.Token)
	}
	for name, c := range map[string]struct{ members, code string }{
		"an address that leads elsewhere": {`"redirect_uris":["https://` + evil + `/cb"]`, "invalid_redirect_uri"},
		"a script":                        {`"redirect_uris":["javascript:alert(1)"]`, "invalid_redirect_uri"},
		"the address of another product":  {`"redirect_uris":["` + claudeRedirect + `"]`, "invalid_client_metadata"},
		"a name that reorders text":       {`"client_name":"x\u202ey","redirect_uris":["` + inspectorRedirect + `"]`, "invalid_client_metadata"},
		"another secret":                  {managedMetadata + `,"client_secret":"chosen-by-the-client"`, "invalid_client_metadata"},
		"a registration token":            {managedMetadata + `,"registration_access_token":"x"`, "invalid_client_metadata"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, put(c.members), http.StatusBadRequest, c.code) })
	}
	t.Run("the id of another client", func(t *testing.T) {
		answer := w.manage(t, http.MethodPut, m.URI, `{"client_id":"`+w.manageable(t).Assistant.ClientID+`",`+managedMetadata+`}`, "Bearer "+m.Token)
		refused(t, answer, http.StatusBadRequest, "invalid_client_metadata")
	})
	t.Run("another name", func(t *testing.T) {
		answer := put(`"client_name":"My Inspector","redirect_uris":["` + inspectorRedirect + `"],"token_endpoint_auth_method":"client_secret_post","client_secret":"` + m.registration.Secret + `"`)
		var got registration
		if err := json.Unmarshal(answer.Body, &got); err != nil || answer.Status != http.StatusOK || got.Name != "My Inspector (unverified)" || got.Secret != m.registration.Secret || got.ClientID != m.Assistant.ClientID {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
		w.alive(t, "a token by the secret that survived", w.connectSecretly(t, m).AccessToken)
	})
}

// removesItself: RFC 7592 §2.3.
func removesItself(t *testing.T, w *world) {
	m, other := w.manageable(t), w.manageable(t)
	tokens, others := w.connectSecretly(t, m), w.connectSecretly(t, other)
	w.alive(t, "the token", tokens.AccessToken)
	unredeemed := w.approve(t, m.Assistant)
	if answer := w.manage(t, http.MethodDelete, m.URI, "", "Bearer "+m.Token); answer.Status != http.StatusNoContent || len(answer.Body) > 0 {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	w.dead(t, "the token of a removed client", tokens.AccessToken)
	for name, fields := range map[string][]string{
		"its refresh token": {"grant_type", "refresh_token", "refresh_token", tokens.RefreshToken},
		"its code":          {"grant_type", "authorization_code", "code", unredeemed.Code, "code_verifier", unredeemed.Verifier, "redirect_uri", m.Redirect},
	} {
		answer := w.post(t, "/token", form(append(fields, "client_id", m.Assistant.ClientID, "client_secret", m.registration.Secret)...))
		if answer.Status != http.StatusUnauthorized || answer.Error() != "invalid_client" {
			t.Errorf("%s: %d %s", name, answer.Status, answer.Body)
		}
	}
	address, _ := m.AuthorizationURL(readScope, nil)
	localPage(t, w.send(t, http.MethodGet, address, ""), http.StatusBadRequest)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		refused(t, w.manage(t, method, m.URI, `{}`, "Bearer "+m.Token), http.StatusUnauthorized, "invalid_token")
	}
	w.alive(t, "the token of another client of the same registration", others.AccessToken)
	w.audited(t, map[string]any{"event_name": "client_removed", "client_id": m.Assistant.ClientID})
	// One that nobody ever approved has no row, and is as dead.
	young := w.manageable(t)
	if answer := w.manage(t, http.MethodDelete, young.URI, "", "Bearer "+young.Token); answer.Status != http.StatusNoContent {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	address, _ = young.AuthorizationURL(readScope, nil)
	localPage(t, w.send(t, http.MethodGet, address, ""), http.StatusBadRequest)
}

// managedByBrowsers: no cookie is read there, so any origin may.
func managedByBrowsers(t *testing.T, w *world) {
	m := w.manageable(t)
	req := newRequest(t, http.MethodOptions, m.URI, "", "Origin", "https://inspector.example",
		"Access-Control-Request-Method", http.MethodDelete, "Access-Control-Request-Headers", "authorization")
	answer := must(t, func() (assistant.Answer, error) { return assistant.Do(w.stranger(t), req) })
	methods, headers := answer.Header.Get("Access-Control-Allow-Methods"), answer.Header.Get("Access-Control-Allow-Headers")
	if answer.Status != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("Access-Control-Allow-Credentials") != "" ||
		methods != "GET, PUT, DELETE, OPTIONS" || !strings.Contains(headers, "Authorization") {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
	if got := w.manage(t, http.MethodGet, m.URI, "", "Bearer "+m.Token); got.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a page may not read the answer: %v", got.Header)
	}
}
