package hostile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestForms is about the form of requests and answers, at every endpoint.
func TestForms(t *testing.T) {
	start(t).run(t,
		part{"no parameter is read twice [G2 M1 E20]", repeatedParameters},
		part{"a resource has several spellings and no neighbours [A9 T7 K34 K43 E9]", resourceSpellings},
		part{"a token answer is what clients read [G3 G5 D10 T10 K41 K46]", tokenAnswer},
		part{"what is not ours is ignored [G2 A13 K32 K35 K36 K44]", foreignParameters},
		part{"scripts of other origins reach what has no cookies [D9 A2 X1 X2 X3]", crossOrigin},
		part{"without TLS there is nothing [G1]", plaintext},
		part{"too much is refused at each page [G8]", tooMuch},
	)
}

// repeatedParameters is RFC 6749 §3.1 and §3.2: each one at most once, also
// where the second one is empty.
func repeatedParameters(t *testing.T, w *world) {
	a := w.register(t)
	p := w.approve(t, a)
	tokens := w.connect(t, a, "member", readScope)
	for _, c := range []struct {
		path, good string
		names      []string
	}{
		{"/token", redemption(a, p), []string{"grant_type", "code", "code_verifier", "redirect_uri", "client_id", "resource"}},
		{"/token", form("grant_type", "refresh_token", "refresh_token", tokens.RefreshToken, "client_id", a.ClientID, "scope", readScope), []string{"grant_type", "refresh_token", "client_id", "scope"}},
		{"/revoke", form("token", tokens.RefreshToken, "token_type_hint", "refresh_token", "client_id", a.ClientID), []string{"token", "token_type_hint", "client_id"}},
	} {
		for _, name := range append(c.names, "client_secret", "client_assertion", "client_assertion_type") {
			t.Run(c.path+" "+name, func(t *testing.T) {
				values := must(t, func() (url.Values, error) { return url.ParseQuery(c.good) })
				value := values.Get(name)
				if value == "" { // not part of the request, so that it comes twice by itself
					refused(t, w.post(t, c.path, c.good+"&"+form(name, "x", name, "y")), http.StatusBadRequest, "invalid_request")
					return
				}
				for _, second := range []string{value, "", "x"} {
					refused(t, w.post(t, c.path, c.good+"&"+form(name, second)), http.StatusBadRequest, "invalid_request")
				}
			})
		}
	}
	w.alive(t, "the access token", tokens.AccessToken)
	if answer := w.post(t, "/token", redemption(a, p)); answer.Status != http.StatusOK {
		t.Errorf("the code is gone: %d %s", answer.Status, answer.Body)
	}
}

// resourceSpellings is RFC 8707 §2 as clients use it: upper case and a slash more
// mean the same; nothing else does, at none of the three requests.
func resourceSpellings(t *testing.T, w *world) {
	a := w.register(t)
	browser := w.person("member")
	upper := strings.Replace(strings.Replace(w.resource, "https://", "HTTPS://", 1), "localhost", "LocalHost", 1)
	for name, resource := range map[string]string{
		"upper case": upper, "a slash at the end": w.resource + "/", "both": upper + "/", "as configured": w.resource, "not at all": "",
	} {
		t.Run(name, func(t *testing.T) {
			address, verifier := a.AuthorizationURL(readScope, url.Values{"resource": {resource}})
			callback := must(t, func() (*url.URL, error) { return browser.Authorize(t.Context(), address) })
			p := assistant.Approval{Code: callback.Query().Get("code"), Verifier: verifier}
			answer := w.post(t, "/token", redemption(a, p, "resource", resource))
			if answer.Status != http.StatusOK {
				t.Fatalf("redemption: %d %s, after %v", answer.Status, answer.Body, callback)
			}
			w.alive(t, "the token", answer.Tokens().AccessToken)
			again := w.refresh(t, a, answer.Tokens().RefreshToken, "resource", resource)
			if again.Status != http.StatusOK {
				t.Fatalf("refresh: %d %s", again.Status, again.Body)
			}
			w.alive(t, "the token of the refresh", again.Tokens().AccessToken)
		})
	}
	p, tokens := w.approve(t, a), w.connect(t, a, "member", readScope)
	for _, resource := range []string{
		w.resource + "//", w.resource + "-other", w.resource + "/x", strings.ToUpper(w.resource), w.resource + "?x", w.resource + "%2F", w.resource + "/.", w.resource + "#",
		strings.Replace(w.resource, "https:", "http:", 1), strings.Replace(w.resource, "localhost", "localhost.", 1), strings.Replace(w.resource, "://", "://u@", 1), w.issuer, "mcp/appstore", `https:\\localhost`,
	} {
		t.Run(resource, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, url.Values{"resource": {resource}})
			callback := must(t, func() (*url.URL, error) { return browser.Authorize(t.Context(), address) })
			if q := callback.Query(); q.Get("error") != "invalid_target" {
				t.Errorf("at the authorization endpoint: %v", q)
			}
			refused(t, w.post(t, "/token", redemption(a, p, "resource", resource)), http.StatusBadRequest, "invalid_target")
			refused(t, w.refresh(t, a, tokens.RefreshToken, "resource", resource), http.StatusBadRequest, "invalid_target")
		})
	}
}

// tokenAnswer is RFC 6749 §5.1 with what clients were seen to need: a scope
// always, a lifetime as a number, and credentials that fit into every column and
// header (OAuth 2.1 §2.2: a server should document their size).
func tokenAnswer(t *testing.T, w *world) {
	const longest = 200
	a := w.register(t)
	p := w.approve(t, a)
	first := w.post(t, "/token", redemption(a, p))
	second := w.refresh(t, a, first.Tokens().RefreshToken)
	for name, answer := range map[string]assistant.Answer{"a redemption": first, "a refresh": second} {
		t.Run(name, func(t *testing.T) {
			var members map[string]any
			if err := json.Unmarshal(answer.Body, &members); err != nil || answer.Status != http.StatusOK {
				t.Fatalf("%d %s", answer.Status, answer.Body)
			}
			lifetime, isNumber := members["expires_in"].(float64)
			if members["token_type"] != "Bearer" || !isNumber || lifetime < 300 || members["scope"] != readScope || len(members) != 5 {
				t.Errorf("%s", answer.Body)
			}
			if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Content-Type") != jsonType || len(answer.Header["Set-Cookie"]) != 0 {
				t.Errorf("%v", answer.Header)
			}
			for _, credential := range []string{p.Code, answer.Tokens().AccessToken, answer.Tokens().RefreshToken} {
				if len(credential) < 64 || len(credential) > longest || url.QueryEscape(credential) != credential {
					t.Errorf("a credential of %d bytes, or one that needs escaping", len(credential))
				}
			}
		})
	}
}

// foreignParameters: RFC 6749 §3.1; each of these is sent by some client.
func foreignParameters(t *testing.T, w *world) {
	a := w.register(t)
	address, verifier := a.AuthorizationURL(readScope+" openid email profile offline_access", url.Values{
		"actor": {"user"}, "access_type": {"offline"}, "audience": {"a", "b"}, "prompt": {"consent"}, "nonce": {"n"}, "ui_locales": {"xx"}, "login_hint": {`"><b>`}, "max_age": {"99999999999999999999999"[:9]},
		"token": {"x"}, "grant_type": {"password"}, "__proto__": {"x"}, "user": {"root"}, "domain": {evil}, "code": {"x"}, "iss": {"https://" + evil}, "error": {"access_denied"},
	})
	callback := must(t, func() (*url.URL, error) { return w.person("member").Authorize(t.Context(), address) })
	q := callback.Query()
	if q.Get("code") == "" || q.Get("code") == "x" || q.Get("iss") != w.issuer || len(q) != 3 {
		t.Fatalf("the client got %v", q)
	}
	answer := w.post(t, "/token", redemption(a, assistant.Approval{Code: q.Get("code"), Verifier: verifier}, "scope", "x", "audience", "y", "user", "root", "access_token", "z"))
	if answer.Status != http.StatusOK || answer.Tokens().Scope != readScope {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	if again := w.refresh(t, a, answer.Tokens().RefreshToken, "scope", readScope+" offline_access openid", "audience", "y"); again.Tokens().Scope != readScope {
		t.Errorf("%d %s", again.Status, again.Body)
	}
}

// crossOrigin: what reads no cookie answers any origin and never with
// credentials; what people see answers none (Fetch standard, OAuth 2.1 §3.1).
func crossOrigin(t *testing.T, w *world) {
	origin := "https://" + evil
	for _, path := range []string{"/token", "/register", "/revoke"} {
		t.Run(path, func(t *testing.T) {
			preflight := w.send(t, http.MethodOptions, w.issuer+path, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,dpop")
			allowed := strings.ToLower(preflight.Header.Get("Access-Control-Allow-Headers"))
			if preflight.Status != http.StatusNoContent || !strings.Contains(preflight.Header.Get("Access-Control-Allow-Methods"), "POST") ||
				!strings.Contains(allowed, "authorization") || !strings.Contains(allowed, "content-type") || !strings.Contains(allowed, "dpop") {
				t.Errorf("%d %v", preflight.Status, preflight.Header)
			}
			media := formType
			if path == "/register" {
				media = jsonType
			}
			answer := w.send(t, http.MethodPost, w.issuer+path, "x", "Origin", origin, "Content-Type", media)
			exposed := answer.Header.Get("Access-Control-Expose-Headers")
			if !strings.Contains(exposed, "WWW-Authenticate") || !strings.Contains(exposed, "Retry-After") {
				t.Errorf("exposed: %q", exposed)
			}
			for _, h := range []http.Header{preflight.Header, answer.Header} {
				if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%v", h)
				}
			}
		})
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks.json"} {
		t.Run(path, func(t *testing.T) {
			answer := w.send(t, http.MethodGet, w.issuer+path, "", "Origin", origin)
			if answer.Status != http.StatusOK || answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("Access-Control-Allow-Credentials") != "" ||
				!strings.HasPrefix(answer.Header.Get("Cache-Control"), "public, max-age=") || answer.Header.Get("ETag") == "" {
				t.Errorf("%d %v", answer.Status, answer.Header)
			}
		})
	}
	for _, path := range []string{"/authorize", "/signin", "/consent", "/signout", "/callback/demo.example"} {
		t.Run(path, func(t *testing.T) {
			for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
				answer := w.send(t, method, w.issuer+path, "", "Origin", origin, "Sec-Fetch-Site", "cross-site", "Content-Type", formType, "Access-Control-Request-Method", "POST")
				unframed(t, answer.Header)
				if method != http.MethodGet && answer.Status/100 != 4 {
					t.Errorf("%s: %d", method, answer.Status)
				}
			}
		})
	}
}

// plaintext: a request that is not encrypted gets neither a token nor a redirect
// that would make the client send it again (OAuth 2.1 §1.5).
func plaintext(t *testing.T, w *world) {
	a := w.register(t)
	p := w.approve(t, a)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "/token", redemption(a, p)}, {http.MethodPost, "/revoke", form("token", "x", "client_id", a.ClientID)},
		{http.MethodPost, "/register", "{}"}, {http.MethodGet, "/authorize?client_id=" + a.ClientID, ""}, {http.MethodGet, "/.well-known/oauth-authorization-server", ""},
	} {
		t.Run(c.path, func(t *testing.T) {
			req := newRequest(t, c.method, strings.Replace(w.issuer, "https:", "http:", 1)+c.path, c.body, "Content-Type", formType)
			answer, err := assistant.Do(w.stranger(t), req)
			if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
				return // refused before the body was read, which is as much of an answer
			}
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status != http.StatusBadRequest || answer.Header.Get("Location") != "" || bytes.Contains(answer.Body, []byte("lm")) {
				t.Errorf("%d to %q: %s", answer.Status, answer.Header.Get("Location"), answer.Body)
			}
		})
	}
	if answer := w.post(t, "/token", redemption(a, p)); answer.Status != http.StatusOK {
		t.Errorf("the code is gone: %d %s", answer.Status, answer.Body)
	}
}

// tooMuch: queries over 8 KiB, over 100 parameters and bodies over 64 KiB.
func tooMuch(t *testing.T, w *world) {
	same := []string{"Origin", w.issuer, "Sec-Fetch-Site", "same-origin", "Content-Type", formType}
	for _, path := range []string{"/signin", "/consent"} {
		t.Run("a body of 1 MiB at "+path, func(t *testing.T) {
			localPage(t, w.send(t, http.MethodPost, w.issuer+path, "x="+strings.Repeat("y", 1<<20), same...), http.StatusRequestEntityTooLarge)
		})
	}
	a := w.register(t)
	for name, extra := range map[string]string{"a query of 9,000 bytes": "&x=" + strings.Repeat("y", 9000), "200 parameters": strings.Repeat("&x=y", 200), "a broken percent sign": "&x=%zz"} {
		t.Run(name, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, nil)
			localPage(t, w.send(t, http.MethodGet, address+extra, ""), http.StatusBadRequest)
		})
	}
	for _, path := range []string{"/signin", "/consent", "/signout", "/callback/demo.example"} {
		t.Run("other methods at "+path, func(t *testing.T) {
			for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, "PROPFIND"} {
				answer := w.send(t, method, w.issuer+path, "", same...)
				localPage(t, answer, http.StatusMethodNotAllowed)
				if answer.Header.Get("Allow") == "" {
					t.Error(fmt.Sprint(method, ": 405 without Allow"))
				}
			}
		})
	}
}
