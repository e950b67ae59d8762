package hostile_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/robot"
)

const sessionCookie = "__Host-mcp_edge_session"

// TestSignInAndConsent is about what stands between a request and its code.
func TestSignInAndConsent(t *testing.T) {
	start(t).run(t,
		part{"a consent that the page did not send gives no code [C6 C9 X1 H7 E15]", foreignConsents},
		part{"the back button makes no second code [H7 E16]", backButton},
		part{"a denial is no approval [A11 K36]", denial},
		part{"two views of the page make one code [E16]", twoViews},
		part{"a sign-in ends in the browser that began it [C8 H6 H29 E17]", foreignCallbacks},
		part{"one client's consent is not another's [C1 C2 C3 H5 K38]", confusedDeputy},
		part{"a borrowed name stays unverified [C2 H8]", borrowedName},
		part{"an answer of another provider signs nobody in [C8 H16]", spoiltAnswers},
	)
}

// consentPage walks to the consent page and stops there.
func consentPage(t testing.TB, browser *robot.Robot, address string) *robot.Page {
	t.Helper()
	var last *robot.Page
	decision, onPage := browser.Decision, browser.OnPage
	browser.Decision, browser.OnPage = "look", func(p *robot.Page) { last = p }
	callback, err := browser.Authorize(t.Context(), address)
	browser.Decision, browser.OnPage = decision, onPage
	if !errors.Is(err, robot.ErrStuck) || last == nil || last.Status != http.StatusOK {
		t.Fatalf("there is no consent page: %v, %v", callback, err)
	}
	return last
}

// choices is the form with the two buttons.
func choices(t testing.TB, page *robot.Page) robot.Form {
	t.Helper()
	for _, f := range page.Forms {
		if f.Buttons["approve"] != "" && f.Buttons["deny"] != "" {
			return f
		}
	}
	t.Fatalf("no consent form: %s", page.Text())
	return robot.Form{}
}

func submit(t testing.TB, browser *robot.Robot, f robot.Form, pairs ...string) *robot.Page {
	t.Helper()
	changes := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		changes[pairs[i]] = []string{pairs[i+1]}
	}
	page := must(t, func() (*robot.Page, error) { return browser.Submit(t.Context(), f, changes) })
	if page == nil {
		t.Fatal("the form was answered by a redirect")
	}
	return page
}

func says(page *robot.Page, words string) bool { return page.Says(words) }

// codeOf is the code to which a page leads, or "".
func codeOf(t testing.TB, page *robot.Page) string {
	t.Helper()
	return mustParse(t, page.Next).Query().Get("code")
}

// foreignConsents is cross-site request forgery against the consent
// (CVE-2025-4143, GHSA-rww4-4w9c-7733; OAuth 2.1 §7.9 and §7.11).
func foreignConsents(t *testing.T, w *world) {
	a := w.register(t)
	other := w.person("admin")
	otherAddress, _ := a.AuthorizationURL(readScope, nil)
	foreign := choices(t, consentPage(t, other, otherAddress))
	for _, c := range []struct {
		name  string
		pairs []string
		edit  func(*http.Request) error
		form  *robot.Form
	}{
		{name: "without a form token", pairs: []string{"csrf", ""}},
		{name: "with a made-up form token", pairs: []string{"csrf", strings.Repeat("A", 43)}},
		{name: "with another person's form token", pairs: []string{"csrf", foreign.Fields.Get("csrf")}},
		{name: "with another person's whole form", form: &foreign},
		{name: "without a decision", pairs: []string{"decision", ""}},
		{name: "from another site", edit: header("Sec-Fetch-Site", "cross-site")},
		{name: "from a neighbouring host", edit: header("Sec-Fetch-Site", "same-site")},
		{name: "from a foreign origin", edit: header("Sec-Fetch-Site", "", "Origin", "https://"+evil)},
		{name: "from an opaque origin", edit: header("Sec-Fetch-Site", "", "Origin", "null")},
		{name: "without the browser's cookies", edit: header("Cookie", "")},
		{name: "by GET", edit: func(r *http.Request) error {
			r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
			r.URL.RawQuery = "decision=approve&" + r.URL.RawQuery
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			through := &tap{inner: w.Stack.Transport()}
			browser := w.personBy("member", through)
			address, _ := a.AuthorizationURL(readScope, nil)
			f := choices(t, consentPage(t, browser, address))
			sent := f
			if c.form != nil {
				sent = *c.form
			}
			through.edit = c.edit
			page := submit(t, browser, sent, append([]string{"decision", "approve"}, c.pairs...)...)
			if page.Status/100 == 2 || page.Next != "" {
				t.Fatalf("got %d, on to %q: %s", page.Status, page.Next, page.Text())
			}
			through.edit = nil
			if c.form == nil && codeOf(t, submit(t, browser, f, "decision", "approve")) == "" {
				t.Error("the pending approval is gone")
			}
		})
	}
	if codeOf(t, submit(t, other, foreign, "decision", "approve")) == "" {
		t.Error("the other person's approval is gone")
	}
}

// header returns an edit that sets headers of a POST; an empty value deletes.
func header(pairs ...string) func(*http.Request) error {
	return func(r *http.Request) error {
		for i := 0; i+1 < len(pairs); i += 2 {
			if r.Header.Del(pairs[i]); pairs[i+1] != "" {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
		return nil
	}
}

func backButton(t *testing.T, w *world) {
	browser := w.person("member")
	address, _ := w.register(t).AuthorizationURL(readScope, nil)
	f := choices(t, consentPage(t, browser, address))
	if codeOf(t, submit(t, browser, f, "decision", "approve")) == "" {
		t.Fatal("no code at first")
	}
	for _, decision := range []string{"approve", "deny"} {
		if page := submit(t, browser, f, "decision", decision); page.Status/100 == 2 || page.Next != "" {
			t.Errorf("%s again: %d, on to %q", decision, page.Status, page.Next)
		}
	}
}

func denial(t *testing.T, w *world) {
	browser := w.person("member")
	browser.Decision = "deny"
	address, _ := w.register(t).AuthorizationURL(readScope, url.Values{"state": {"st"}})
	callback := must(t, func() (*url.URL, error) { return browser.Authorize(t.Context(), address) })
	if q := callback.Query(); q.Get("error") != "access_denied" || q.Has("code") || q.Get("state") != "st" || q.Get("iss") != w.issuer {
		t.Errorf("the client got %v", q)
	}
}

// twoViews: two tabs show the same question, and one of them is answered twice.
func twoViews(t *testing.T, w *world) {
	browser := w.person("member")
	address, _ := w.register(t).AuthorizationURL(readScope, nil)
	first := consentPage(t, browser, address)
	second := must(t, func() (*robot.Page, error) { return browser.Get(t.Context(), first.URL.String()) })
	codes := 0
	for _, f := range []robot.Form{choices(t, second), choices(t, first), choices(t, second)} {
		if codeOf(t, submit(t, browser, f, "decision", "approve")) != "" {
			codes++
		}
	}
	if codes != 1 {
		t.Errorf("%d codes", codes)
	}
}

// errStopped stops a browser where the test takes over.
var errStopped = errors.New("stopped by the test")

// callbackOf walks a browser to the provider and back, and takes the address of
// the return instead of opening it.
func (w *world) callbackOf(t testing.TB, through *tap, browser *robot.Robot, address string) string {
	t.Helper()
	var callback string
	through.edit = func(r *http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/callback/") {
			callback = r.URL.String()
			return errStopped
		}
		return nil
	}
	if _, err := browser.Authorize(t.Context(), address); !errors.Is(err, errStopped) {
		t.Fatalf("no return from the provider: %v", err)
	}
	through.edit = nil
	return callback
}

// foreignCallbacks is GHSA-rww4-4w9c-7733 and login CSRF (RFC 6749 §10.12): the
// return from the provider, opened in another browser, twice, or changed.
func foreignCallbacks(t *testing.T, w *world) {
	a := w.register(t)
	address, _ := a.AuthorizationURL(readScope, nil)
	through := &tap{inner: w.Stack.Transport()}
	attacker := w.personBy("admin", through)
	callback := w.callbackOf(t, through, attacker, address)

	open := func(t *testing.T, what, address string, browser *robot.Robot, through *tap) {
		t.Helper()
		before := len(through.seen)
		page := must(t, func() (*robot.Page, error) { return browser.Get(t.Context(), address) })
		if page.Status/100 == 2 || page.Next != "" {
			t.Errorf("%s: %d, on to %q: %s", what, page.Status, page.Next, page.Text())
		}
		for _, x := range through.seen[before:] {
			for _, c := range x.response["Set-Cookie"] {
				if strings.HasPrefix(c, sessionCookie+"=") && !strings.Contains(c, "Max-Age=0") {
					t.Errorf("%s: a session was begun", what)
				}
			}
		}
	}
	victimTap := &tap{inner: w.Stack.Transport()}
	victim := w.personBy("member", victimTap)
	open(t, "a browser that began nothing", callback, victim, victimTap)
	own := w.callbackOf(t, victimTap, victim, address) // has a sign-in of its own under way
	open(t, "a browser with another sign-in under way", callback, victim, victimTap)
	open(t, "a state that was changed", strings.Replace(own, "state=", "state=x", 1), victim, victimTap)

	// The one who began it can still finish it.
	page := must(t, func() (*robot.Page, error) { return attacker.Get(t.Context(), callback) })
	choices(t, page)

	// The attacker's code under the victim's state (RFC 9700 §4.5): the provider
	// refuses it for the victim's PKCE verifier.
	callback = w.callbackOf(t, through, w.personBy("admin", through), address)
	mixed := mustParse(t, own)
	q, theirs := mixed.Query(), mustParse(t, callback).Query()
	q.Set("code", theirs.Get("code")) // the victim's state, the attacker's code
	mixed.RawQuery = q.Encode()
	open(t, "the attacker's code under the victim's state", mixed.String(), victim, victimTap)
	open(t, "a state that was used", own, victim, victimTap)
	w.audited(t, map[string]any{"event_name": "sign_in_failed"})
}

// confusedDeputy: a person who approved one client follows a link for another
// while the provider would sign in silently (MCP security best practices; the
// FastMCP proxy let the second one inherit the first one's consent).
func confusedDeputy(t *testing.T, w *world) {
	browser := w.person("member")
	trusted := w.register(t)
	if _, err := trusted.Approve(t.Context(), browser, readScope); err != nil {
		t.Fatal(err)
	}
	other, _ := w.registerAs(t, "http://localhost:3334/oauth/callback", `{"client_name":"MCP CLI Proxy","redirect_uris":["http://localhost:3334/oauth/callback"],"token_endpoint_auth_method":"none"}`)
	address, _ := other.AuthorizationURL(bothScopes, nil)
	page := consentPage(t, browser, address)
	for _, words := range []string{"http://localhost:3334/oauth/callback", "An app on this computer", w.Stack.User("member").Email} {
		if !says(page, words) {
			t.Errorf("the page does not say %q: %s", words, page.Text())
		}
	}
	// And the first one is asked again: any program may pose as an app on this
	// computer (RFC 8252 §8.6).
	again, _ := trusted.AuthorizationURL(readScope, nil)
	consentPage(t, browser, again)
}

// borrowedName is consent phishing: a client takes the name of a known assistant
// and leads to the attacker's own listener.
func borrowedName(t *testing.T, w *world) {
	const redirect = "http://localhost:31337/oauth/callback"
	for _, name := range []string{"Claude", "claude", "Cl\u0430ude", "ChatGPT", "Claude (verified)"} {
		t.Run(name, func(t *testing.T) {
			a, r := w.registerAs(t, redirect, fmt.Sprintf(`{"client_name":%q,"redirect_uris":[%q],"token_endpoint_auth_method":"none"}`, name, redirect))
			address, _ := a.AuthorizationURL(readScope, nil)
			page := consentPage(t, w.person("member"), address)
			text := page.Text()
			if strings.Contains(text, "Verified assistant: Claude") || strings.Contains(text, "Verified assistant: ChatGPT") {
				t.Errorf("the page vouches for %q: %s", r.Name, text)
			}
			if !says(page, redirect) || !says(page, "An app on this computer") {
				t.Errorf("the page does not say where the answer goes: %s", text)
			}
		})
	}
}

// spoiltAnswers is the mix-up attack and its relatives: an ID token or an
// authorization response that is not for this sign-in (RFC 9207; OpenID Connect
// Core §3.1.3.7).
func spoiltAnswers(t *testing.T, w *world) {
	a := w.register(t)
	faults := w.Stack.IdP.Faults()
	for name, knob := range map[string]interface{ Store(bool) }{
		"another issuer in the response": &faults.WrongIss, "another nonce": &faults.WrongNonce,
		"a token for another client": &faults.WrongAudience, "an address that nobody verified": &faults.OmitEmailVerified,
	} {
		t.Run(name, func(t *testing.T) {
			knob.Store(true)
			defer knob.Store(false)
			through := &tap{inner: w.Stack.Transport()}
			address, _ := a.AuthorizationURL(readScope, nil)
			callback, err := w.personBy("member", through).Authorize(t.Context(), address)
			if callback != nil && callback.Query().Has("code") {
				t.Fatal("a code was issued")
			}
			if callback == nil && !errors.Is(err, robot.ErrStuck) {
				t.Error(err)
			}
			for _, x := range through.seen {
				for _, c := range x.response["Set-Cookie"] {
					if strings.HasPrefix(c, sessionCookie+"=") && !strings.Contains(c, "Max-Age=0") {
						t.Error("a session was begun")
					}
				}
			}
		})
	}
}
