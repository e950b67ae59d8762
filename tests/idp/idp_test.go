package idp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/teamlumos/mcp-edge/tests/idp"
)

func TestAuthorizeRefuses(t *testing.T) {
	tests := []struct {
		name    string
		options []oauth2.AuthCodeOption
		want    string // the error sent to the callback; empty: a page, no redirect
	}{
		{"a request without PKCE", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", "")}, "invalid_request"},
		{"the plain PKCE method", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge_method", "plain")}, "invalid_request"},
		{"a request without nonce", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("nonce", "")}, "invalid_request"},
		{"a request without the openid scope", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("scope", "email")}, "invalid_scope"},
		{"prompt none, since nobody is signed in", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "none")}, "login_required"},
		{"the implicit flow", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("response_type", "id_token")}, "unauthorized_client"},
		{"a redirect address that is not registered", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("redirect_uri", callback+"/")}, ""},
		{"an unknown client", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("client_id", "another")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newRelyingParty(t)
			res, body := p.get(p.authorizeURL(tt.options...))
			if tt.want == "" {
				if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
					t.Errorf("answered %s to %q", res.Status, res.Header.Get("Location"))
				}
				return
			}
			location, err := res.Location()
			if err != nil {
				t.Fatalf("answered %s: %s", res.Status, body)
			}
			query := location.Query()
			if location.Fragment != "" { // the library answers the implicit flow there
				query, _ = url.ParseQuery(location.Fragment)
			} else if query.Get("iss") != p.server.Issuer() {
				t.Errorf("the error response has iss %q", query.Get("iss"))
			}
			if query.Get("error") != tt.want {
				t.Errorf("error %q, want %q", query.Get("error"), tt.want)
			}
		})
	}
}

func TestTokenEndpoint(t *testing.T) {
	member := idp.DemoUsers()[0]
	t.Run("takes the secret by basic and by post", func(t *testing.T) {
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
			p := newRelyingParty(t)
			p.config.Endpoint.AuthStyle = style
			if _, err := p.exchange(p.signIn(member).Get("code")); err != nil {
				t.Errorf("style %d: %v", style, err)
			}
		}
	})
	t.Run("takes a code once", func(t *testing.T) {
		p := newRelyingParty(t)
		code := p.signIn(member).Get("code")
		if _, err := p.exchange(code); err != nil {
			t.Fatal(err)
		}
		if _, err := p.exchange(code); err == nil {
			t.Error("the code worked twice")
		}
	})
	t.Run("takes a code once even by 20 redemptions at the same time", func(t *testing.T) {
		p := newRelyingParty(t)
		code := p.signIn(member).Get("code")
		var wg sync.WaitGroup
		var taken atomic.Int32
		for range 20 {
			wg.Go(func() {
				if _, err := p.exchange(code); err == nil {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if got := taken.Load(); got != 1 {
			t.Errorf("the code worked %d times", got)
		}
	})
	t.Run("refuses a wrong secret", func(t *testing.T) {
		p := newRelyingParty(t)
		p.config.ClientSecret = "wrong"
		if _, err := p.exchange(p.signIn(member).Get("code")); err == nil {
			t.Error("a wrong secret was taken")
		}
	})
	t.Run("refuses a wrong verifier", func(t *testing.T) {
		p := newRelyingParty(t)
		code := p.signIn(member).Get("code")
		p.verifier = oauth2.GenerateVerifier()
		if _, err := p.exchange(code); err == nil {
			t.Error("a wrong verifier was taken")
		}
	})
	t.Run("refuses another redirect address than the authorization had", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.SetRedirectURIs(callback, callback+"/other")
		code := p.signIn(member).Get("code")
		p.config.RedirectURL = callback + "/other"
		if _, err := p.exchange(code); err == nil {
			t.Error("another redirect address was taken")
		}
	})
}

func TestDiscoveryNamesOnlyWhatAnswers(t *testing.T) {
	p := newRelyingParty(t)
	_, body := p.get(p.server.Issuer() + "/.well-known/openid-configuration")
	var document map[string]any
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	if document["authorization_response_iss_parameter_supported"] != true {
		t.Error("the iss parameter is not announced")
	}
	for name, value := range document {
		address, ok := value.(string)
		if !ok || !strings.HasPrefix(address, p.server.Issuer()+"/") {
			continue
		}
		if res, _ := p.get(address); res.StatusCode == http.StatusNotFound {
			t.Errorf("%s is announced and not there", name)
		}
	}
	for _, path := range []string{"/revoke", "/oauth/introspect", "/end_session", "/device_authorization"} {
		if res, _ := p.get(p.server.Issuer() + path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s is there and not announced", path)
		}
	}
}

func TestFaults(t *testing.T) {
	member := idp.DemoUsers()[0]
	t.Run("down answers 503 to everything until it is up again", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.Faults().Down.Store(true)
		if res, _ := p.get(p.server.Issuer() + "/keys"); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answered %s", res.Status)
		}
		p.server.Faults().Down.Store(false)
		if res, _ := p.get(p.server.Issuer() + "/keys"); res.StatusCode != http.StatusOK {
			t.Errorf("answered %s", res.Status)
		}
	})
	t.Run("wrong nonce leaves a token that verifies with another nonce", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.Faults().WrongNonce.Store(true)
		token, _, err := p.idToken(member)
		if err != nil {
			t.Fatal(err)
		}
		if token.Nonce == "the-nonce" {
			t.Error("the nonce is right")
		}
	})
	t.Run("wrong audience is a token for another client only", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.Faults().WrongAudience.Store(true)
		_, _, err := p.idToken(member)
		if err == nil || !strings.Contains(err.Error(), "expected audience") {
			t.Errorf("verified with %v", err)
		}
	})
	t.Run("omitted email_verified is absent, not false", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.Faults().OmitEmailVerified.Store(true)
		_, claims, err := p.idToken(member)
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := claims["email_verified"]; ok {
			t.Errorf("email_verified is %v", value)
		}
	})
	t.Run("wrong iss names another issuer in the callback", func(t *testing.T) {
		p := newRelyingParty(t)
		p.server.Faults().WrongIss.Store(true)
		if iss := p.signIn(member).Get("iss"); iss == "" || iss == p.server.Issuer() {
			t.Errorf("iss is %q", iss)
		}
	})
}

func TestStart(t *testing.T) {
	good := idp.Config{ClientID: clientID, ClientSecret: clientSecret}
	tests := []struct {
		name   string
		change func(*idp.Config)
	}{
		{"refuses an address that is not loopback", func(c *idp.Config) { c.Addr = "0.0.0.0:0" }},
		{"refuses to start without a client secret", func(c *idp.Config) { c.ClientSecret = "" }},
		{"refuses a subject that the library cannot carry", func(c *idp.Config) {
			c.Users = []idp.User{{Subject: "a:b", Email: "a@demo.example"}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := good
			tt.change(&config)
			server, err := idp.Start(t.Context(), config)
			if err == nil {
				_ = server.Close()
				t.Error("it started")
			}
		})
	}
	t.Run("stops when its context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server, err := idp.Start(ctx, good)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if res, err := http.Get(server.Issuer() + "/keys"); err == nil {
			_ = res.Body.Close()
			t.Error("it still answers")
		}
	})
}
