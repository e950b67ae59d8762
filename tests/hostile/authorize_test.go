package hostile_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

const claudeRedirect = "https://claude.ai/api/mcp/auth_callback"

// claude registers a client like the hosted Claude, but without a secret.
func (w *world) claude(t testing.TB) *assistant.Assistant {
	t.Helper()
	a, _ := w.registerAs(t, claudeRedirect, fmt.Sprintf(`{"client_name":"Claude","redirect_uris":[%q],"token_endpoint_auth_method":"none"}`, claudeRedirect))
	return a
}

// TestAuthorizationEndpoint is about what reaches GET /authorize.
func TestAuthorizationEndpoint(t *testing.T) {
	start(t).run(t,
		part{"never redirects to whom it does not know [A3 A4 H2 H3 K30 K31 E1 E2 E3 E4 E5]", authorizeNeverRedirectsToWhomItDoesNotKnow},
		part{"a loopback redirect may change its port only [A4 H3 K31 E4]", aLoopbackRedirectMayChangeItsPortOnly},
		part{"errors reach the client only after the sign-in [G2 A6 A7 A8 A9 A10 A11 A13 H1 H16 K33 K36 E6 E7 E8 E9 E10 E13]", errorsReachTheClientOnlyAfterTheSignIn},
		part{"state comes back byte for byte [A8 K37 E13]", stateComesBackByteForByte},
		part{"is not for scripts [A1 A2 E11]", authorizeIsNotForScripts},
	)
}

// authorizeNeverRedirectsToWhomItDoesNotKnow: whatever is wrong with client
// or redirect URI is a page of ours (OAuth 2.1 §4.1.2.1). Each case is sent by a
// stranger, and by a browser whose person is signed in and has approved the
// client before (CVE-2025-4143: the redirect URI was checked too late).
func authorizeNeverRedirectsToWhomItDoesNotKnow(t *testing.T, w *world) {
	loopback, hosted := w.register(t), w.claude(t)
	browser := w.person("member")
	for _, a := range []*assistant.Assistant{loopback, hosted} {
		if _, err := a.Approve(t.Context(), browser, readScope); err != nil {
			t.Fatal(err)
		}
	}
	at := func(redirect string) url.Values { return url.Values{"redirect_uri": {redirect}} }
	for _, c := range []struct {
		name  string
		a     *assistant.Assistant
		extra url.Values
	}{
		{"an unknown client", loopback, url.Values{"client_id": {"lmcl_nobody"}}},
		{"no client", loopback, url.Values{"client_id": {""}}},
		{"two clients", loopback, url.Values{"client_id": {loopback.ClientID, hosted.ClientID}}},
		{"a client id of 10,000 bytes", loopback, url.Values{"client_id": {strings.Repeat("a", 10_000)}}},
		{"a client id with a zero byte", loopback, url.Values{"client_id": {loopback.ClientID + "\x00"}}},
		{"another client's redirect URI", loopback, at(claudeRedirect)},
		{"an unregistered redirect URI", hosted, at("https://" + evil + "/cb")},
		{"two redirect URIs", hosted, url.Values{"redirect_uri": {claudeRedirect, "https://" + evil + "/cb"}}},
		{"the same redirect URI twice", hosted, url.Values{"redirect_uri": {claudeRedirect, claudeRedirect}}},
		// RFC 9700 §4.1.3: simple string comparison.
		{"a slash at the end", hosted, at(claudeRedirect + "/")},
		{"a host in upper case", hosted, at("https://CLAUDE.ai/api/mcp/auth_callback")},
		{"a scheme in upper case", hosted, at("HTTPS://claude.ai/api/mcp/auth_callback")},
		{"a percent-encoded letter", hosted, at("https://claude.ai/api/mcp/%61uth_callback")},
		{"a query", hosted, at(claudeRedirect + "?x=1")},
		{"an empty query", hosted, at(claudeRedirect + "?")},
		{"a fragment", hosted, at(claudeRedirect + "#f")},
		{"the default port spelt out", hosted, at("https://claude.ai:443/api/mcp/auth_callback")},
		{"another port of an https host", hosted, at("https://claude.ai:444/api/mcp/auth_callback")},
		{"http in place of https", hosted, at("http://claude.ai/api/mcp/auth_callback")},
		{"a path that climbs", hosted, at("https://claude.ai/api/mcp/x/../auth_callback")},
		{"a path that climbs, encoded", hosted, at("https://claude.ai/api/mcp/x/%2e%2e/auth_callback")},
		// Parser tricks: hosts that only look like the registered one.
		{"the host as user information", hosted, at("https://claude.ai@" + evil + "/api/mcp/auth_callback")},
		{"user information before the host", hosted, at("https://user@claude.ai/api/mcp/auth_callback")},
		{"the host as a prefix", hosted, at("https://claude.ai." + evil + "/api/mcp/auth_callback")},
		{"the host as a suffix", hosted, at("https://evilclaude.ai/api/mcp/auth_callback")},
		{"a dot after the host", hosted, at("https://claude.ai./api/mcp/auth_callback")},
		{"a backslash before the host", hosted, at(`https://` + evil + `\@claude.ai/api/mcp/auth_callback`)},
		{"a tab in the host", hosted, at("https://claude\t.ai/api/mcp/auth_callback")},
		{"a line break in the path", hosted, at(claudeRedirect + "\r\nLocation: https://" + evil)},
		{"a full-width host", hosted, at("https://claude。ai/api/mcp/auth_callback")},
		{"no scheme", hosted, at("//claude.ai/api/mcp/auth_callback")},
		// RFC 8252 §7.3: only the port of a loopback redirect may differ.
		{"another loopback path", loopback, at("http://localhost:6274/other")},
		{"a longer loopback path", loopback, at("http://localhost:6274/oauth/callback/../x")},
		{"a loopback path with an encoded dot", loopback, at("http://localhost:6274/oauth/%2e%2e/oauth/callback")},
		{"a loopback query", loopback, at("http://localhost:6274/oauth/callback?x=1")},
		{"127.0.0.1 for localhost", loopback, at("http://127.0.0.1:6274/oauth/callback")},
		{"::1 for localhost", loopback, at("http://[::1]:6274/oauth/callback")},
		{"localhost in upper case", loopback, at("http://LOCALHOST:6274/oauth/callback")},
		{"localhost with a dot", loopback, at("http://localhost.:6274/oauth/callback")},
		{"a short loopback address", loopback, at("http://127.1:6274/oauth/callback")},
		{"the unspecified address", loopback, at("http://0.0.0.0:6274/oauth/callback")},
		{"a loopback address as a number", loopback, at("http://2130706433:6274/oauth/callback")},
		{"localhost as user information", loopback, at("http://localhost@" + evil + "/oauth/callback")},
		{"localhost and port as user information", loopback, at("http://localhost:1@" + evil + "/oauth/callback")},
		{"user information at localhost", loopback, at("http://u@localhost:6274/oauth/callback")},
		{"localhost as a prefix", loopback, at("http://localhost." + evil + ":1/oauth/callback")},
		{"port 0", loopback, at("http://localhost:0/oauth/callback")},
		{"port 65536", loopback, at("http://localhost:65536/oauth/callback")},
		{"a port with a leading zero", loopback, at("http://localhost:06274/oauth/callback")},
		{"https at a loopback host", loopback, at("https://localhost:6274/oauth/callback")},
		{"a script", loopback, at("javascript:alert(1)//localhost:6274/oauth/callback")},
		{"a document", loopback, at("data:text/html,<script>alert(1)</script>")},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, _ := c.a.AuthorizationURL(readScope, c.extra)
			localPage(t, w.send(t, http.MethodGet, address, ""), http.StatusBadRequest)
			page, err := browser.Get(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			localPage(t, assistant.Answer{Status: page.Status, Header: page.Header, Body: []byte(page.Body)}, http.StatusBadRequest)
			if page.URL.Host != host(w.issuer) {
				t.Errorf("the browser ended at %s", page.URL.Host)
			}
		})
	}
}

// aLoopbackRedirectMayChangeItsPortOnly is RFC 8252 §7.3, and that the code
// is bound to the very URI that was used (OAuth 2.1 §4.1.3).
func aLoopbackRedirectMayChangeItsPortOnly(t *testing.T, w *world) {
	a := w.register(t)
	for _, port := range []string{"1", "80", "33418", "65535"} {
		t.Run("port "+port, func(t *testing.T) {
			b := *a
			b.Redirect = "http://localhost:" + port + "/oauth/callback"
			approval := w.approve(t, &b)
			if approval.Callback.Host != "localhost:"+port {
				t.Fatalf("the code went to %s", approval.Callback.Host)
			}
			refused(t, must(t, func() (assistant.Answer, error) { return a.Redeem(t.Context(), approval) }), http.StatusBadRequest, "invalid_grant")
		})
	}
}

// errorsReachTheClientOnlyAfterTheSignIn: before it, the server leads to its
// own sign-in only, so that it is no open redirector (OAuth 2.1 §7.13.2). After
// it, the client is told, with state and iss (RFC 9207 §2).
func errorsReachTheClientOnlyAfterTheSignIn(t *testing.T, w *world) {
	a := w.register(t)
	browser := w.person("member")
	for _, c := range []struct {
		name  string
		extra url.Values
		code  string
		mute  bool // the state is not given back
	}{
		{"two scopes", url.Values{"scope": {readScope, bothScopes}}, "invalid_request", false},
		{"no code_challenge (CVE-2025-4144)", url.Values{"code_challenge": {""}}, "invalid_request", false},
		{"method plain", url.Values{"code_challenge_method": {"plain"}}, "invalid_request", false},
		{"no method, which means plain", url.Values{"code_challenge_method": {""}}, "invalid_request", false},
		{"a challenge of 42 characters", url.Values{"code_challenge": {strings.Repeat("a", 42)}}, "invalid_request", false},
		{"a challenge of 44 characters", url.Values{"code_challenge": {strings.Repeat("a", 44)}}, "invalid_request", false},
		{"a challenge with padding", url.Values{"code_challenge": {strings.Repeat("a", 42) + "="}}, "invalid_request", false},
		{"two challenges", url.Values{"code_challenge": {strings.Repeat("a", 43), strings.Repeat("b", 43)}}, "invalid_request", false},
		{"an unknown resource", url.Values{"resource": {"https://" + evil + "/mcp"}}, "invalid_target", false},
		{"a sibling of the resource", url.Values{"resource": {w.resource + "-other"}}, "invalid_target", false},
		{"a path below the resource", url.Values{"resource": {w.resource + "/x"}}, "invalid_target", false},
		{"two resources", url.Values{"resource": {w.resource, w.resource}}, "invalid_target", false},
		{"a resource with a fragment", url.Values{"resource": {w.resource + "#f"}}, "invalid_target", false},
		{"response_type token", url.Values{"response_type": {"token"}}, "unsupported_response_type", false},
		{"response_type code and token", url.Values{"response_type": {"code token"}}, "unsupported_response_type", false},
		{"no response_type", url.Values{"response_type": {""}}, "invalid_request", false},
		{"response_mode fragment", url.Values{"response_mode": {"fragment"}}, "invalid_request", false},
		{"response_mode form_post", url.Values{"response_mode": {"form_post"}}, "invalid_request", false},
		{"a request object", url.Values{"request": {"eyJhbGciOiJub25lIn0.e30."}}, "invalid_request", false},
		{"a request_uri that would make the server fetch", url.Values{"request_uri": {"http://169.254.169.254/"}}, "invalid_request", false},
		{"a scope with a quote", url.Values{"scope": {`appstore:read "x"`}}, "invalid_scope", false},
		{"prompt none", url.Values{"prompt": {"none"}}, "access_denied", false},
		{"prompt none beside others", url.Values{"prompt": {"none login"}}, "invalid_request", false},
		{"two prompts", url.Values{"prompt": {"login", "consent"}}, "invalid_request", false},
		{"two login hints", url.Values{"login_hint": {"a@demo.example", "b@demo.example"}}, "invalid_request", false},
		{"a max_age that is no number", url.Values{"max_age": {"soon"}}, "invalid_request", false},
		{"a negative max_age", url.Values{"max_age": {"-1"}}, "invalid_request", false},
		{"two max_age", url.Values{"max_age": {"1", "2"}}, "invalid_request", false},
		{"response_mode query.jwt", url.Values{"response_mode": {"query.jwt"}}, "invalid_request", false},
		{"two response modes", url.Values{"response_mode": {"query", "query"}}, "invalid_request", false},
		{"two response types", url.Values{"response_type": {"code", "code"}}, "invalid_request", false},
		{"two methods", url.Values{"code_challenge_method": {"S256", "plain"}}, "invalid_request", false},
		{"a pushed request that nobody pushed", url.Values{"request_uri": {"urn:ietf:params:oauth:request_uri:x"}}, "invalid_request", false},
		{"a state with a line break", url.Values{"state": {"a\r\nSet-Cookie: x=y"}}, "invalid_request", true},
		{"a state of 2,049 bytes", url.Values{"state": {strings.Repeat("s", 2049)}}, "invalid_request", true},
		{"two states", url.Values{"state": {"a", "b"}}, "invalid_request", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, c.extra)
			stranger := w.send(t, http.MethodGet, address, "")
			if to := stranger.Header.Get("Location"); stranger.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/signin?") {
				t.Fatalf("a stranger got %d to %q", stranger.Status, to)
			}
			callback, err := browser.Authorize(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			q, sent := callback.Query(), mustParse(t, address).Query()
			if q.Get("error") != c.code || q.Has("code") || q.Get("iss") != w.issuer || len(q["error"]) != 1 {
				t.Errorf("the client got %v, want %s", q, c.code)
			}
			want := sent.Get("state")
			if c.mute {
				want = ""
			}
			if q.Get("state") != want {
				t.Errorf("state %q, want %q", q.Get("state"), want)
			}
		})
	}
}

// stateComesBackByteForByte is OAuth 2.1 §4.1.2: exactly the value.
func stateComesBackByteForByte(t *testing.T, w *world) {
	a := w.register(t)
	browser := w.person("member")
	for name, state := range map[string]string{
		"what a URL would escape":  "a b+c%20d&error=x=f#g?h/../;",
		"what a page would escape": `"><script>alert(1)</script>'\`,
		"what reorders text":       "ünï\u202ecode\u200b",
		"what is no UTF-8":         "\xff\xfe\x80",
		"2,048 bytes":              strings.Repeat("s", 2048),
		"a lone percent sign":      "%",
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, url.Values{"state": {state}})
			callback, err := browser.Authorize(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if q := callback.Query(); q.Get("state") != state || q.Get("code") == "" || len(q["state"]) != 1 {
				t.Errorf("state came back as %q", q.Get("state"))
			}
		})
	}
}

// authorizeIsNotForScripts: no CORS, and no other method (OAuth 2.1 §3.1).
func authorizeIsNotForScripts(t *testing.T, w *world) {
	address, _ := w.register(t).AuthorizationURL(readScope, nil)
	for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodTrace} {
		t.Run(method, func(t *testing.T) {
			a := w.send(t, method, address, "", "Origin", "https://"+evil, "Access-Control-Request-Method", "GET")
			if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Location") != "" || a.Header.Get("Allow") == "" {
				t.Errorf("got %d to %q", a.Status, a.Header.Get("Location"))
			}
			unframed(t, a.Header)
		})
	}
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	return must(t, func() (*url.URL, error) { return url.Parse(address) })
}
