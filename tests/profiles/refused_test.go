package profiles_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/robot"
)

// foreign is an address that resembles one of an assistant's and is not its.
type foreign struct {
	name     string
	of       string // the profile that it resembles
	redirect string
}

// claudeScheme is one that the profile knows and that any app can claim: alone
// it is refused, beside a good address it is left out.
const claudeScheme = "claude://claude.ai/mcp-auth-callback/sdk"

// foreigns are addresses that were seen in tickets, in other servers' lists and
// in attacks on parsers. Hosts under evil.example are nobody's.
var foreigns = []foreign{
	// Misspelt by people, or by other documentation.
	{"cursor.com without www", "cursor", "https://cursor.com/agents/mcp/oauth/callback"},
	{"a dot that is a letter", "cursor", "https://wwwxcursor.com/agents/mcp/oauth/callback"},
	{"a slash more", "claude", "https://claude.ai/api/mcp/auth_callback/"},
	{"a slash less", "grok", "https://grok.com/connectors-oauth-exchange-code"},
	{"another address of the same host", "grok", "https://grok.com/connectors/oauth/callback"},
	{"an empty id", "chatgpt", "https://chatgpt.com/connector/oauth/"},
	{"the id of nobody", "chatgpt", "https://chatgpt.com/connector/oauth/unknown"},
	{"the scheme of the desktop app", "claude-code", claudeScheme},
	{"http in place of https", "claude", "http://claude.ai/api/mcp/auth_callback"},
	{"another port", "claude", "https://claude.ai:444/api/mcp/auth_callback"},
	{"the default port, spelt out", "claude", "https://claude.ai:443/api/mcp/auth_callback"},
	{"a query", "claude", "https://claude.ai/api/mcp/auth_callback?x=1"},
	{"a fragment", "claude", "https://claude.ai/api/mcp/auth_callback#f"},
	// The same to some readers (RFC 3986 §6.2.2), another string to us.
	{"a host in capitals", "claude", "https://CLAUDE.AI/api/mcp/auth_callback"},
	{"a host with one capital", "claude", "https://claude.Ai/api/mcp/auth_callback"},
	{"a scheme in capitals", "claude", "HTTPS://claude.ai/api/mcp/auth_callback"},
	{"a path in capitals", "claude", "https://claude.ai/API/mcp/auth_callback"},
	{"an encoded letter", "claude", "https://claude.ai/api/mcp/%61uth_callback"},
	{"an encoded slash", "claude", "https://claude.ai/api%2Fmcp%2Fauth_callback"},
	{"an encoded host", "claude", "https://claude%2Eai/api/mcp/auth_callback"},
	{"a path that climbs", "claude", "https://claude.ai/api/mcp/x/../auth_callback"},
	{"a path that climbs, encoded", "claude", "https://claude.ai/api/mcp/x/%2e%2e/auth_callback"},
	// Hosts that only look like the assistant's.
	{"the host as a prefix", "claude", "https://claude.ai.evil.example/api/mcp/auth_callback"},
	{"the host as a suffix", "claude", "https://evilclaude.ai/api/mcp/auth_callback"},
	{"the host as a prefix, without a path", "claude", "https://claude.ai.evil.example/"},
	{"the host as a suffix, without a path", "claude", "https://evilclaude.ai/"},
	{"the host as user information, without a path", "claude", "https://claude.ai@evil.example/"},
	{"a dot after the host", "claude", "https://claude.ai./api/mcp/auth_callback"},
	{"the host as user information", "claude", "https://claude.ai@evil.example/api/mcp/auth_callback"},
	{"user information before the host", "claude", "https://user@claude.ai/api/mcp/auth_callback"},
	{"a backslash", "claude", `https://evil.example\@claude.ai/api/mcp/auth_callback`},
	{"a tab", "claude", "https://claude\t.ai/api/mcp/auth_callback"},
	// Loopback (RFC 8252 §7.3): the port is free and nothing else.
	{"another path", "claude-code", "http://127.0.0.1:1/other"},
	{"localhost as a prefix", "claude-code", "http://localhost.evil.example:1/callback"},
	{"localhost as user information", "claude-code", "http://localhost@evil.example/callback"},
	{"localhost and port as user information", "claude-code", "http://localhost:1@evil.example/callback"},
	{"user information at a loopback address", "claude-code", "http://u@127.0.0.1:9/callback"},
	{"localhost with a dot", "claude-code", "http://localhost./callback"},
	{"localhost in capitals", "claude-code", "http://LOCALHOST:1/callback"},
	{"the unspecified address", "claude-code", "http://0.0.0.0:1/callback"},
	{"a short address", "claude-code", "http://127.1:1/callback"},
	{"the unspecified address, without a port", "claude-code", "http://0.0.0.0/callback"},
	{"a short address, without a port", "claude-code", "http://127.1/callback"},
	{"an address as one number", "claude-code", "http://2130706433:1/callback"},
	{"another address of the loopback", "claude-code", "http://127.0.0.2:1/callback"},
	{"a loopback path that climbs", "claude-code", "http://127.0.0.1:9/callback/../x"},
	{"a loopback path that climbs, encoded", "claude-code", "http://127.0.0.1:9/callback/%2e%2e/x"},
	{"a backslash behind the port", "claude-code", `http://127.0.0.1:9\@evil.example/callback`},
	{"a tab in the path", "claude-code", "http://127.0.0.1:9/call\tback"},
	{"a fragment on loopback", "claude-code", "http://127.0.0.1:9/callback#f"},
	{"a query on loopback", "claude-code", "http://127.0.0.1:9/callback?x=1"},
	{"https on loopback", "claude-code", "https://127.0.0.1:9/callback"},
	{"port 0", "claude-code", "http://127.0.0.1:0/callback"},
	// Schemes that run or read instead of leading to a client.
	{"a script", "claude-code", "javascript:alert(1)"},
	{"a script that names the host", "claude", "javascript:alert(1)//claude.ai/api/mcp/auth_callback"},
	{"a document", "claude-code", "data:text/html,x"},
	{"a document with markup", "claude-code", "data:text/html,<script>alert(1)</script>"},
	{"a file", "claude-code", "file:///etc/passwd"},
}

// TestAddressesThatOnlyLookLikeAnAssistantsAreRefused tries each where it could
// get in: at /register, beside a good one too, and at /authorize of a client
// that is registered with the address that it resembles.
func TestAddressesThatOnlyLookLikeAnAssistantsAreRefused(t *testing.T) {
	w := start(t)
	live := map[string]*assistant.Assistant{}
	for profile, body := range map[string]string{
		"claude":      named("Claude", none, "https://claude.ai/api/mcp/auth_callback"),
		"claude-code": named("Claude Code", none, "http://localhost:58135/callback", "http://127.0.0.1:58135/callback"),
		"chatgpt":     named("ChatGPT", none, "https://chatgpt.com/connector_platform_oauth_redirect"),
		"cursor":      named("Cursor", none, "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"),
		"grok":        named("Grok", none, "https://grok.com/connectors-oauth-exchange-code/"),
	} {
		a, _, err := assistant.RegisterAs(t.Context(), w.Stranger(t), w.issuer, w.resource, body)
		if err != nil {
			t.Fatal(err)
		}
		live[profile] = a
	}
	for _, f := range foreigns {
		a := live[f.of]
		t.Run(f.of+", "+f.name+", is not registered", func(t *testing.T) {
			w.refusedRedirect(t, 0, f.redirect)
			if f.redirect != claudeScheme {
				w.refusedRedirect(t, 1, a.Redirect, f.redirect)
				return
			}
			_, r, err := assistant.RegisterAs(t.Context(), w.Stranger(t), w.issuer, w.resource, named("", none, a.Redirect, f.redirect))
			if err != nil || !slices.Equal(r.RedirectURIs, []string{a.Redirect}) {
				t.Errorf("beside a good address: %q, %v", r.RedirectURIs, err)
			}
		})
		t.Run(f.of+", "+f.name+", is not redirected to", func(t *testing.T) { w.notRedirected(t, a, f.redirect) })
	}
}

// refusedRedirect wants the answer to a registration of which the i-th address
// is nobody's (RFC 7591 §3.2.2): it names what was sent, since people read it
// in their assistant and their administrator acts upon it.
func (w *world) refusedRedirect(t *testing.T, i int, redirects ...string) {
	t.Helper()
	refusal(t, w.register(t, named("", none, redirects...)), "invalid_redirect_uri", fmt.Sprintf("redirect_uris[%d]", i), shown(redirects[i]))
}

// refusal wants an OAuth error in JSON whose description has all of want.
func refusal(t *testing.T, answer assistant.Answer, code string, want ...string) {
	t.Helper()
	var e struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(answer.Body, &e); err != nil || answer.Status != http.StatusBadRequest || e.Code != code {
		t.Fatalf("got %d %s, want 400 %s", answer.Status, answer.Body, code)
	}
	if answer.Header.Get("Content-Type") != "application/json" || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Location") != "" {
		t.Errorf("its headers: %v", answer.Header)
	}
	for _, part := range want {
		if !strings.Contains(e.Description, part) {
			t.Errorf("the description does not say %q: %s", part, e.Description)
		}
	}
}

// shown is redirect where an error description may hold it (RFC 6749 §5.2: no
// quote, no backslash; nor what a page could take for markup), else "".
func shown(redirect string) string {
	if strings.ContainsAny(redirect, "\t\\\"<> ") {
		return ""
	}
	return redirect
}

// notRedirected wants a page that says what was received and what is
// registered, and by which the browser goes nowhere (OAuth 2.1 §4.1.2.1).
func (w *world) notRedirected(t *testing.T, a *assistant.Assistant, redirect string) {
	t.Helper()
	address, _ := a.AuthorizationURL(all, url.Values{"redirect_uri": {redirect}})
	answer := w.send(t, w.client(), http.MethodGet, address, "")
	if answer.Status != http.StatusBadRequest || answer.Header.Get("Location") != "" || answer.Header.Get("Refresh") != "" {
		t.Fatalf("got %d to %q: %s", answer.Status, answer.Header.Get("Location"), answer.Body)
	}
	if media := answer.Header.Get("Content-Type"); !strings.HasPrefix(media, "text/html") {
		t.Errorf("it is no page but %s", media)
	}
	page := robot.NewPage(nil, answer.Status, answer.Header, string(answer.Body))
	for _, way := range []string{"http-equiv", "<script", "<a ", "<form", "<iframe"} {
		if strings.Contains(strings.ToLower(page.Body), way) {
			t.Errorf("the page leads on by %q: %s", way, page.Body)
		}
	}
	if !page.Says(strings.ReplaceAll(redirect, "\t", "")) {
		t.Errorf("the page does not say what was received: %s", page.Text())
	}
	if !page.Says(a.Redirect) && !page.Says(withoutPort(t, a.Redirect)) {
		t.Errorf("the page does not say what is registered: %s", page.Text())
	}
}

// withoutPort is a loopback address as it may be kept: its port does not count
// (RFC 8252 §7.3). Others stay as they are.
func withoutPort(t *testing.T, redirect string) string {
	t.Helper()
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme == "http" {
		u.Host = u.Hostname()
	}
	return u.String()
}

// TestWhatARegistrationShowsPeopleCannotDeceiveThem is about the members beside
// the addresses: pages that would run, names that would be mistaken.
func TestWhatARegistrationShowsPeopleCannotDeceiveThem(t *testing.T) {
	w := start(t)
	const redirect = "http://localhost:6274/oauth/callback"
	with := func(member, value string) string {
		text, err := json.Marshal(map[string]any{"redirect_uris": []string{redirect}, "token_endpoint_auth_method": none, member: value})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, member := range []string{"client_uri", "logo_uri", "tos_uri", "policy_uri"} {
		for name, uri := range map[string]string{
			"a script": "javascript:alert(1)", "a script in capitals": "JAVASCRIPT:alert(1)", "a document": "data:text/html,<script>alert(1)</script>", "a file": "file:///etc/passwd", "http": "http://evil.example/",
		} {
			t.Run(member+" that is "+name, func(t *testing.T) { refusal(t, w.register(t, with(member, uri)), "invalid_client_metadata", member) })
		}
	}
	for name, text := range map[string]string{
		"text in another direction": "Claude \u202eedualC", "a zero-width space": "Cla\u200bude", "a zero-width joiner": "Cla\u200dude", "a line break": "Claude\nVerified assistant",
		"a control character": "Claude\x07", "10,000 characters": strings.Repeat("n", 10_000),
	} {
		t.Run("a name with "+name, func(t *testing.T) {
			refusal(t, w.register(t, with("client_name", text)), "invalid_client_metadata", "client_name")
		})
	}
	for name, text := range map[string]string{
		"markup": `<script>alert(1)</script><b onload=x>`, "a template": "{{.Secret}}{$HOME}{env.HOME}", "the name of another assistant": "Claude", "the badge of a verified one": "Verified assistant: Claude",
	} {
		t.Run("a name that is "+name+" is text, and marked", func(t *testing.T) { w.shownAsText(t, with("client_name", text), text) })
	}
}

// shownAsText wants a borrowed name on the consent page as it was sent, marked,
// and without effect.
func (w *world) shownAsText(t *testing.T, body, name string) {
	t.Helper()
	a, r, err := assistant.RegisterAs(t.Context(), w.Stranger(t), w.issuer, w.resource, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != name+" (unverified)" {
		t.Errorf("registered under the name %q", r.Name)
	}
	browser := w.member()
	asked := 0
	browser.OnPage = func(p *robot.Page) {
		if p.URL.Path != "/consent" || len(p.Forms) == 0 {
			return
		}
		asked++
		if !p.Says(name + " (unverified)") {
			t.Errorf("the page does not show the name: %s", p.Text())
		}
		if strings.Contains(p.Body, "<script") || strings.Contains(p.Body, "<b ") || slices.ContainsFunc(p.Forms, func(f robot.Form) bool { return f.Action.Host != p.URL.Host }) {
			t.Errorf("the name has an effect: %s", p.Body)
		}
	}
	if _, err := a.Approve(t.Context(), browser, all); err != nil || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
