package consent_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// document is a request of the assistant in a cloud.
func document(changes ...string) string {
	return flowtest.Authorization(append([]string{"client_id", flowtest.DocumentClient, "redirect_uri", flowtest.ClaudeRedirect}, changes...)...)
}

// approved is a browser whose person has approved path once.
func approved(t *testing.T, g *flowtest.Gateway, path string) *flowtest.Browser {
	t.Helper()
	b := g.Browser(t)
	page := b.SignIn(path, flowtest.Ann())
	if p := b.Post("/consent", page.Form("decision", "approve")); p.Status != http.StatusOK {
		t.Fatalf("%d %q", p.Status, p.Title())
	}
	return b
}

func TestWhatWasApprovedIsNotAskedAgain(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := approved(t, g, document())
	g.Clock.Advance(time.Hour)
	p := b.Follow(b.Get(document("state", "second")))
	base, params := p.Target()
	if p.Status != http.StatusOK || base != flowtest.ClaudeRedirect || params.Get("code") == "" || params.Get("state") != "second" || params.Get("iss") != flowtest.Issuer {
		t.Fatalf("got %d %q to %q with %v, want a code without a question", p.Status, p.Title(), base, params)
	}
	if !strings.Contains(p.Text(), "You approved Claude before") {
		t.Errorf("the page does not say why nobody was asked:\n%s", p.Text())
	}
	events := g.Audit.Named(audit.ConsentGranted)
	if len(events) != 2 || events[0].Detail != "" || events[1].Detail != "as approved on 2026-11-23" || !events[1].Durable {
		t.Errorf("audited %+v", events)
	}
}

func TestThePageSaysForHowLongAnApprovalStands(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for path, says := range map[string]bool{
		document():               true,
		flowtest.Authorization(): false,
	} {
		text := g.Browser(t).SignIn(path, flowtest.Ann()).Text()
		if got := strings.Contains(text, "you are not asked the same again for 90 days"); got != says {
			t.Errorf("the page says so: %v, want %v:\n%s", got, says, text)
		}
	}
}

func TestThePersonIsAskedAgain(t *testing.T) {
	change := func(t *testing.T, g *flowtest.Gateway, fn func(c *store.Client)) {
		t.Helper()
		c, err := g.Store.Client(t.Context(), flowtest.DocumentClient)
		if err != nil {
			t.Fatal(err)
		}
		fn(&c)
		if err := g.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutClient(t.Context(), c) }); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		first, second string
		between       func(t *testing.T, g *flowtest.Gateway)
	}{
		"when the document changed": {document(), document(), func(t *testing.T, g *flowtest.Gateway) {
			change(t, g, func(c *store.Client) { c.MetadataHash = store.Hash{9} })
		}},
		"when it asks for more": {document("scope", "appstore:read"), document(), nil},
		"when the answer goes to another host": {document(), document("redirect_uri", "https://claude.com/cb"), func(t *testing.T, g *flowtest.Gateway) {
			change(t, g, func(c *store.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://claude.com/cb") })
		}},
		"after ninety days":                            {document(), document(), func(_ *testing.T, g *flowtest.Gateway) { g.Clock.Advance(store.KeepConsent) }},
		"when the assistant wants it (prompt=consent)": {document(), document("prompt", "consent"), nil},
		"after the consent was forgotten": {document(), document(), func(t *testing.T, g *flowtest.Gateway) {
			err := g.Store.Update(t.Context(), func(tx store.Tx) error { return tx.DeleteConsents(t.Context(), "", flowtest.DocumentClient) })
			if err != nil {
				t.Fatal(err)
			}
		}},
		"by an assistant on this computer, whose name any program can use": {
			flowtest.Authorization("client_id", flowtest.LocalDocumentClient, "redirect_uri", flowtest.CodeRedirect),
			flowtest.Authorization("client_id", flowtest.LocalDocumentClient, "redirect_uri", flowtest.CodeRedirect), nil,
		},
		"by a client that registered itself": {flowtest.Authorization(), flowtest.Authorization(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := approved(t, g, tt.first)
			if tt.between != nil {
				tt.between(t, g)
			}
			p := b.Follow(b.Get(tt.second))
			if strings.HasPrefix(p.Location, "https://idp.acme.com/") { // the session ended meanwhile
				p = b.Follow(b.Return("acme.com", flowtest.Ann()))
			}
			if p.Status != http.StatusOK || !strings.HasPrefix(p.Title(), "Allow ") {
				t.Fatalf("got %d %q, want the question", p.Status, p.Title())
			}
			if n := len(g.Audit.Named(audit.ConsentGranted)); n != 1 {
				t.Errorf("%d consents", n)
			}
		})
	}
}

func TestAnotherPersonIsAsked(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	approved(t, g, document())
	if p := g.Browser(t).SignIn(document(), flowtest.Bob()); !strings.HasPrefix(p.Title(), "Allow ") {
		t.Errorf("got %q, want the question", p.Title())
	}
}

func TestASmallerRequestIsCoveredAndApprovalsAddUp(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := approved(t, g, document("scope", "appstore:read"))
	p := b.Post("/consent", b.Follow(b.Get(document("scope", "appstore:request"))).Form("decision", "approve"))
	if _, params := p.Target(); params.Get("code") == "" {
		t.Fatalf("%d %q", p.Status, p.Title())
	}
	for _, scope := range []string{"appstore:read", "appstore:request", "appstore:read appstore:request"} {
		if _, params := b.Follow(b.Get(document("scope", scope))).Target(); params.Get("code") == "" {
			t.Errorf("asked again for %s", scope)
		}
	}
	last := g.Audit.Named(audit.ConsentGranted)
	if scopes := last[len(last)-1].Scopes; !slices.Equal(scopes, []string{"appstore:read", "appstore:request"}) {
		t.Errorf("granted %q", scopes)
	}
}

func TestDenyingRemembersNothing(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	b.Post("/consent", b.SignIn(document(), flowtest.Ann()).Form("decision", "deny"))
	if p := b.Follow(b.Get(document())); !strings.HasPrefix(p.Title(), "Allow ") {
		t.Errorf("got %q, want the question", p.Title())
	}
}

func TestARememberedConsentIsNoWayAroundThePolicy(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := approved(t, g, document())
	cfg := flowtest.DefaultPolicy()
	cfg.Domains[0].Clients = []string{"claude-code"}
	g.SetPolicy(t, cfg)
	if p := b.Follow(b.Get(document())); p.Status != http.StatusForbidden || p.Reason() != "client/not_allowed" {
		t.Errorf("an assistant that was taken off the list: %d %q %s", p.Status, p.Title(), p.Reason())
	}
	cfg.Domains = []policy.Domain{{Name: "acme.com"}}
	g.SetPolicy(t, cfg)
	if p := b.Follow(b.Get(document())); p.Status < 400 {
		t.Errorf("a domain that is off: %d %q", p.Status, p.Title())
	}
}
