package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// plain fails on what no JSON endpoint may ever answer: HTML, a stack trace, a
// server error that does not say when to come back.
func plain(t *testing.T, a assistant.Answer) {
	t.Helper()
	if a.Status >= 500 && (a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "") {
		t.Errorf("status %d", a.Status)
	}
	if len(a.Body) == 0 {
		return
	}
	if media := a.Header.Get("Content-Type"); media != "application/json" {
		t.Errorf("content type %q", media)
	}
	if !json.Valid(a.Body) {
		t.Errorf("the body is no JSON: %s", a.Body)
	}
	for _, trace := range []string{"goroutine ", ".go:", "<html", "runtime error"} {
		if strings.Contains(string(a.Body), trace) {
			t.Errorf("the body holds %q: %s", trace, a.Body)
		}
	}
}

// TestTokenEndpointAnswersBadInput sends every row of the error matrix of the
// token endpoint (RFC 6749 §5.2, RFC 8707 §2) to the real binary.
func TestTokenEndpointAnswersBadInput(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	good := connect(t, g, a, "member", "appstore:read")
	const form = "application/x-www-form-urlencoded"
	refresh := func(extra ...string) string {
		v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {good.RefreshToken}, "client_id": {a.ClientID}}
		for i := 0; i+1 < len(extra); i += 2 {
			v.Set(extra[i], extra[i+1])
		}
		return v.Encode()
	}
	other := register(t, g)
	for _, c := range []struct {
		name                      string
		method, contentType, body string
		basic                     string
		status                    int
		code                      string
	}{
		{"GET is refused", "GET", "", "", "", 405, "invalid_request"},
		{"PUT is refused", "PUT", form, refresh(), "", 405, "invalid_request"},
		{"a JSON body is refused", "POST", "application/json", `{"grant_type":"refresh_token"}`, "", 400, "invalid_request"},
		{"an empty body names no client", "POST", form, "", "", 401, "invalid_client"},
		{"a missing content type is refused", "POST", "", refresh(), "", 400, "invalid_request"},
		{"a body that is too large is refused", "POST", form, "x=" + strings.Repeat("y", 1<<20), "", 413, "invalid_request"},
		{"a repeated parameter is refused", "POST", form, refresh() + "&grant_type=refresh_token", "", 400, "invalid_request"},
		{"a missing grant type is refused", "POST", form, "client_id=" + a.ClientID, "", 400, "invalid_request"},
		{"two ways to authenticate are refused", "POST", form, refresh("client_secret", "x"), a.ClientID + ":x", 400, "invalid_request"},
		{"an unknown client is told so", "POST", form, refresh("client_id", "lmcl_unknown"), "", 401, "invalid_client"},
		{"a missing client is told so", "POST", form, "grant_type=refresh_token&refresh_token=x", "", 401, "invalid_client"},
		{"a bad Basic header is challenged", "POST", form, "grant_type=refresh_token&refresh_token=x", "nobody:wrong", 401, "invalid_client"},
		{"a made-up refresh token is an invalid grant", "POST", form, refresh("refresh_token", "lmr_x.made-up"), "", 400, "invalid_grant"},
		{"another client's refresh token is an invalid grant", "POST", form, refresh("client_id", other.ClientID), "", 400, "invalid_grant"},
		{"a made-up code is an invalid grant", "POST", form, "grant_type=authorization_code&code=lmc_x.y&code_verifier=" + strings.Repeat("v", 43) + "&client_id=" + a.ClientID, "", 400, "invalid_grant"},
		{"a malformed verifier is an invalid request", "POST", form, "grant_type=authorization_code&code=lmc_x.y&code_verifier=short&client_id=" + a.ClientID, "", 400, "invalid_request"},
		{"an unknown grant type is named so", "POST", form, "grant_type=password&client_id=" + a.ClientID, "", 400, "unsupported_grant_type"},
		{"a wider scope is an invalid scope", "POST", form, refresh("scope", "appstore:read appstore:request"), "", 400, "invalid_scope"},
		{"a malformed scope is an invalid scope", "POST", form, refresh("scope", `a"b`), "", 400, "invalid_scope"},
		{"another resource is an invalid target", "POST", form, refresh("resource", "https://other.example/mcp"), "", 400, "invalid_target"},
		{"a resource with a fragment is an invalid target", "POST", form, refresh("resource", g.Stack.Resource+"#x"), "", 400, "invalid_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, g.Stack.Issuer+"/token", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			if user, password, ok := strings.Cut(c.basic, ":"); ok {
				req.SetBasicAuth(user, password)
			}
			answer := must[assistant.Answer](t)(assistant.Do(g.Stack.Client(), req))
			plain(t, answer)
			if answer.Status != c.status || answer.Error() != c.code {
				t.Errorf("got %d %s, want %d %s", answer.Status, answer.Body, c.status, c.code)
			}
			if answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q", answer.Header.Get("Cache-Control"))
			}
			if challenged := answer.Header.Get("WWW-Authenticate") != ""; challenged != (c.basic != "" && c.status == 401) {
				t.Errorf("WWW-Authenticate: %q", answer.Header.Get("WWW-Authenticate"))
			}
		})
	}
	if answer := must[assistant.Answer](t)(a.Refresh(t.Context(), good.RefreshToken)); answer.Status != http.StatusOK {
		t.Errorf("bad input lost the grant: %d %s", answer.Status, answer.Body)
	}
}

// TestAuthorizeNeverRedirectsToAnUnregisteredPlace pins what must stay a page
// (OAuth 2.1 §4.1.2.1).
func TestAuthorizeNeverRedirectsToAnUnregisteredPlace(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	client := g.Stack.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for name, extra := range map[string]url.Values{
		"an unknown client":            {"client_id": {"lmcl_nobody"}},
		"no client":                    {"client_id": {""}},
		"two clients":                  {"client_id": {a.ClientID, a.ClientID}},
		"an unregistered redirect URI": {"redirect_uri": {"https://evil.example/cb"}},
		"another loopback path":        {"redirect_uri": {"http://localhost:6274/other"}},
		"another spelling of the host": {"redirect_uri": {"http://LOCALHOST:6274/oauth/callback"}},
		"user information":             {"redirect_uri": {"http://localhost:6274@evil.example/oauth/callback"}},
		"two redirect URIs":            {"redirect_uri": {a.Redirect, a.Redirect}},
		"a script":                     {"redirect_uri": {"javascript:alert(1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := a.AuthorizationURL("", extra)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer := must[assistant.Answer](t)(assistant.Do(client, req))
			if answer.Status != http.StatusBadRequest || answer.Header.Get("Location") != "" {
				t.Errorf("got %d, Location %q", answer.Status, answer.Header.Get("Location"))
			}
			if strings.Contains(strings.ToLower(string(answer.Body)), `http-equiv="refresh"`) || strings.Contains(string(answer.Body), "<script") {
				t.Error("the page leads away by itself")
			}
		})
	}
}

// TestErrorsAfterSignInReachTheClient pins that what is wrong with a request of
// a known client goes to that client, with state and iss, but only after the
// person has signed in (OAuth 2.1 §7.13.2).
func TestErrorsAfterSignInReachTheClient(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	for name, c := range map[string]struct {
		extra url.Values
		code  string
	}{
		"an unknown response type":  {url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		"no challenge":              {url.Values{"code_challenge": {""}}, "invalid_request"},
		"the plain method":          {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"no method, which is plain": {url.Values{"code_challenge_method": {""}}, "invalid_request"},
		"an unknown resource":       {url.Values{"resource": {"https://other.example/mcp"}}, "invalid_target"},
		"two resources":             {url.Values{"resource": {a.Resource, a.Resource}}, "invalid_target"},
		"two scopes":                {url.Values{"scope": {"appstore:read", "appstore:read"}}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			address, verifier := a.AuthorizationURL("", c.extra)
			person := newRobot(g.Stack, "member")
			callback, err := person.Authorize(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			q := callback.Query()
			if q.Get("error") != c.code || q.Get("state") != "s"+verifier[:8] || q.Get("iss") != g.Stack.Issuer || q.Get("code") != "" {
				t.Errorf("got %v, want error %s", q, c.code)
			}
		})
	}
}
