package authorize_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
)

// A request that does not name a client and one of its redirect URIs gets a page
// and nothing by which the browser could leave.
func TestNothingIsSentToAnAddressThatIsNotRegistered(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	code := func(redirect string) string {
		return flowtest.Authorization("client_id", "claude-code", "redirect_uri", redirect)
	}
	tests := []struct {
		name, path, reason string
	}{
		{"an unknown client is refused on a page", flowtest.Authorization("client_id", "nobody"), "client/unknown"},
		{"a missing client is refused on a page", flowtest.Authorization("client_id", "-"), "client/bad_request"},
		{"a client id as long as the query is refused on a page", flowtest.Authorization("client_id", strings.Repeat("a", 5000)), "client/unknown"},
		{"a client that is a metadata document is refused on a page and not fetched", flowtest.Authorization("client_id", "https://127.0.0.1/client.json"), "client/unknown"},
		{"an unregistered redirect URI is refused on a page", flowtest.Authorization("redirect_uri", "https://evil.example/cb"), "client/bad_redirect_uri"},
		{"a missing redirect URI is refused where the client has several", flowtest.Authorization("redirect_uri", "-"), "client/bad_redirect_uri"},
		{"a trailing slash makes another redirect URI", flowtest.Authorization("redirect_uri", flowtest.ClaudeRedirect+"/"), "client/bad_redirect_uri"},
		{"another spelling of the host makes another redirect URI", flowtest.Authorization("redirect_uri", "https://Claude.ai/api/mcp/auth_callback"), "client/bad_redirect_uri"},
		{"percent-encoding makes another redirect URI", flowtest.Authorization("redirect_uri", "https://claude.ai/api/mcp/auth%5fcallback"), "client/bad_redirect_uri"},
		{"a port makes another https redirect URI", flowtest.Authorization("redirect_uri", "https://claude.ai:444/api/mcp/auth_callback"), "client/bad_redirect_uri"},
		{"a fragment makes another redirect URI", flowtest.Authorization("redirect_uri", flowtest.ClaudeRedirect+"#f"), "client/bad_redirect_uri"},
		{"a query makes another redirect URI", flowtest.Authorization("redirect_uri", flowtest.ClaudeRedirect+"?x=1"), "client/bad_redirect_uri"},
		{"another path on loopback is refused", code("http://localhost:1/other"), "client/bad_redirect_uri"},
		{"another loopback host is refused", code("http://[::1]:1/callback"), "client/bad_redirect_uri"},
		{"another spelling of the loopback host is refused", code("http://LOCALHOST:1/callback"), "client/bad_redirect_uri"},
		{"a short form of the loopback address is refused", code("http://127.1:1/callback"), "client/bad_redirect_uri"},
		{"a user name that looks like a loopback host is refused", code("http://127.0.0.1:1@evil.example/callback"), "client/bad_redirect_uri"},
		{"a host that begins like a loopback host is refused", code("http://localhost.evil.example:1/callback"), "client/bad_redirect_uri"},
		{"https on loopback is not the registered http", code("https://localhost:1/callback"), "client/bad_redirect_uri"},
		{"two redirect URIs are refused on a page", flowtest.Authorization() + "&redirect_uri=https%3A%2F%2Fevil.example", "client/bad_request"},
		{"two client ids are refused on a page", flowtest.Authorization() + "&client_id=chatgpt", "client/bad_request"},
		{"a query that is too long is refused on a page", flowtest.Authorization("x", strings.Repeat("a", 9000)), "client/bad_request"},
		{"a query that is not form-encoded is refused on a page", flowtest.Authorization() + "&x=%zz", "client/bad_request"},
		{"too many parameters are refused on a page", flowtest.Authorization() + strings.Repeat("&x=1", 100), "client/bad_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g.Audit.Reset()
			g.Clock.Advance(time.Second) // there is one event per second and reason
			b := g.Browser(t)
			p := b.Get(tt.path)
			if p.Status != http.StatusBadRequest || p.Location != "" || p.Reason() != tt.reason {
				t.Errorf("got %d, Location %q, reason %q; want 400, none, %q", p.Status, p.Location, p.Reason(), tt.reason)
			}
			if strings.Contains(p.Body, `http-equiv="refresh"`) || strings.Contains(p.Body, "<script") || strings.Contains(p.Body, `href="http`) {
				t.Error("the page leads away")
			}
			if lead := leadOf.FindStringSubmatch(p.Body); lead == nil {
				t.Errorf("the page does not say in a sentence what happened: %s", p.Text())
			}
			if len(b.Cookies) != 0 {
				t.Errorf("the browser was given cookies: %v", b.Cookies)
			}
			if events := g.Audit.Named(audit.AuthorizationFailed); len(events) != 1 || string(events[0].Reason) != tt.reason {
				t.Errorf("audit events: %+v, want one with reason %q", events, tt.reason)
			}
		})
	}
}

// leadOf is what a page says first, if that is a sentence.
var leadOf = regexp.MustCompile(`<p class="lead">[A-Z][^<]*\.</p>`)

func TestARequestThatCannotBeReadIsExplainedInASentence(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	p := g.Browser(t).Get(flowtest.Authorization() + "&x=%zz")
	if want := "The assistant sent a request that we cannot read: the parameters are not form-encoded."; !strings.Contains(p.Text(), want) {
		t.Errorf("the page does not say %q: %s", want, p.Text())
	}
}

func TestOfAFloodOfBadRequestsTheTrailGetsASample(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	for range 100 {
		b.Get(flowtest.Authorization("client_id", "nobody"))
	}
	b.Get(flowtest.Authorization("redirect_uri", "https://evil.example/cb"))
	g.Clock.Advance(time.Second)
	b.Get(flowtest.Authorization("client_id", "nobody"))
	var got []string
	for _, e := range g.Audit.Named(audit.AuthorizationFailed) {
		got = append(got, fmt.Sprint(e.Reason, " +", e.Count))
	}
	if diff := cmp.Diff([]string{"client/unknown +0", "client/bad_redirect_uri +0", "client/unknown +99"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheRefusalOfASignedInPersonIsNeverHeldBack(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for range 3 {
		g.Browser(t).SignIn(flowtest.Authorization("client_id", "chatgpt", "redirect_uri", "https://chatgpt.com/cb"), flowtest.Ann())
	}
	if n := len(g.Audit.Named(audit.AuthorizationFailed)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestARefusalStandsWhenItCannotBeAudited(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Audit.Fail(errors.New("disk full"))
	if p := g.Browser(t).Get(flowtest.Authorization("client_id", "nobody")); p.Status != http.StatusBadRequest {
		t.Errorf("got %d, want 400", p.Status)
	}
}

func TestTheRefusalOfARedirectURINamesWhatWasReceivedAndWhatIsRegistered(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	p := g.Browser(t).Get(flowtest.Authorization("redirect_uri", "https://evil.example/<b>"))
	for _, want := range []string{"https://evil.example/&lt;b&gt;", flowtest.ClaudeRedirect, "https://claude.ai/second?fixed=1"} {
		if !strings.Contains(p.Body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestALoopbackRedirectMayUseAnyPort(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for _, redirect := range []string{"http://localhost:58135/callback", "http://127.0.0.1:1/callback", "http://localhost/callback"} {
		p := g.Browser(t).SignIn(flowtest.Authorization("client_id", "claude-code", "redirect_uri", redirect), flowtest.Ann())
		if p.Status != http.StatusOK || !strings.Contains(p.Title(), "Allow Claude Code") {
			t.Errorf("%s: got %d %q, want the consent page", redirect, p.Status, p.Title())
		}
	}
}

func TestTheOnlyRedirectURIMayBeLeftOut(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	p := b.SignIn(flowtest.Authorization("client_id", "single", "redirect_uri", "-"), flowtest.Ann())
	p = b.Post("/consent", p.Form("decision", "approve"))
	if base, _ := p.Target(); base != flowtest.ClaudeRedirect {
		t.Errorf("the answer goes to %q, want %q", base, flowtest.ClaudeRedirect)
	}
}

// Everything else that is wrong is told to the client, after the sign-in and not
// before it.
func TestErrorsReachTheClientOnlyAfterTheSignIn(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	tests := []struct {
		name, path, code string
		noState          bool
	}{
		{"two scope parameters are invalid_request", flowtest.Authorization() + "&scope=x", "invalid_request", false},
		{"a missing code challenge is invalid_request", flowtest.Authorization("code_challenge", "-"), "invalid_request", false},
		{"PKCE method plain is invalid_request", flowtest.Authorization("code_challenge_method", "plain"), "invalid_request", false},
		{"an absent PKCE method means plain and is invalid_request", flowtest.Authorization("code_challenge_method", "-"), "invalid_request", false},
		{"a challenge of another length is invalid_request", flowtest.Authorization("code_challenge", "abc"), "invalid_request", false},
		{"an unknown resource is invalid_target", flowtest.Authorization("resource", "https://other.example/mcp"), "invalid_target", false},
		{"two resources are invalid_target", flowtest.Authorization() + "&resource=" + url.QueryEscape(flowtest.Resource), "invalid_target", false},
		{"two resources of which the first is empty are invalid_target", flowtest.Authorization("resource", "-") + "&resource=&resource=" + url.QueryEscape(flowtest.Resource), "invalid_target", false},
		{"a resource with a fragment is invalid_target", flowtest.Authorization("resource", flowtest.Resource+"#f"), "invalid_target", false},
		{"response_type token is unsupported_response_type", flowtest.Authorization("response_type", "token"), "unsupported_response_type", false},
		{"a missing response_type is invalid_request", flowtest.Authorization("response_type", "-"), "invalid_request", false},
		{"response_mode fragment is invalid_request", flowtest.Authorization("response_mode", "fragment"), "invalid_request", false},
		{"a request object is invalid_request", flowtest.Authorization("request", "eyJ"), "invalid_request", false},
		{"a request_uri is invalid_request", flowtest.Authorization("request_uri", "https://evil.example"), "invalid_request", false},
		{"prompt none is access_denied", flowtest.Authorization("prompt", "none"), "access_denied", false},
		{"prompt none beside another value is invalid_request", flowtest.Authorization("prompt", "none login"), "invalid_request", false},
		{"a max_age that is no number is invalid_request", flowtest.Authorization("max_age", "-1"), "invalid_request", false},
		{"a scope with a quote is invalid_scope", flowtest.Authorization("scope", `appstore:"read`), "invalid_scope", false},
		{"a client without the code grant is unauthorized_client", flowtest.Authorization("client_id", "refresh-only", "redirect_uri", "https://odd.example/cb"), "unauthorized_client", false},
		{"a state with a line break is refused and not echoed", flowtest.Authorization("state", "a\r\nb"), "invalid_request", true},
		{"a state of 2 KiB and one byte is refused and not echoed", flowtest.Authorization("state", strings.Repeat("s", 2049)), "invalid_request", true},
		{"two states are refused and none is echoed", flowtest.Authorization() + "&state=other", "invalid_request", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := g.Browser(t)
			before := b.Get(tt.path)
			if !strings.HasPrefix(before.Location, "/signin?tx=") {
				t.Fatalf("before the sign-in: got %d %q, want our own sign-in page", before.Status, before.Location)
			}
			b.Follow(before)
			p := b.Follow(b.Return(flowtest.Domain, flowtest.Ann()))
			base, params := p.Target()
			if p.Status != http.StatusSeeOther || base != flowtest.ClaudeRedirect && base != "https://odd.example/cb" {
				t.Fatalf("after the sign-in: got %d to %q, want 303 to the client", p.Status, base)
			}
			if got := params.Get("error"); got != tt.code {
				t.Errorf("error is %q (%s), want %q", got, params.Get("error_description"), tt.code)
			}
			if params.Get("iss") != flowtest.Issuer || params.Has("code") {
				t.Errorf("parameters %v: want iss and no code", params)
			}
			want := "the state"
			if tt.noState {
				want = ""
			}
			if got := params.Get("state"); got != want {
				t.Errorf("state is %q, want %q", got, want)
			}
		})
	}
}

func TestAPreflightGetsNoCORSHeaders(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodHead, http.MethodPut} {
		p := g.Browser(t).Do(method, flowtest.Authorization(), nil, http.Header{ // the browser checks for Access-Control headers
			"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"GET"},
		})
		if p.Status != http.StatusMethodNotAllowed || p.Header.Get("Allow") != "GET" || p.Location != "" {
			t.Errorf("%s: got %d, Allow %q, want 405 and GET", method, p.Status, p.Header.Get("Allow"))
		}
	}
}

func TestNoPageCanBeFramed(t *testing.T) {
	g := flowtest.New(t, flowtest.TwoDomains())
	b := g.Browser(t)
	pages := map[string]flowtest.Page{
		"error":   b.Get("/authorize"),
		"signin":  b.Follow(b.Get(flowtest.Authorization())),
		"signout": b.Get("/signout"),
		"foreign": b.Get("/callback/acme.com?state=x"),
		"consent": b.SignIn(flowtest.Authorization("login_hint", "ann@acme.com"), flowtest.Ann()),
	}
	for name, p := range pages {
		csp := p.Header.Get("Content-Security-Policy")
		if p.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s can be framed: %q", name, csp)
		}
		// Browsers apply form-action to what follows a form, so that the consent page
		// goes without it and all others have it.
		if got := strings.Contains(csp, "form-action"); got != (name != "consent") {
			t.Errorf("%s: form-action in the policy is %v", name, got)
		}
	}
}

func TestStateIsEchoedByteForByte(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	for _, state := range []string{
		"a b+c%20d&e=f#g?h", `"<script>'\`, "ünï\u202ecode", "\xff\xfe\x80 not UTF-8", strings.Repeat("s", 2048), "%", "\u0085\u009f",
	} {
		b := g.Browser(t)
		p := b.SignIn(flowtest.Authorization("state", state), flowtest.Ann())
		p = b.Post("/consent", p.Form("decision", "approve"))
		if _, params := p.Target(); params.Get("state") != state || params.Get("code") == "" {
			t.Errorf("state %q came back as %q", state, params.Get("state"))
		}
	}
}

func TestAConsentThatThePageDidNotSendIsRefusedAndStoresNothing(t *testing.T) {
	sameOrigin := http.Header{"Sec-Fetch-Site": {"same-origin"}}
	tests := []struct {
		name   string
		change []string
		header http.Header
	}{
		{"a form without its token is refused", []string{"csrf", "-"}, sameOrigin},
		{"a form with a made-up token is refused", []string{"csrf", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, sameOrigin},
		{"a form from another site is refused though its token is right", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		{"a form from a neighbouring host is refused", nil, http.Header{"Sec-Fetch-Site": {"same-site"}}},
		{"a form with a foreign Origin is refused", nil, http.Header{"Origin": {"https://evil.example"}}},
		{"a form without a decision is refused", []string{"decision", "-"}, sameOrigin},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
			form := page.Form(append([]string{"decision", "approve"}, tt.change...)...)
			p := b.Do(http.MethodPost, "/consent", form, tt.header)
			if _, params := p.Target(); p.Status != http.StatusForbidden || params.Has("code") {
				t.Errorf("got %d %v, want 403 and no code", p.Status, params)
			}
			if events := g.Audit.Named(audit.ConsentGranted); len(events) != 0 {
				t.Errorf("a consent was recorded: %+v", events)
			}
			if _, err := g.Store.Approval(t.Context(), form.Get("request")); err != nil {
				t.Errorf("the pending approval was touched: %v", err)
			}
		})
	}
	t.Run("a form of another browser's page is refused", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		victim, attacker := g.Browser(t), g.Browser(t)
		victim.SignIn(flowtest.Authorization(), flowtest.Ann())
		page := attacker.SignIn(flowtest.Authorization(), flowtest.Bob())
		p := victim.Post("/consent", page.Form("decision", "approve"))
		if _, params := p.Target(); p.Status != http.StatusForbidden || params.Has("code") {
			t.Errorf("got %d %v, want 403 and no code", p.Status, params)
		}
	})
	t.Run("a token of an earlier view of the page is refused", func(t *testing.T) {
		g := flowtest.New(t, flowtest.DefaultPolicy())
		b := g.Browser(t)
		first := b.SignIn(flowtest.Authorization(), flowtest.Ann())
		b.Get("/consent?request=" + url.QueryEscape(first.Form().Get("request")))
		if p := b.Post("/consent", first.Form("decision", "approve")); p.Status != http.StatusForbidden {
			t.Errorf("got %d, want 403", p.Status)
		}
	})
}

func TestTheBackButtonMakesNoSecondCode(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
	form := page.Form("decision", "approve")
	if _, params := b.Post("/consent", form).Target(); params.Get("code") == "" {
		t.Fatal("the first answer made no code")
	}
	again := b.Post("/consent", form)
	if _, params := again.Target(); again.Status != http.StatusForbidden || again.Title() != "Already answered" || params.Has("code") {
		t.Errorf("got %d %q %v, want 403, already answered, no code", again.Status, again.Title(), params)
	}
	if shown := b.Get("/consent?request=" + url.QueryEscape(form.Get("request"))); shown.Title() != "Already answered" {
		t.Errorf("the page is shown again: %q", shown.Title())
	}
	if events := g.Audit.Named(audit.ConsentGranted); len(events) != 1 {
		t.Errorf("%d consents recorded, want 1", len(events))
	}
}

func TestACallbackWithAnotherBrowsersStateSignsNobodyIn(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	attacker, victim := g.Browser(t), g.Browser(t)
	victim.Follow(victim.Get(flowtest.Authorization())) // has a sign-in of its own under way
	attacker.Follow(attacker.Get(flowtest.Authorization()))
	p := victim.Return(flowtest.Domain, flowtest.Bob()) // the attacker's state and code, sent as a link
	if p.Status != http.StatusBadRequest || p.Location != "" {
		t.Errorf("got %d %q, want an error page", p.Status, p.Location)
	}
	if _, ok := victim.Cookies["__Host-mcp_edge_session"]; ok {
		t.Error("the victim was signed in")
	}
	if events := g.Audit.Named(audit.SignInOK); len(events) != 0 {
		t.Errorf("a sign-in was recorded: %+v", events)
	}
}
