package idp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/teamlumos/mcp-edge/tests/idp"
)

func TestSignIn(t *testing.T) {
	for _, u := range idp.DemoUsers() {
		t.Run("gives the "+u.Role+" an ID token with their own claims", func(t *testing.T) {
			p := newRelyingParty(t)
			got := p.signIn(u)
			if got.Get("state") != "the-state" || got.Get("iss") != p.server.Issuer() {
				t.Errorf("callback has state %q and iss %q", got.Get("state"), got.Get("iss"))
			}
			token, claims, err := p.idToken(u)
			if err != nil {
				t.Fatal(err)
			}
			if token.Subject != u.Subject || token.Nonce != "the-nonce" {
				t.Errorf("sub %q nonce %q, want %q and the-nonce", token.Subject, token.Nonce, u.Subject)
			}
			groups := []any{}
			for _, g := range u.Groups {
				groups = append(groups, g)
			}
			want := map[string]any{"email": u.Email, "email_verified": true, "name": u.Name, "groups": groups}
			for name := range claims {
				if _, ok := want[name]; !ok {
					delete(claims, name)
				}
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("asks again for a second person with the same cookies", func(t *testing.T) {
		p := newRelyingParty(t)
		users := idp.DemoUsers()
		for _, u := range users[:2] {
			token, _, err := p.idToken(u)
			if err != nil {
				t.Fatal(err)
			}
			if token.Subject != u.Subject {
				t.Errorf("sub %q, want %q", token.Subject, u.Subject)
			}
		}
	})
	t.Run("gives the same claims at the userinfo endpoint", func(t *testing.T) {
		p := newRelyingParty(t)
		u := idp.DemoUsers()[0]
		token, err := p.exchange(p.signIn(u).Get("code"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := p.provider.UserInfo(p.ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		if info.Subject != u.Subject || info.Email != u.Email || !info.EmailVerified {
			t.Errorf("userinfo %+v", info)
		}
	})
	t.Run("says false when the address is not verified", func(t *testing.T) {
		u := idp.DemoUsers()[0]
		u.EmailVerified = false
		p := newRelyingParty(t, u)
		_, claims, err := p.idToken(u)
		if err != nil {
			t.Fatal(err)
		}
		if verified, ok := claims["email_verified"].(bool); !ok || verified {
			t.Errorf("email_verified is %v", claims["email_verified"])
		}
	})
	t.Run("carries changed groups in the next token", func(t *testing.T) {
		p := newRelyingParty(t)
		u := idp.DemoUsers()[0]
		u.Groups = nil
		p.server.SetUser(u)
		_, claims, err := p.idToken(u)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{}, claims["groups"]); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
	})
}

func TestLoginPageRefuses(t *testing.T) {
	member := idp.DemoUsers()[0]
	tests := []struct {
		name   string
		form   func(id string) url.Values
		before func(*relyingParty)
		status int
		text   string
	}{
		{
			name:   "a wrong password with the page again",
			form:   func(id string) url.Values { return login(id, member.Email, "wrong") },
			status: http.StatusUnauthorized, text: "do not match",
		},
		{
			name:   "an unknown e-mail in the same words",
			form:   func(id string) url.Values { return login(id, "nobody@demo.example", member.Password) },
			status: http.StatusUnauthorized, text: "do not match",
		},
		{
			name:   "another person's password",
			form:   func(id string) url.Values { return login(id, member.Email, idp.DemoUsers()[1].Password) },
			status: http.StatusUnauthorized, text: "do not match",
		},
		{
			name: "a disabled person",
			before: func(p *relyingParty) {
				u := member
				u.Disabled = true
				p.server.SetUser(u)
			},
			form:   func(id string) url.Values { return login(id, member.Email, member.Password) },
			status: http.StatusUnauthorized, text: "do not match",
		},
		{
			name: "an empty password for a person without one",
			before: func(p *relyingParty) {
				u := member
				u.Password = ""
				p.server.SetUser(u)
			},
			form:   func(id string) url.Values { return login(id, member.Email, "") },
			status: http.StatusUnauthorized, text: "do not match",
		},
		{
			name:   "a made-up request",
			form:   func(string) url.Values { return login("made-up", member.Email, member.Password) },
			status: http.StatusBadRequest, text: "unknown, finished or too old",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newRelyingParty(t)
			if tt.before != nil {
				tt.before(p)
			}
			id, _ := p.loginPage(p.authorizeURL())
			res, page := p.post(p.server.Issuer()+"/login", tt.form(id))
			if res.StatusCode != tt.status || !strings.Contains(page, tt.text) || res.Header.Get("Location") != "" {
				t.Errorf("answered %s to %q:\n%s", res.Status, res.Header.Get("Location"), page)
			}
			again := hiddenRequest.FindStringSubmatch(page)
			if tt.status == http.StatusUnauthorized && (again == nil || again[1] != id) {
				t.Error("the page cannot be tried again")
			}
		})
	}
	t.Run("a sign-in that is already finished", func(t *testing.T) {
		p := newRelyingParty(t)
		id, _ := p.loginPage(p.authorizeURL())
		form := login(id, member.Email, member.Password)
		p.post(p.server.Issuer()+"/login", form)
		if res, _ := p.post(p.server.Issuer()+"/login", form); res.StatusCode != http.StatusBadRequest {
			t.Errorf("the second sign-in answered %s", res.Status)
		}
	})
}

func login(id, email, password string) url.Values {
	return url.Values{"request": {id}, "email": {email}, "password": {password}}
}

func TestLoginPage(t *testing.T) {
	t.Run("prefills the e-mail of login_hint, escaped", func(t *testing.T) {
		p := newRelyingParty(t)
		_, page := p.loginPage(p.authorizeURL(oauth2.SetAuthURLParam("login_hint", `a"><b>@demo.example`)))
		if !strings.Contains(page, `value="a&#34;&gt;&lt;b&gt;@demo.example"`) {
			t.Errorf("the hint is not in the page:\n%s", page)
		}
	})
	t.Run("lists the demo people with their passwords", func(t *testing.T) {
		p := newRelyingParty(t)
		_, page := p.loginPage(p.authorizeURL())
		for _, u := range idp.DemoUsers() {
			if !strings.Contains(page, u.Email) || !strings.Contains(page, u.Password) {
				t.Errorf("%s is not in the page", u.Email)
			}
		}
	})
}
