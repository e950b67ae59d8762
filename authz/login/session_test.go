package login_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestEverySignInBeginsANewSession(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	b.SignIn(flowtest.Authorization(), flowtest.Ann())
	first := b.Cookies[sessionCookie]
	old := b.Clone()
	b.SignIn(flowtest.Authorization("prompt", "login"), flowtest.Bob())
	if b.Cookies[sessionCookie] == first || first == "" {
		t.Error("the session id did not change")
	}
	if p := old.Get("/signout"); strings.Contains(p.Text(), "signed in as") {
		t.Errorf("the former session still works: %s", p.Text())
	}
}

func TestASessionIsUsedAgainUnlessTheRequestAsksForMore(t *testing.T) {
	tests := []struct {
		name   string
		change []string
		after  time.Duration
		asked  bool
	}{
		{"the next request needs no sign-in", nil, time.Hour, false},
		{"after eight hours the person signs in again", nil, 8 * time.Hour, true},
		{"prompt login asks for a sign-in", []string{"prompt", "login"}, 0, true},
		{"prompt select_account asks for a sign-in", []string{"prompt", "select_account"}, 0, true},
		{"prompt consent does not", []string{"prompt", "consent"}, 0, false},
		{"a sign-in older than max_age is asked for again", []string{"max_age", "60"}, 61 * time.Second, true},
		{"a sign-in younger than max_age will do", []string{"max_age", "60"}, 59 * time.Second, false},
		{"a hint of somebody else asks for a sign-in", []string{"login_hint", "bob@acme.com"}, 0, true},
		{"a hint of the same person does not", []string{"login_hint", "ANN@acme.com"}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.SignIn(flowtest.Authorization(), flowtest.Ann())
			g.Clock.Advance(tt.after)
			p := b.Follow(b.Get(flowtest.Authorization(tt.change...)))
			if asked := strings.HasPrefix(p.Location, "https://idp.acme.com/"); asked != tt.asked {
				t.Fatalf("got %d %q %q", p.Status, p.Location, p.Title())
			}
			if tt.asked { // and it ends there: no second round
				p = b.Follow(b.Return(flowtest.Domain, flowtest.Ann()))
			}
			if !strings.HasPrefix(p.Title(), "Allow Claude") {
				t.Errorf("got %d %q, want the consent page", p.Status, p.Title())
			}
		})
	}
}

func TestASignInThatCannotBeRecordedDoesNotCount(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	b.Follow(b.Get(flowtest.Authorization()))
	g.Audit.Fail(errors.New("disk full"))
	if p := b.Return(flowtest.Domain, flowtest.Ann()); p.Status != http.StatusServiceUnavailable || b.Cookies[sessionCookie] != "" {
		t.Errorf("got %d, session %q; want 503 and none", p.Status, b.Cookies[sessionCookie])
	}
}

func TestASignInIsRecorded(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Browser(t).SignIn(flowtest.Authorization(), flowtest.Ann())
	events := g.Audit.Named(audit.SignInOK)
	if len(events) != 1 || events[0].UserEmail != "ann@acme.com" || events[0].DomainID != "acme.com" ||
		events[0].ClientID != "claude" || !events[0].Durable || events[0].RequestID != flowtest.RequestID || events[0].ClientIP != flowtest.ClientIP {
		t.Errorf("audit events %+v", events)
	}
}

func TestAPersonIsAnnouncedAfterTheyWereStored(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Browser(t).SignIn(flowtest.Authorization(), flowtest.Ann())
	if len(g.Changed) != 1 {
		t.Fatalf("announced %v, want one person", g.Changed)
	}
	if u, err := g.Store.User(t.Context(), g.Changed[0]); err != nil || u.Email != "ann@acme.com" {
		t.Errorf("announced %+v, %v", u, err)
	}
}

func TestSigningOut(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
	if p := b.Get("/signout"); p.Status != http.StatusOK || !strings.Contains(p.Text(), "signed in as ann@acme.com") {
		t.Errorf("the page asks: got %d %s", p.Status, p.Text())
	}
	if p := b.Do(http.MethodPost, "/signout", url.Values{}, http.Header{"Sec-Fetch-Site": {"cross-site"}}); p.Status != http.StatusForbidden || b.Cookies[sessionCookie] == "" {
		t.Errorf("from another site: got %d, want 403 and the session kept", p.Status)
	}
	if p := b.Do(http.MethodPost, "/signout", url.Values{}, nil); p.Status != http.StatusForbidden || b.Cookies[sessionCookie] == "" {
		t.Errorf("with the cookie alone: got %d, want 403 and the session kept", p.Status)
	}
	if p := b.Do(http.MethodPost, "/signout", url.Values{}, http.Header{"Origin": {"http://auth.example"}}); p.Status != http.StatusForbidden || b.Cookies[sessionCookie] == "" {
		t.Errorf("from our host over http: got %d, want 403 and the session kept", p.Status)
	}
	g.Store.SetDown(true)
	if p := b.Post("/signout", url.Values{}); p.Status != http.StatusServiceUnavailable || b.Cookies[sessionCookie] == "" {
		t.Errorf("with the store down: got %d, want 503 and nothing claimed", p.Status)
	}
	g.Store.SetDown(false)
	stolen := b.Clone()
	if p := b.Post("/signout", url.Values{}); p.Status != http.StatusOK || p.Title() != "You are signed out" || b.Cookies[sessionCookie] != "" {
		t.Errorf("got %d %q, want signed out", p.Status, p.Title())
	}
	origin := http.Header{"Origin": {flowtest.Issuer}} // a browser that does not tell the site
	if p := g.Browser(t).Do(http.MethodPost, "/signout", url.Values{}, origin); p.Status != http.StatusOK {
		t.Errorf("with our origin alone: got %d, want 200", p.Status)
	}
	if p := stolen.Get("/signout"); !strings.Contains(p.Text(), "not signed in") {
		t.Errorf("the session still works: %s", p.Text())
	}
	if _, err := g.Store.Approval(t.Context(), page.Form().Get("request")); err == nil {
		t.Error("the pending approval outlived the session")
	}
}

func TestASessionRemembersThatOfTheProvider(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	ann := flowtest.Ann()
	ann.Session = "s1"
	g.Browser(t).SignIn(flowtest.Authorization(), ann)
	at := store.IDPSession{Domain: flowtest.Domain, Issuer: ann.Issuer, ID: "s1"}
	people, err := g.Store.PeopleAtIDP(t.Context(), at)
	if err != nil || len(people) != 1 || people[0].Subject != ann.Subject {
		t.Errorf("%v, %v", people, err)
	}
}
