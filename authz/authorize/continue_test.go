package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestARefusalNamesItsLayerAndTheRemedy(t *testing.T) {
	const chatgptRedirect = "https://chatgpt.com/cb"
	tests := []struct {
		name    string
		path    string
		arrange func(*flowtest.Gateway)
		status  int
		reason  string
		remedy  string
		userID  string // in the audit trail
	}{
		{
			"a client that the domain does not list is refused on a page",
			flowtest.Authorization("client_id", "chatgpt", "redirect_uri", chatgptRedirect), nil,
			http.StatusForbidden, "client/not_allowed", `adds "chatgpt" to ` + "`clients` of domain acme.com", "",
		},
		{
			"an error of a client that the domain does not list stays on a page",
			flowtest.Authorization("client_id", "chatgpt", "redirect_uri", chatgptRedirect, "response_type", "token"), nil,
			http.StatusForbidden, "client/not_allowed", "clients", "",
		},
		{
			"a person whom the backend does not know is refused on a page",
			flowtest.Authorization(), func(g *flowtest.Gateway) { g.Directory.Fail(authorize.ErrUnknownPerson) },
			http.StatusForbidden, "user/unknown", "create your account there", "",
		},
		{
			"a person who is not active at the backend is refused on a page",
			flowtest.Authorization(), func(g *flowtest.Gateway) { g.Directory.Set("ann@acme.com", authorize.Entry{ID: "x"}) },
			http.StatusForbidden, "user/not_active", "activate your account", "x",
		},
		{
			"a person who is not active and whose id the backend does not tell is refused on a page",
			flowtest.Authorization(), func(g *flowtest.Gateway) { g.Directory.Set("ann@acme.com", authorize.Entry{}) },
			http.StatusForbidden, "user/not_active", "activate your account", "",
		},
		{
			"a backend that does not answer is a fault and no refusal",
			flowtest.Authorization(), func(g *flowtest.Gateway) { g.Directory.Fail(flowtest.ErrDown) },
			http.StatusServiceUnavailable, "backend/unavailable", "Try again", "",
		},
		{
			"a backend that answers without an id is a fault and no refusal",
			flowtest.Authorization(), func(g *flowtest.Gateway) { g.Directory.Set("ann@acme.com", authorize.Entry{Active: true}) },
			http.StatusServiceUnavailable, "backend/unavailable", "Try again", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			if tt.arrange != nil {
				tt.arrange(g)
			}
			p := g.Browser(t).SignIn(tt.path, flowtest.Ann())
			if p.Status != tt.status || p.Location != "" || p.Reason() != tt.reason {
				t.Errorf("got %d, Location %q, reason %q; want %d, none, %q", p.Status, p.Location, p.Reason(), tt.status, tt.reason)
			}
			if !strings.Contains(p.Text(), tt.remedy) {
				t.Errorf("the page does not say %q: %s", tt.remedy, p.Text())
			}
			events := g.Audit.Named(audit.AuthorizationFailed)
			if refused := tt.status == http.StatusForbidden; refused != (len(events) == 1) {
				t.Fatalf("audit events %+v", events)
			}
			if len(events) == 1 && (string(events[0].Reason) != tt.reason || events[0].UserEmail != "ann@acme.com" || events[0].DomainID != "acme.com" || events[0].UserID != tt.userID) {
				t.Errorf("audit event %+v", events[0])
			}
		})
	}
}

func TestAFaultOfTheBackendCanBeTriedAgainWithoutANewSignIn(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Directory.Fail(flowtest.ErrDown)
	b := g.Browser(t)
	p := b.SignIn(flowtest.Authorization(), flowtest.Ann())
	_, rest, ok := strings.Cut(p.Body, `href="/signin?tx=`)
	if !ok {
		t.Fatal("the page has no link to try again")
	}
	g.Directory.Fail(nil)
	id, _, _ := strings.Cut(rest, `"`)
	if p = b.Follow(b.Get("/signin?tx=" + id)); !strings.HasPrefix(p.Title(), "Allow Claude") {
		t.Errorf("got %d %q, want the consent page", p.Status, p.Title())
	}
	if n := len(g.IdPs[flowtest.Domain].Requests()); n != 1 {
		t.Errorf("%d sign-ins, want 1", n)
	}
}

func TestAnApprovalHoldsWhatWasAskedAndWhoWasAsked(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization("state", "s&t"), flowtest.Ann())
	got, err := g.Store.Approval(t.Context(), page.Form().Get("request"))
	if err != nil {
		t.Fatal(err)
	}
	now := g.Clock.Now()
	want := store.Approval{
		ID: page.Form().Get("request"), SessionHash: got.SessionHash, CSRFHash: got.CSRFHash, UserID: got.UserID,
		Subject: "backend-ann@acme.com", ClientID: "claude", RedirectURI: flowtest.ClaudeRedirect, State: "s%26t",
		Resource: flowtest.Resource, Scopes: []string{"appstore:read", "appstore:request"}, Challenge: flowtest.Challenge,
		AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(authorize.ApprovalLifetime),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("approval (-want +got):\n%s", diff)
	}
	u, err := g.Store.User(t.Context(), got.UserID)
	if err != nil || u.Email != "ann@acme.com" {
		t.Errorf("the approval is of %+v (%v), want ann", u, err)
	}
	person := authorize.Person{UserID: u.ID, Email: u.Email, Domain: "acme.com", ClientID: "claude"}
	if diff := cmp.Diff([]authorize.Person{person}, g.Directory.Asked()); diff != "" {
		t.Errorf("asked the directory (-want +got):\n%s", diff)
	}
	for name := range b.Cookies {
		if strings.Contains(name, "_tx_") || strings.Contains(name, "_idp_") {
			t.Errorf("cookie %s is left over", name)
		}
	}
}

func TestThePolicyThatIsInForceAfterTheSignInDecides(t *testing.T) {
	tests := []struct {
		name   string
		change func(*policy.Config)
		reason string
		code   string // error sent to the client; "" = a page
	}{
		{"a client that was taken off the list meanwhile is refused", func(c *policy.Config) { c.Domains[0].Clients = nil }, "client/not_allowed", ""},
		{"a domain that was turned off meanwhile is refused", func(c *policy.Config) { c.Domains[0].Enabled = false }, "domain/off", ""},
		{"a person who was taken out meanwhile is refused", func(c *policy.Config) { c.Domains[0].Everyone = false }, "user/not_allowed", ""},
		{"a resource that is gone meanwhile is invalid_target", func(c *policy.Config) { c.Resources[0].URL = "https://new.example" }, "", "invalid_target"},
		{"a scope that is gone meanwhile is invalid_target", func(c *policy.Config) { c.Resources[0].Scopes = c.Resources[0].Scopes[:1] }, "", "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.Follow(b.Get(flowtest.Authorization()))
			back := b.Return(flowtest.Domain, flowtest.Ann()) // the session is made, the request waits
			cfg := flowtest.DefaultPolicy()
			tt.change(&cfg)
			g.SetPolicy(t, cfg)
			p := b.Follow(back)
			_, params := p.Target()
			if p.Reason() != tt.reason || params.Get("error") != tt.code {
				t.Errorf("got %d, reason %q, error %q; want %q, %q", p.Status, p.Reason(), params.Get("error"), tt.reason, tt.code)
			}
		})
	}
}

func TestAClientThatChangedMeanwhileIsNotRedirectedTo(t *testing.T) {
	tests := []struct {
		name string
		now  *store.Client // nil = removed
	}{
		{"it was removed", nil},
		{"it has another redirect URI", &store.Client{ID: "claude", Profile: "claude", Name: "Claude", RedirectURIs: []string{"https://claude.ai/new"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.Follow(b.Get(flowtest.Authorization("response_type", "token")))
			back := b.Return(flowtest.Domain, flowtest.Ann())
			ctx := t.Context()
			err := g.Store.Update(ctx, func(tx store.Tx) error {
				if err := tx.DeleteClient(ctx, "claude"); err != nil || tt.now == nil {
					return err
				}
				return tx.CreateClient(ctx, *tt.now)
			})
			if err != nil {
				t.Fatal(err)
			}
			if p := b.Follow(back); p.Status != http.StatusBadRequest || p.Location != "" {
				t.Errorf("got %d to %q, want a page", p.Status, p.Location)
			}
			if e := g.Audit.Named(audit.AuthorizationFailed); len(e) != 1 || e[0].UserEmail != "ann@acme.com" || e[0].DomainID != "acme.com" {
				t.Errorf("audit events %+v, want one that names the person", e)
			}
		})
	}
}

func TestASessionThatEndedMeanwhileLeavesNoApproval(t *testing.T) {
	tests := []struct {
		name string
		when func(g *flowtest.Gateway, signOut func())
	}{
		{"before the request goes on", func(_ *flowtest.Gateway, signOut func()) { signOut() }},
		{"while the directory is asked", func(g *flowtest.Gateway, signOut func()) { g.Directory.During(signOut) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.Follow(b.Get(flowtest.Authorization()))
			back := b.Return(flowtest.Domain, flowtest.Ann())
			tt.when(g, func() {
				if p := b.Clone().Post("/signout", url.Values{}); p.Status != http.StatusOK {
					t.Errorf("signing out: got %d", p.Status)
				}
			})
			p := b.Follow(back)
			if p.Location != "" || p.Title() != "This sign-in is over" {
				t.Errorf("got %d %q %q, want the page that the sign-in is over", p.Status, p.Location, p.Title())
			}
		})
	}
}

func TestAResourceWithoutADirectoryIsConsentedToByTheAddressAlone(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Directory.Set("ann@acme.com", authorize.Entry{Active: true, Unlisted: true})
	p := g.Browser(t).SignIn(flowtest.Authorization(), flowtest.Ann())
	if p.Status != http.StatusOK || p.Location != "" || !strings.Contains(p.Text(), "ann@acme.com") {
		t.Errorf("got %d, Location %q: %s", p.Status, p.Location, p.Text())
	}
}
