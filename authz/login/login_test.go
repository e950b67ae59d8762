package login_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
)

const sessionCookie = "__Host-mcp_edge_session"

func TestTheWayToTheIdentityProvider(t *testing.T) {
	two := flowtest.TwoDomains
	one := flowtest.DefaultPolicy
	tests := []struct {
		name   string
		one    bool
		change []string
		target string // host of the provider; "" = the question for the e-mail address
		hint   string
		forced bool
	}{
		{"with one domain nobody is asked", true, nil, "https://idp.acme.com", "", false},
		{"with one domain a hint of that domain is passed on", true, []string{"login_hint", "ann@acme.com"}, "https://idp.acme.com", "ann@acme.com", false},
		{"with one domain a hint of another is not told to its provider", true, []string{"login_hint", "x@other.com"}, "https://idp.acme.com", "", false},
		{"with several domains the person is asked", false, nil, "", "", false},
		{"a hint that names a domain leads there", false, []string{"login_hint", "hank@GLOBEX.com"}, "https://idp.globex.com", "hank@GLOBEX.com", false},
		{"a hint that names a domain that is off leads nowhere", false, []string{"login_hint", "bill@initech.com"}, "", "", false},
		{"a hint that is no address leads nowhere", false, []string{"login_hint", "globex.com"}, "", "", false},
		{"prompt login asks the provider to authenticate again", true, []string{"prompt", "login"}, "https://idp.acme.com", "", true},
		{"max_age asks the provider to authenticate again", true, []string{"max_age", "0"}, "https://idp.acme.com", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := two()
			if tt.one {
				cfg = one()
			}
			g := flowtest.New(t, cfg)
			b := g.Browser(t)
			p := b.Follow(b.Get(flowtest.Authorization(tt.change...)))
			if tt.target == "" {
				if p.Status != http.StatusOK || p.Title() != "Sign in" {
					t.Errorf("got %d %q %q, want the sign-in page", p.Status, p.Title(), p.Location)
				}
				return
			}
			if !strings.HasPrefix(p.Location, tt.target+"/") {
				t.Fatalf("got %d %q, want the way to %s", p.Status, p.Location, tt.target)
			}
			req := g.IdPs[strings.TrimPrefix(tt.target, "https://idp.")].Last()
			if req.LoginHint != tt.hint || req.ForceLogin != tt.forced || len(req.Nonce) < 43 || len(req.Verifier) < 43 {
				t.Errorf("request %+v: want hint %q, forced %v, random nonce and verifier", req, tt.hint, tt.forced)
			}
		})
	}
}

func TestTheWorkAddressChoosesTheProvider(t *testing.T) {
	g := flowtest.New(t, flowtest.TwoDomains())
	b := g.Browser(t)
	page := b.Follow(b.Get(flowtest.Authorization()))
	p := b.Post("/signin", page.Form("email", " Hank@Globex.com "))
	// A page and no redirect: browsers apply the sign-in page's form-action to the
	// redirects that follow its form.
	if base, _ := p.Target(); p.Status != http.StatusOK || p.Location != "" || base != "https://idp.globex.com/authorize" {
		t.Fatalf("got %d to %q, want a page that leads to globex", p.Status, base)
	}
	if hint := g.IdPs["globex.com"].Last().LoginHint; hint != "Hank@Globex.com" {
		t.Errorf("hint is %q", hint)
	}
}

func TestUnknownAndDisabledDomainsGetTheSamePage(t *testing.T) {
	g := flowtest.New(t, flowtest.TwoDomains())
	b := g.Browser(t)
	page := b.Follow(b.Get(flowtest.Authorization()))
	answer := func(email string) string {
		p := b.Post("/signin", page.Form("email", email))
		if p.Status != http.StatusBadRequest || p.Location != "" {
			t.Errorf("%s: got %d %q, want the page again with 400", email, p.Status, p.Location)
		}
		return strings.ReplaceAll(p.Body, email, "EMAIL")
	}
	off, unknown := answer("a@initech.com"), answer("a@nowhere.com")
	if diff := cmp.Diff(off, unknown); diff != "" {
		t.Errorf("the pages differ:\n%s", diff)
	}
	var reasons []string
	for _, e := range g.Audit.Named(audit.SignInFailed) {
		reasons = append(reasons, string(e.Reason))
	}
	if diff := cmp.Diff([]string{"domain/off", "domain/unknown"}, reasons); diff != "" {
		t.Errorf("the audit trail tells them apart (-want +got):\n%s", diff)
	}
}

func TestTheSignInFormIsRefusedFromElsewhere(t *testing.T) {
	g := flowtest.New(t, flowtest.TwoDomains())
	b := g.Browser(t)
	page := b.Follow(b.Get(flowtest.Authorization()))
	form := page.Form("email", "ann@acme.com")
	other := g.Browser(t)
	tests := []struct {
		name    string
		browser *flowtest.Browser
		form    url.Values
		header  http.Header
		status  int
	}{
		{"from another site", b, form, http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		{"without the token", b, page.Form("email", "ann@acme.com", "csrf", "-"), nil, http.StatusForbidden},
		{"with a wrong token", b, page.Form("email", "ann@acme.com", "csrf", "x"), nil, http.StatusForbidden},
		{"from a browser without the request", other, form, nil, http.StatusBadRequest},
		{"as something else than a form", b, nil, http.Header{"Content-Type": {"application/json"}}, http.StatusBadRequest},
		{"larger than any form of ours", b, page.Form("email", strings.Repeat("a", 70<<10)), nil, http.StatusRequestEntityTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p := tt.browser.Do(http.MethodPost, "/signin", tt.form, tt.header); p.Status != tt.status || p.Location != "" {
				t.Errorf("got %d %q, want %d", p.Status, p.Location, tt.status)
			}
		})
	}
}

func TestWhoIsNotSignedIn(t *testing.T) {
	with := func(change func(*idp.Identity)) idp.Identity {
		who := flowtest.Ann()
		change(&who)
		return who
	}
	tests := []struct {
		name   string
		who    idp.Identity
		path   string
		reason string
	}{
		{"a person with an address of another domain", with(func(i *idp.Identity) { i.Email = "ann@globex.com" }), "", "user/email_wrong_domain"},
		{"a person with an address of a subdomain", with(func(i *idp.Identity) { i.Email = "ann@mail.acme.com" }), "", "user/email_wrong_domain"},
		{"a person with two domains in the address", with(func(i *idp.Identity) { i.Email = "ann@evil.example@acme.com" }), "", "user/email_wrong_domain"},
		{"a person with a hidden character in the address", with(func(i *idp.Identity) { i.Email = "an\u200bn@acme.com" }), "", "user/email_wrong_domain"},
		{"a person without an address", with(func(i *idp.Identity) { i.Email = "" }), "", "user/email_missing"},
		{"a person whose address nobody vouches for", with(func(i *idp.Identity) { i.EmailVerified = false }), "", "user/email_unverified"},
		{
			"a person who was authenticated long ago where a new sign-in was asked for",
			with(func(i *idp.Identity) { i.AuthTime = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }), flowtest.Authorization("prompt", "login"), "user/sign_in_failed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			if tt.path == "" {
				tt.path = flowtest.Authorization()
			}
			p := b.SignIn(tt.path, tt.who)
			if p.Status != http.StatusForbidden || p.Location != "" || p.Reason() != tt.reason {
				t.Errorf("got %d %q %q, want a page with reason %q", p.Status, p.Location, p.Reason(), tt.reason)
			}
			if _, ok := b.Cookies[sessionCookie]; ok {
				t.Error("there is a session")
			}
			if e := g.Audit.Named(audit.SignInFailed); len(e) != 1 || string(e[0].Reason) != tt.reason || e[0].ClientID != "claude" {
				t.Errorf("audit events %+v", e)
			}
		})
	}
}

func TestTheDomainOfAnAddressIsComparedWithoutCase(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	who := flowtest.Ann()
	who.Email = "Ann@ACME.com"
	if p := g.Browser(t).SignIn(flowtest.Authorization(), who); !strings.HasPrefix(p.Title(), "Allow Claude") {
		t.Errorf("got %d %q, want the consent page", p.Status, p.Title())
	}
}

func TestAPersonWhoIsNotAdmittedGetsNoSessionAndLosesTheirGroups(t *testing.T) {
	cfg := flowtest.DefaultPolicy()
	cfg.Domains[0].Everyone, cfg.Domains[0].Groups = false, []string{"pilot"}
	g := flowtest.New(t, cfg)
	who := flowtest.Ann()
	who.Groups = []string{"pilot"}
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization(), who)
	a, err := g.Store.Approval(t.Context(), page.Form().Get("request"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := g.Browser(t)
	p := fresh.SignIn(flowtest.Authorization(), flowtest.Ann()) // the same person, out of the group by now
	if p.Status != http.StatusForbidden || p.Reason() != "user/not_allowed" || !strings.Contains(p.Text(), "`users` of domain acme.com") {
		t.Errorf("got %d %q %s", p.Status, p.Reason(), p.Text())
	}
	if _, ok := fresh.Cookies[sessionCookie]; ok {
		t.Error("there is a session")
	}
	u, err := g.Store.User(t.Context(), a.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"staff"}, u.Groups); diff != "" {
		t.Errorf("groups of the stored person (-want +got):\n%s", diff)
	}
}

func TestADomainThatIsTurnedOffDuringTheSignInSignsNobodyInAndStoresNothing(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	b.Follow(b.Get(flowtest.Authorization()))
	cfg := flowtest.DefaultPolicy()
	cfg.Domains[0].Enabled = false
	g.SetPolicy(t, cfg)
	g.Store.SetDown(true) // a write would be answered with 503
	p := b.Return(flowtest.Domain, flowtest.Ann())
	if p.Status != http.StatusForbidden || p.Reason() != "domain/off" || b.Cookies[sessionCookie] != "" {
		t.Errorf("got %d %q, want 403 domain/off and no session", p.Status, p.Reason())
	}
}

func TestACallbackThatIsNotBelieved(t *testing.T) {
	start := func(t *testing.T) (*flowtest.Gateway, *flowtest.Browser, string) {
		g := flowtest.New(t, flowtest.TwoDomains())
		b := g.Browser(t)
		b.Follow(b.Get(flowtest.Authorization("login_hint", "ann@acme.com")))
		provider := g.IdPs["acme.com"]
		return g, b, url.Values{"state": {provider.Last().State}, "code": {provider.Grant(flowtest.Ann())}}.Encode()
	}
	tests := []struct {
		name string
		path func(query string) string
	}{
		{"without a state", func(string) string { return "/callback/acme.com?code=x" }},
		{"with a made-up state", func(string) string { return "/callback/acme.com?code=x&state=AAAA.BBBB" }},
		{"with the state of another sign-in's form", func(q string) string { return "/callback/acme.com?" + q + "x" }},
		{"with two states", func(q string) string { return "/callback/acme.com?" + q + "&state=other" }},
		{"with two codes", func(q string) string { return "/callback/acme.com?" + q + "&code=other" }},
		{"at the callback of another domain", func(q string) string { return "/callback/globex.com?" + q }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, b, query := start(t)
			p := b.Get(tt.path(query))
			if p.Status != http.StatusBadRequest || p.Location != "" || b.Cookies[sessionCookie] != "" {
				t.Errorf("got %d %q, want an error page and no session", p.Status, p.Location)
			}
			if len(g.Audit.Named(audit.SignInFailed)) != 1 || len(g.Audit.Named(audit.SignInOK)) != 0 {
				t.Errorf("audit events %+v", g.Audit.Events())
			}
		})
	}
	t.Run("a second time", func(t *testing.T) {
		_, b, query := start(t)
		if p := b.Get("/callback/acme.com?" + query); p.Status != http.StatusSeeOther {
			t.Fatalf("the first time: got %d", p.Status)
		}
		if p := b.Get("/callback/acme.com?" + query); p.Status != http.StatusBadRequest {
			t.Errorf("got %d, want 400", p.Status)
		}
	})
	t.Run("after ten minutes", func(t *testing.T) {
		g, b, query := start(t)
		g.Clock.Advance(10 * time.Minute)
		if p := b.Get("/callback/acme.com?" + query); p.Status != http.StatusBadRequest || b.Cookies[sessionCookie] != "" {
			t.Errorf("got %d, want 400 and no session", p.Status)
		}
	})
}

func TestWhatTheProviderAnswersDecidesBetweenRefusalAndFault(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"a provider that is down is a fault with a way to try again", idp.ErrUnavailable, http.StatusServiceUnavailable, "backend/idp_unavailable"},
		{"a person whom the provider denies is refused", idp.ErrDenied, http.StatusForbidden, "user/sign_in_failed"},
		{"a person whose groups are not all told is refused", idp.ErrTooManyGroups, http.StatusForbidden, "user/too_many_groups"},
		{"an answer that fails its checks is the provider's", idp.ErrInvalid, http.StatusForbidden, "backend/idp_bad_answer"},
		{"an error that nobody expected is refused", errors.New("odd"), http.StatusForbidden, "user/sign_in_failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.Follow(b.Get(flowtest.Authorization()))
			provider := g.IdPs[flowtest.Domain]
			provider.Fail(tt.err)
			p := b.Return(flowtest.Domain, flowtest.Ann())
			if p.Status != tt.status || p.Reason() != tt.reason || b.Cookies[sessionCookie] != "" {
				t.Errorf("got %d %q, want %d %q and no session", p.Status, p.Reason(), tt.status, tt.reason)
			}
			if denied := len(g.Audit.Named(audit.SignInFailed)) == 1; denied != (tt.status == http.StatusForbidden) {
				t.Errorf("audit events %+v", g.Audit.Events())
			}
			provider.Fail(nil)
			_, rest, ok := strings.Cut(p.Body, `href="/signin?tx=`)
			if !ok {
				t.Fatal("the page has no link to try again")
			}
			id, _, _ := strings.Cut(rest, `"`)
			b.Follow(b.Get("/signin?tx=" + id))
			if p = b.Follow(b.Return(flowtest.Domain, flowtest.Ann())); !strings.HasPrefix(p.Title(), "Allow Claude") {
				t.Errorf("trying again: got %d %q, want the consent page", p.Status, p.Title())
			}
		})
	}
	t.Run("a provider that is down before the redirect is a fault", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		g.IdPs[flowtest.Domain].Fail(idp.ErrUnavailable)
		b := g.Browser(t)
		if p := b.Follow(b.Get(flowtest.Authorization())); p.Status != http.StatusServiceUnavailable || p.Reason() != "backend/idp_unavailable" || !strings.Contains(p.Body, "Try again") {
			t.Errorf("got %d, want 503 with a way to try again", p.Status)
		}
	})
}

func TestOfAFloodOfFailedSignInsTheTrailGetsASample(t *testing.T) {
	tests := []struct {
		name string
		fail func(*flowtest.Gateway, *flowtest.Browser)
		want int // of ten
	}{
		{"callbacks that nobody began are sampled", func(_ *flowtest.Gateway, b *flowtest.Browser) {
			b.Get("/callback/acme.com?code=x&state=y")
		}, 1},
		{"addresses of no domain of ours are sampled", func(_ *flowtest.Gateway, b *flowtest.Browser) {
			b.Post("/signin", b.Follow(b.Get(flowtest.Authorization())).Form("email", "a@nowhere.com"))
		}, 1},
		{"callbacks with a code of nobody are sampled", func(g *flowtest.Gateway, b *flowtest.Browser) {
			b.Follow(b.Get(flowtest.Authorization("login_hint", "ann@acme.com")))
			b.Get("/callback/acme.com?" + url.Values{"state": {g.IdPs["acme.com"].Last().State}, "code": {"x"}}.Encode())
		}, 1},
		{"a person whom the provider knows is told each time", func(g *flowtest.Gateway, b *flowtest.Browser) {
			who := flowtest.Ann()
			who.EmailVerified = false
			b.Follow(b.Get(flowtest.Authorization("login_hint", "ann@acme.com")))
			b.Return("acme.com", who)
		}, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.TwoDomains())
			for range 10 {
				tt.fail(g, g.Browser(t))
			}
			if events := g.Audit.Named(audit.SignInFailed); len(events) != tt.want {
				t.Errorf("%d events, want %d: %+v", len(events), tt.want, events)
			}
		})
	}
}

func TestASignInThatCannotBeAuditedSignsNobodyIn(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	b.Follow(b.Get(flowtest.Authorization()))
	g.Audit.Fail(errors.New("disk full"))
	p := b.Return(flowtest.Domain, flowtest.Ann())
	if p.Status != http.StatusServiceUnavailable || p.Reason() != "grant/audit_unavailable" || b.Cookies[sessionCookie] != "" {
		t.Errorf("got %d %q, want 503 grant/audit_unavailable and no session", p.Status, p.Reason())
	}
}
