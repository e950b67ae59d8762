package hostile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const (
	reportsSecret = "6b1f0e9d8c7a4253b4a5968778695a4c"
	otherPath     = "/mcp/other"
	inactive      = "{\"active\":false}\n"
)

// withResourceServer are edits of the root Caddyfile: a second MCP endpoint, and
// a resource server "reports" that may ask about the first one only.
func withResourceServer(t *testing.T) []string {
	t.Helper()
	t.Setenv("REPORTS_SECRET", reportsSecret)
	const app, site = "\t\taudit {\n", "\tmcp_bridge /mcp/appstore {\n"
	return []string{
		app, "\t\ttrusted_resource_server reports {\n\t\t\tsecret {env.REPORTS_SECRET}\n\t\t\tresource {$MCP_EDGE_RESOURCE}\n\t\t}\n" + app,
		site, "\tmcp_bridge " + otherPath + " {\n\t\tresource {$MCP_EDGE_API_SITE}" + otherPath +
			"\n\t\ttoolset appstore\n\t\taudience {$MCP_EDGE_AUDIENCE}\n\t\tupstream {$MCP_EDGE_BACKEND}\n\t}\n" + site,
	}
}

// TestIntrospection is about POST /introspect (RFC 7662).
func TestIntrospection(t *testing.T) {
	start(t, withResourceServer(t)...).run(t,
		part{"a live token is described to its resource server", describedTokens},
		part{"all other tokens are the same bytes", undescribedTokens},
		part{"a revoked token is inactive at the very next call", revokedThenAsked},
		part{"nobody else may ask", strangersAsk},
		part{"malformed requests are refused in JSON", malformedIntrospections},
		part{"no page of another origin can ask", pagesAsk},
		part{"policy is as immediate as at the MCP endpoint", policyThenAsked},
	)
}

func TestIntrospectionIsNotThereWithoutAResourceServer(t *testing.T) {
	w := start(t)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		refused(t, w.send(t, method, w.issuer+"/introspect", "token=x", append([]string{"Content-Type", formType}, basicAuth("reports", reportsSecret)...)...), http.StatusNotFound, "invalid_request")
	}
	metadata := w.send(t, http.MethodGet, w.issuer+"/.well-known/oauth-authorization-server", "")
	if metadata.Status != http.StatusOK || bytes.Contains(metadata.Body, []byte("introspection")) {
		t.Errorf("%d %s", metadata.Status, metadata.Body)
	}
}

func basicAuth(name, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(name)+":"+url.QueryEscape(secret)))}
}

// introspect asks as the resource server.
func (w *world) introspect(t testing.TB, token string, more ...string) assistant.Answer {
	t.Helper()
	return w.post(t, "/introspect", form(append([]string{"token", token}, more...)...), basicAuth("reports", reportsSecret)...)
}

func (w *world) wantInactive(t testing.TB, what, token string, more ...string) {
	t.Helper()
	if a := w.introspect(t, token, more...); a.Status != http.StatusOK || string(a.Body) != inactive || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %s, Cache-Control %q", what, a.Status, a.Body, a.Header.Get("Cache-Control"))
	}
}

func (w *world) wantActive(t testing.TB, what, token string) {
	t.Helper()
	if a := w.introspect(t, token); a.Status != http.StatusOK || !bytes.HasPrefix(a.Body, []byte(`{"active":true,`)) {
		t.Errorf("%s: %d %s", what, a.Status, a.Body)
	}
}

func describedTokens(t *testing.T, w *world) {
	a := w.register(t)
	before := time.Now().Unix()
	token := w.connect(t, a, "member", bothScopes).AccessToken
	after := time.Now().Unix()
	bodies := map[string][]byte{
		"by Basic":      w.introspect(t, token).Body,
		"by the body":   w.post(t, "/introspect", form("token", token, "client_id", "reports", "client_secret", reportsSecret)).Body,
		"a good hint":   w.introspect(t, token, "token_type_hint", "access_token").Body,
		"a wrong hint":  w.introspect(t, token, "token_type_hint", "refresh_token").Body,
		"a silly hint":  w.introspect(t, token, "token_type_hint", `"<b>`).Body,
		"another query": w.post(t, "/introspect?token=x&client_id=y", form("token", token), basicAuth("reports", reportsSecret)...).Body,
	}
	for name, body := range bodies {
		if !bytes.Equal(body, bodies["by Basic"]) {
			t.Errorf("%s: %s, not %s", name, body, bodies["by Basic"])
		}
	}
	var got struct {
		Expires int64 `json:"exp"`
		Issued  int64 `json:"iat"`
	}
	var all map[string]any
	if err := json.Unmarshal(bodies["by Basic"], &got); err != nil {
		t.Fatalf("%v: %s", err, bodies["by Basic"])
	}
	_ = json.Unmarshal(bodies["by Basic"], &all)
	want := map[string]any{
		"active": true, "scope": bothScopes, "client_id": a.ClientID, "username": w.Stack.User("member").Email, "token_type": "Bearer", "aud": w.resource, "iss": w.issuer,
		"sub": w.subjectOfCall(t, token),
	}
	if len(all) != len(want)+2 || !holds(all, want) {
		t.Errorf("got %v, want %v with exp and iat", all, want)
	}
	if got.Issued < before || got.Issued > after || got.Expires-got.Issued != 3600 {
		t.Errorf("iat %d, exp %d; the token was issued between %d and %d for an hour", got.Issued, got.Expires, before, after)
	}
}

// subjectOfCall is the person's id in the assertion that the backend gets.
func (w *world) subjectOfCall(t testing.TB, token string) string {
	t.Helper()
	before := len(w.Stack.Backend.Requests())
	w.alive(t, "the token", token)
	requests := w.Stack.Backend.Requests()
	if len(requests) <= before {
		t.Fatal("no request reached the backend")
	}
	return requests[len(requests)-1].Subject
}

// undescribedTokens compares whole answers: nothing tells a resource server that
// a token exists elsewhere.
func undescribedTokens(t *testing.T, w *world) {
	a := w.register(t)
	elsewhere := *a
	elsewhere.Resource = strings.TrimSuffix(w.resource, stack.ResourcePath) + otherPath
	tokens, foreign, dead := w.connect(t, a, "member", readScope), w.connect(t, &elsewhere, "member", readScope), w.connect(t, a, "member", readScope)
	if answer := w.revoke(t, a, dead.RefreshToken); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	if answer := must(t, func() (assistant.CallResult, error) {
		return elsewhere.Call(t.Context(), foreign.AccessToken, "search_apps", `{}`)
	}); answer.Status != http.StatusOK {
		t.Fatalf("the other resource: %d %s", answer.Status, answer.Body)
	}
	var first http.Header
	for name, token := range map[string]string{
		"a live token of another resource":           foreign.AccessToken,
		"a refresh token of another resource":        foreign.RefreshToken,
		"a refresh token":                            tokens.RefreshToken,
		"a revoked access token":                     dead.AccessToken,
		"a revoked refresh token":                    dead.RefreshToken,
		"a code":                                     w.approve(t, a).Code,
		"a made-up token":                            "lma_x.y",
		"a token with its last letter changed":       flip(tokens.AccessToken),
		"a token with a blank behind it":             tokens.AccessToken + " ",
		"a token of another resource with a forgery": flip(foreign.AccessToken),
		"a JWT that nobody signed":                   "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
		"60,000 bytes":                               strings.Repeat("t", 60_000),
		"zero bytes":                                 "\x00\x00",
		"a quote and a statement":                    `' OR 1=1 --`,
		"the secret":                                 reportsSecret,
	} {
		w.wantInactive(t, name, token)
		w.wantInactive(t, name+" with the hint that fits", token, "token_type_hint", "access_token")
		header := w.introspect(t, token).Header
		header.Del("Date")
		if first == nil {
			first = header
		}
		for field := range header {
			if header.Get(field) != first.Get(field) || len(header) != len(first) {
				t.Errorf("%s: headers tell it apart: %v and %v", name, header, first)
			}
		}
	}
	w.wantActive(t, "the token", tokens.AccessToken)
	// Asking used nothing up.
	if answer := w.refresh(t, a, tokens.RefreshToken); answer.Status != http.StatusOK {
		t.Errorf("the refresh token that was asked about: %d %s", answer.Status, answer.Body)
	}
}

func revokedThenAsked(t *testing.T, w *world) {
	a := w.register(t)
	for range 10 {
		for _, whole := range []bool{false, true} {
			tokens := w.connect(t, a, "member", readScope)
			for range 3 {
				w.wantActive(t, "before", tokens.AccessToken)
			}
			token := tokens.AccessToken
			if whole {
				token = tokens.RefreshToken
			}
			if answer := w.revoke(t, a, token); answer.Status != http.StatusOK {
				t.Fatalf("%d %s", answer.Status, answer.Body)
			}
			w.wantInactive(t, "right after the revocation", tokens.AccessToken)
		}
	}
	// A replayed code ends the grant that the first use gave.
	p := w.approve(t, a)
	tokens := must(t, func() (assistant.Answer, error) { return a.Redeem(t.Context(), p) }).Tokens()
	w.wantActive(t, "before the replay", tokens.AccessToken)
	refused(t, w.post(t, "/token", redemption(a, p)), http.StatusBadRequest, "invalid_grant")
	w.wantInactive(t, "after the replay", tokens.AccessToken)
	// A refresh leaves the older access token alive, and says so here too.
	tokens = w.connect(t, a, "member", readScope)
	next := w.refresh(t, a, tokens.RefreshToken).Tokens()
	w.wantActive(t, "the access token before a refresh", tokens.AccessToken)
	w.wantActive(t, "the access token after it", next.AccessToken)
}

// strangersAsk is RFC 7662 §2.1 and §4: who could ask without a secret could
// scan for tokens.
func strangersAsk(t *testing.T, w *world) {
	const redirect = "http://localhost:6274/oauth/callback"
	open := w.register(t)
	secretive, registered := w.registerAs(t, redirect, `{"client_name":"MCP Inspector","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"client_secret_basic"}`)
	posting, posted := w.registerAs(t, redirect, `{"client_name":"MCP Inspector","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"client_secret_post"}`)
	token := w.connect(t, open, "member", readScope).AccessToken
	var bodies []string
	for _, c := range []struct {
		name   string
		body   string
		header []string
		status int
		code   string
	}{
		{"nobody", form("token", token), nil, 401, "invalid_client"},
		{"the name alone", form("token", token, "client_id", "reports"), nil, 401, "invalid_client"},
		{"a client without a secret", form("token", token, "client_id", open.ClientID), nil, 401, "invalid_client"},
		{"a client with its own secret", form("token", token), basicAuth(secretive.ClientID, registered.Secret), 401, "invalid_client"},
		{"a client with its own secret in the body", form("token", token, "client_id", posting.ClientID, "client_secret", posted.Secret), nil, 401, "invalid_client"},
		{"a client with the secret of the resource server", form("token", token), basicAuth(secretive.ClientID, reportsSecret), 401, "invalid_client"},
		{"the resource server with the secret of a client", form("token", token), basicAuth("reports", registered.Secret), 401, "invalid_client"},
		{"a wrong secret", form("token", token), basicAuth("reports", flip(reportsSecret)), 401, "invalid_client"},
		{"half of the secret", form("token", token), basicAuth("reports", reportsSecret[:16]), 401, "invalid_client"},
		{"no secret", form("token", token), basicAuth("reports", ""), 401, "invalid_client"},
		{"another spelling of the name", form("token", token), basicAuth("REPORTS", reportsSecret), 401, "invalid_client"},
		{"a name with a zero byte", form("token", token), basicAuth("reports\x00", reportsSecret), 401, "invalid_client"},
		{"the name of the built-in operator", form("token", token), basicAuth("admin", "admin"), 401, "invalid_client"},
		{"the token itself as bearer", form("token", token), []string{"Authorization", "Bearer " + token}, 400, "invalid_request"},
		{"two ways at once", form("token", token, "client_id", "reports", "client_secret", reportsSecret), basicAuth("reports", reportsSecret), 400, "invalid_request"},
		{"an assertion that nobody signed", form("token", token, "client_id", "reports", "client_assertion", "eyJhbGciOiJub25lIn0.e30.", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil, 401, "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := w.post(t, "/introspect", c.body, c.header...)
			refused(t, answer, c.status, c.code)
			basic := len(c.header) > 0 && strings.HasPrefix(c.header[1], "Basic")
			if challenge := answer.Header.Get("WWW-Authenticate"); (c.status == 401 && basic) != strings.HasPrefix(challenge, "Basic ") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if basic && c.status == 401 {
				bodies = append(bodies, string(answer.Body))
			}
		})
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("an unknown name is told from a wrong secret: %s and %s", bodies[0], body)
		}
	}
	w.audited(t, map[string]any{"event_name": "authorization_failed", "reason": "client/bad_secret", "error_code": "invalid_client", "detail": "introspection: the secret of reports is wrong"})
	// The resource server is no client either.
	refused(t, w.post(t, "/revoke", form("token", token), basicAuth("reports", reportsSecret)...), http.StatusUnauthorized, "invalid_client")
	refused(t, w.post(t, "/token", form("grant_type", "refresh_token", "refresh_token", token), basicAuth("reports", reportsSecret)...), http.StatusUnauthorized, "invalid_client")
	w.alive(t, "the token", token)
	for _, place := range []string{w.Log(), strings.Join(w.AuditLines(), "\n")} {
		if strings.Contains(place, reportsSecret) || strings.Contains(place, token) {
			t.Error("the log or the audit trail holds a secret")
		}
	}
}

func malformedIntrospections(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
	}{
		{"GET with the token in the query", "GET", "/introspect?token=" + token, "", "", 405},
		{"PUT", "PUT", "/introspect", formType, form("token", token), 405},
		{"DELETE", "DELETE", "/introspect", "", "", 405},
		{"a token in the query only", "POST", "/introspect?token=" + token, formType, "", 400},
		{"no token", "POST", "/introspect", formType, form("token_type_hint", "access_token"), 400},
		{"an empty token", "POST", "/introspect", formType, form("token", ""), 400},
		{"two tokens", "POST", "/introspect", formType, form("token", "x", "token", token), 400},
		{"two hints", "POST", "/introspect", formType, form("token", token, "token_type_hint", "a", "token_type_hint", "b"), 400},
		{"a JSON body", "POST", "/introspect", jsonType, `{"token":"` + token + `"}`, 400},
		{"a multipart form", "POST", "/introspect", "multipart/form-data; boundary=x", "--x--", 400},
		{"no content type", "POST", "/introspect", "", form("token", token), 400},
		{"a broken percent sign", "POST", "/introspect", formType, "token=%zz", 400},
		{"1,000 parameters", "POST", "/introspect", formType, form("token", token) + strings.Repeat("&x=y", 1000), 400},
		{"a body of 1 MiB", "POST", "/introspect", formType, form("token", token) + strings.Repeat("y", 1<<20), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := basicAuth("reports", reportsSecret)
			if c.contentType != "" {
				header = append(header, "Content-Type", c.contentType)
			}
			answer := w.send(t, c.method, w.issuer+c.path, c.body, header...)
			refused(t, answer, c.status, "invalid_request")
			if c.status == http.StatusMethodNotAllowed && answer.Header.Get("Allow") != http.MethodPost {
				t.Errorf("Allow: %q", answer.Header.Get("Allow"))
			}
		})
	}
	for _, path := range []string{"/INTROSPECT", "/introspect/", "//introspect", "/introspect;x", "/introspect/x"} {
		if answer := w.post(t, path, form("token", token), basicAuth("reports", reportsSecret)...); answer.Status/100 != 4 || bytes.Contains(answer.Body, []byte("active")) {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
}

func pagesAsk(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	origin := []string{"Origin", "https://" + evil}
	preflight := w.send(t, http.MethodOptions, w.issuer+"/introspect", "", append(origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")...)
	refused(t, preflight, http.StatusMethodNotAllowed, "invalid_request")
	answers := []assistant.Answer{
		preflight,
		w.post(t, "/introspect", form("token", token), append(basicAuth("reports", reportsSecret), origin...)...),
		w.post(t, "/introspect", form("token", token), origin...),
	}
	for _, answer := range answers {
		for name := range answer.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%d says %s: %q", answer.Status, name, answer.Header.Get(name))
			}
		}
	}
}

// policyThenAsked runs last, since it changes the configuration.
func policyThenAsked(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for name, edit := range map[string][2]string{
		"a domain that is turned off":          {"\t\t\tenabled\n", ""},
		"an assistant that is not allowed":     {"mcp-inspector mcp-remote", "mcp-remote"},
		"a person who is not admitted":         {"users everyone", "users group nobody"},
		"a resource server of another address": {"\t\t\tresource {$MCP_EDGE_RESOURCE}\n", "\t\t\tresource {$MCP_EDGE_API_SITE}" + otherPath + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w.wantActive(t, "before", token)
			if err := w.Reload(w.Variant(edit[0], edit[1])); err != nil {
				t.Fatal(err)
			}
			w.wantInactive(t, "after", token)
			if err := w.Reload(w.Caddyfile); err != nil {
				t.Fatal(err)
			}
			w.wantActive(t, "once it is put back", token)
		})
	}
	t.Run("a resource that no endpoint has is refused", func(t *testing.T) {
		err := w.Reload(w.Variant("\t\t\tresource {$MCP_EDGE_RESOURCE}\n", "\t\t\tresource https://"+evil+"/mcp\n"))
		if err == nil || !strings.Contains(err.Error(), "which no mcp_bridge has") {
			t.Errorf("got %v", err)
		}
		w.wantActive(t, "the configuration before it", token)
	})
}
