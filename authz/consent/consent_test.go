package consent_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestTheConsentPageSaysWhatIsAtStake(t *testing.T) {
	code := flowtest.Authorization("client_id", "claude-code", "redirect_uri", flowtest.CodeRedirect)
	tests := []struct {
		name   string
		path   string
		policy func(*policy.Config)
		shows  []string
		not    []string
	}{
		{
			"an https address of a known profile is a verified assistant", flowtest.Authorization(), nil,
			[]string{"Verified assistant: Claude", "https:// claude.ai /api/mcp/auth_callback", "ann@acme.com", "Acme App Store", flowtest.ManageURL},
			[]string{"Not verified", "on this computer"},
		},
		{
			"a loopback address is an app on this computer and never verified", code, nil,
			[]string{"Not verified", "An app on this computer", "Any program on it could pose as Claude Code", "localhost:3118"},
			[]string{"Verified assistant"},
		},
		{
			"a scope that the role cannot use is shown as such", flowtest.Authorization(), nil,
			[]string{"View apps and your access requests Submit access requests on your behalf Your role does not allow this today."},
			[]string{"a part of this"},
		},
		{
			"a scope that the role can use in part is shown as such", flowtest.Authorization(),
			func(c *policy.Config) { c.Domains[0].Roles[1].Allow = []string{"apps.view"} },
			[]string{"View apps and your access requests Your role allows a part of this today."},
			nil,
		},
		{
			"a scope that is not asked for is among what it cannot do", flowtest.Authorization("scope", "appstore:read"), nil,
			[]string{"It will not be able to Submit access requests on your behalf", "Do anything that your own role does not allow", "See your password"},
			[]string{"Your role does not allow this today"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := flowtest.DefaultPolicy()
			if tt.policy != nil {
				tt.policy(&cfg)
			}
			g := flowtest.New(t, cfg)
			p := g.Browser(t).SignIn(tt.path, flowtest.Ann())
			text := p.Text()
			for _, want := range tt.shows {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not say %q:\n%s", want, text)
				}
			}
			for _, no := range tt.not {
				if strings.Contains(text, no) {
					t.Errorf("the page says %q", no)
				}
			}
			if !strings.Contains(p.Body, "<strong>claude.ai</strong>") && !strings.Contains(p.Body, "<strong>localhost:3118</strong>") {
				t.Error("the host is not in bold")
			}
		})
	}
}

func TestApproveAndDenyLookTheSame(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	p := g.Browser(t).SignIn(flowtest.Authorization(), flowtest.Ann())
	approve := `<button type="submit" name="decision" value="approve" class="button button-choice">Approve</button>`
	if !strings.Contains(p.Body, approve) || !strings.Contains(p.Body, strings.NewReplacer("approve", "deny", "Approve", "Deny").Replace(approve)) {
		t.Error("the two buttons differ in more than their words")
	}
}

func TestApprovingSendsACodeToTheClient(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization("redirect_uri", "https://claude.ai/second?fixed=1"), flowtest.Ann())
	p := b.Post("/consent", page.Form("decision", "approve"))
	base, params := p.Target()
	if p.Status != http.StatusOK || base != "https://claude.ai/second" || params.Get("fixed") != "1" {
		t.Fatalf("got %d to %q with %v", p.Status, base, params)
	}
	if params.Get("state") != "the state" || params.Get("iss") != flowtest.Issuer || params.Has("error") {
		t.Errorf("parameters %v: want state and iss", params)
	}
	if strings.Contains(p.Body, "<script") || !strings.Contains(p.Body, `href="https://claude.ai/second?fixed=1&amp;code=`) {
		t.Error("the page has no link beside the refresh, or a script")
	}
	code, err := g.Store.Code(t.Context(), opaque.HashOf(params.Get("code")))
	if err != nil {
		t.Fatal(err)
	}
	want := store.Code{
		Hash: code.Hash, FamilyID: code.FamilyID, UserID: code.UserID, Domain: "acme.com", Subject: "backend-ann@acme.com",
		ClientID: "claude", RedirectURI: "https://claude.ai/second?fixed=1", Resource: flowtest.Resource,
		Scopes: []string{"appstore:read", "appstore:request"}, Challenge: flowtest.Challenge,
		AuthTime: g.Clock.Now(), IssuedAt: g.Clock.Now(), ExpiresAt: g.Clock.Now().Add(time.Minute),
	}
	if diff := cmp.Diff(want, code); diff != "" {
		t.Errorf("code (-want +got):\n%s", diff)
	}
	client, err := g.Store.Client(t.Context(), "claude")
	if err != nil || client.AuthorizedAt.IsZero() {
		t.Errorf("the client is not marked as authorized: %+v (%v)", client, err)
	}
	events := g.Audit.Named(audit.ConsentGranted)
	if len(events) != 1 || !events[0].Durable || events[0].UserEmail != "ann@acme.com" || events[0].ClientID != "claude" ||
		events[0].Resource != flowtest.Resource || !slices.Equal(events[0].Scopes, want.Scopes) {
		t.Errorf("audit events %+v", events)
	}
}

func TestDenyingTellsTheClientAndMakesNoCode(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
	form := page.Form("decision", "deny")
	p := b.Post("/consent", form)
	base, params := p.Target()
	if p.Status != http.StatusOK || base != flowtest.ClaudeRedirect || params.Get("error") != "access_denied" ||
		params.Get("state") != "the state" || params.Get("iss") != flowtest.Issuer || params.Has("code") {
		t.Errorf("got %d to %q with %v", p.Status, base, params)
	}
	if client, err := g.Store.Client(t.Context(), "claude"); err != nil || !client.AuthorizedAt.IsZero() {
		t.Errorf("the client is marked as authorized (%v)", err)
	}
	if e := g.Audit.Named(audit.ConsentDenied); len(e) != 1 || !e[0].Durable || e[0].Reason != "user/denied" {
		t.Errorf("audit events %+v", e)
	}
	form.Set("decision", "approve")
	if p := b.Post("/consent", form); p.Status != http.StatusForbidden || p.Title() != "Already answered" {
		t.Errorf("approving after denying: got %d %q", p.Status, p.Title())
	}
}

func TestOfManyAnswersToOnePageOneCounts(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		codes  = map[string]bool{}
		status = map[int]int{}
		start  = make(chan struct{})
	)
	for range 20 {
		tab := b.Clone()
		wg.Go(func() {
			<-start
			p := tab.Post("/consent", page.Form("decision", "approve"))
			_, params := p.Target()
			mu.Lock()
			defer mu.Unlock()
			status[p.Status]++
			if c := params.Get("code"); c != "" {
				codes[c] = true
			}
		})
	}
	close(start)
	wg.Wait()
	if len(codes) != 1 || status[http.StatusOK] != 1 || status[http.StatusForbidden] != 19 {
		t.Errorf("%d codes, statuses %v; want one code, one 200 and nineteen 403", len(codes), status)
	}
}

func TestUsingAnotherAccountAsksTheSameQuestionAgain(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization("state", "s\xff"), flowtest.Ann())
	before := b.Clone()
	p := b.Follow(b.Post("/consent", page.Form("decision", "switch")))
	if !strings.HasPrefix(p.Location, "https://idp.acme.com/") || !g.IdPs["acme.com"].Last().ForceLogin {
		t.Fatalf("got %d %q, want the provider, which asks again", p.Status, p.Location)
	}
	if q := before.Get("/signout"); !strings.Contains(q.Text(), "not signed in") {
		t.Error("the first person is still signed in")
	}
	p = b.Follow(b.Return("acme.com", flowtest.Bob()))
	if !strings.Contains(p.Text(), "bob@acme.com") {
		t.Fatalf("got %d %q, want the question to bob", p.Status, p.Title())
	}
	_, params := b.Post("/consent", p.Form("decision", "approve")).Target()
	code, err := g.Store.Code(t.Context(), opaque.HashOf(params.Get("code")))
	if err != nil || params.Get("state") != "s\xff" || code.Subject != "backend-bob@acme.com" || code.Challenge != flowtest.Challenge {
		t.Errorf("code %+v (%v), state %q", code, err, params.Get("state"))
	}
}

func TestAnAnswerIsJudgedByTheRulesOfNow(t *testing.T) {
	tests := []struct {
		name   string
		change func(*policy.Config)
		reason string
	}{
		{"a client that was taken off the list", func(c *policy.Config) { c.Domains[0].Clients = nil }, "client/not_allowed"},
		{"a domain that was turned off", func(c *policy.Config) { c.Domains[0].Enabled = false }, "domain/off"},
		{"a person who was taken out", func(c *policy.Config) { c.Domains[0].Everyone = false }, "user/not_allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
			cfg := flowtest.DefaultPolicy()
			tt.change(&cfg)
			g.SetPolicy(t, cfg)
			p := b.Post("/consent", page.Form("decision", "approve"))
			if _, params := p.Target(); p.Status != http.StatusForbidden || p.Reason() != tt.reason || params.Has("code") {
				t.Errorf("got %d %q %v, want 403 %q and no code", p.Status, p.Reason(), params, tt.reason)
			}
			if len(g.Audit.Named(audit.ConsentGranted)) != 0 || len(g.Audit.Named(audit.AuthorizationFailed)) != 1 {
				t.Errorf("audit events %+v", g.Audit.Events())
			}
		})
	}
}

func TestThePageIsForTheSessionThatAskedAndForTenMinutes(t *testing.T) {
	tests := []struct {
		name  string
		other func(g *flowtest.Gateway, b *flowtest.Browser) *flowtest.Browser
	}{
		{"another person does not see it", func(g *flowtest.Gateway, b *flowtest.Browser) *flowtest.Browser {
			other := g.Browser(t)
			other.SignIn(flowtest.Authorization(), flowtest.Bob())
			return other
		}},
		{"the same person in another browser does not see it", func(g *flowtest.Gateway, b *flowtest.Browser) *flowtest.Browser {
			other := g.Browser(t)
			other.SignIn(flowtest.Authorization(), flowtest.Ann())
			return other
		}},
		{"a browser without a session does not see it", func(g *flowtest.Gateway, b *flowtest.Browser) *flowtest.Browser {
			return g.Browser(t)
		}},
		{"nobody sees it after ten minutes", func(g *flowtest.Gateway, b *flowtest.Browser) *flowtest.Browser {
			g.Clock.Advance(10 * time.Minute)
			return b
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
			form := page.Form("decision", "approve")
			who := tt.other(g, b)
			if p := who.Get("/consent?request=" + url.QueryEscape(form.Get("request"))); p.Status != http.StatusNotFound || strings.Contains(p.Body, "csrf") {
				t.Errorf("GET: got %d %q, want 404", p.Status, p.Title())
			}
			p := who.Post("/consent", form)
			if _, params := p.Target(); p.Status != http.StatusForbidden || params.Has("code") {
				t.Errorf("POST: got %d, want 403 and no code", p.Status)
			}
		})
	}
}

func TestAFaultLeavesNothingHalfDone(t *testing.T) {
	t.Run("a consent that cannot be recorded sends no code", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		b := g.Browser(t)
		page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
		g.Audit.Fail(errors.New("disk full"))
		p := b.Post("/consent", page.Form("decision", "approve"))
		if _, params := p.Target(); p.Status != http.StatusServiceUnavailable || params.Has("code") || strings.Contains(p.Body, "lmc_") {
			t.Errorf("got %d %v, want 503 and no code", p.Status, params)
		}
		// The approval is spent, so that the page must not say that nothing happened.
		if p.Reason() != "grant/audit_unavailable" || !strings.Contains(p.Text(), "Start the connection again") || strings.Contains(p.Text(), "nothing was changed") {
			t.Errorf("the page says %q: %s", p.Reason(), p.Text())
		}
	})
	t.Run("a refusal that cannot be recorded stands", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		b := g.Browser(t)
		page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
		cfg := flowtest.DefaultPolicy()
		cfg.Domains[0].Enabled = false
		g.SetPolicy(t, cfg)
		g.Audit.Fail(errors.New("disk full"))
		if p := b.Post("/consent", page.Form("decision", "approve")); p.Status != http.StatusForbidden || p.Reason() != "domain/off" {
			t.Errorf("got %d %q, want 403 domain/off", p.Status, p.Reason())
		}
	})
	t.Run("with the store down the question can be answered later", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		b := g.Browser(t)
		page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
		form := page.Form("decision", "approve")
		g.Store.SetDown(true)
		if p := b.Post("/consent", form); p.Status != http.StatusServiceUnavailable {
			t.Errorf("got %d, want 503", p.Status)
		}
		g.Store.SetDown(false)
		if _, params := b.Post("/consent", form).Target(); params.Get("code") == "" {
			t.Error("the answer does not count any more")
		}
	})
}

func TestOtherMethodsAreRefused(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for _, path := range []string{"/consent", "/signin", "/signout"} {
		p := g.Browser(t).Do(http.MethodPut, path, nil, nil)
		if p.Status != http.StatusMethodNotAllowed || p.Header.Get("Allow") != "GET, POST" {
			t.Errorf("PUT %s: got %d, Allow %q", path, p.Status, p.Header.Get("Allow"))
		}
	}
}
