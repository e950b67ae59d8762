package client_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func registry(t testing.TB, custom ...client.Profile) *client.Registry {
	t.Helper()
	r, err := client.NewRegistry(custom...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func acmeAgent() client.Profile {
	return client.Profile{
		ID: "acme-agent", Name: "Acme Agent", RedirectURIs: []string{"https://agent.acme.com/oauth/callback"}, LoopbackPaths: []string{"/acme"},
		CustomSchemes: []string{"acme://oauth/callback"},
	}
}

func TestCustomProfilesAddToTheRegistry(t *testing.T) {
	r := registry(t, acmeAgent(), client.Profile{ID: "plain", LoopbackPaths: []string{"*"}}, client.Profile{
		ID: "claude", Name: "Someone Else", RedirectURIs: []string{"https://claude.example.com/cb", "https://claude.ai/api/mcp/auth_callback"},
		LoopbackPaths: []string{"/cb"}, RotationGrace: 3 * time.Minute,
	})
	p, _ := r.Profile("claude")
	want := []string{"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback", "https://claude.example.com/cb"}
	if diff := cmp.Diff(want, p.RedirectURIs); diff != "" {
		t.Error(diff)
	}
	if p.Name != "Claude" || !p.BuiltIn || p.RotationGrace != 3*time.Minute || !slices.Equal(p.LoopbackPaths, []string{"/cb"}) || len(p.Sources) == 0 {
		t.Errorf("extended profile: %+v", p)
	}
	if p, _ := r.Profile("acme-agent"); p.BuiltIn || p.Name != "Acme Agent" {
		t.Errorf("new profile: %+v", p)
	}
	if p, _ := r.Profile("plain"); p.Name != "plain" {
		t.Errorf("profile without name: %+v", p)
	}
	if p, _ := registry(t).Profile("claude"); len(p.RedirectURIs) != 2 || p.RotationGrace != 2*time.Minute {
		t.Error("one registry changed the profiles of another")
	}
}

func TestCustomProfileThatMeansNothingIsRefused(t *testing.T) {
	with := func(change func(*client.Profile)) []client.Profile {
		p := acmeAgent()
		change(&p)
		return []client.Profile{p}
	}
	cases := []struct {
		name   string
		custom []client.Profile
	}{
		{"no id", with(func(p *client.Profile) { p.ID = "" })},
		{"an id in capitals", with(func(p *client.Profile) { p.ID = "Acme" })},
		{"an id with a space", with(func(p *client.Profile) { p.ID = "acme agent" })},
		{"an id given twice", []client.Profile{acmeAgent(), acmeAgent()}},
		{"a built-in id given twice", []client.Profile{{ID: "claude", RotationGrace: 1}, {ID: "claude", RotationGrace: 2}}},
		{"a name that hides its direction", with(func(p *client.Profile) { p.Name = "Acme\u202eAgent" })},
		{"nothing to match by", []client.Profile{{ID: "acme"}}},
		{"a redirect URI over http", with(func(p *client.Profile) { p.RedirectURIs = []string{"http://agent.acme.com/cb"} })},
		{"a redirect URI with a fragment", with(func(p *client.Profile) { p.RedirectURIs = []string{"https://agent.acme.com/cb#x"} })},
		{"a redirect URI that is a template", with(func(p *client.Profile) { p.RedirectURIs = []string{"https://agent.acme.com/{tool}/cb"} })},
		{"a redirect URI whose host is a template", with(func(p *client.Profile) { p.RedirectURIs = []string{"https://{tenant}.acme.com/cb"} })},
		{"a metadata document that is a template", with(func(p *client.Profile) { p.MetadataDocuments = []string{"https://agent.acme.com/{id}.json"} })},
		{"the metadata document of a built-in client", with(func(p *client.Profile) { p.MetadataDocuments = []string{"https://chatgpt.com/oauth/client.json"} })},
		{"a loopback path that is empty", with(func(p *client.Profile) { p.LoopbackPaths = []string{""} })},
		{"a loopback path that is a template", with(func(p *client.Profile) { p.LoopbackPaths = []string{"/{id}"} })},
		{"a template that is none", with(func(p *client.Profile) { p.RedirectTemplates = []string{"https://agent.acme.com/cb"} })},
		{"a redirect URI with a private scheme of nobody", with(func(p *client.Profile) { p.RedirectURIs = []string{"acme://cb"} })},
		{"a loopback path without slash", with(func(p *client.Profile) { p.LoopbackPaths = []string{"callback"} })},
		{"a loopback path with a pattern", with(func(p *client.Profile) { p.LoopbackPaths = []string{"/cb/*"} })},
		{"a loopback path with a query", with(func(p *client.Profile) { p.LoopbackPaths = []string{"/cb?x=1"} })},
		{"a loopback path that changes the host", with(func(p *client.Profile) { p.LoopbackPaths = []string{"@evil.example/"} })},
		{"a metadata document over http", with(func(p *client.Profile) { p.MetadataDocuments = []string{"http://agent.acme.com/client.json"} })},
		{"a metadata document that is a host only", with(func(p *client.Profile) { p.MetadataDocuments = []string{"https://agent.acme.com/"} })},
		{"a web address as custom scheme", with(func(p *client.Profile) { p.CustomSchemes = []string{"https://agent.acme.com/cb"} })},
		{"a scheme that runs code", with(func(p *client.Profile) { p.CustomSchemes = []string{"javascript:alert(1)"} })},
		{"a negative grace", with(func(p *client.Profile) { p.RotationGrace = -1 })},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := client.NewRegistry(c.custom...); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRegistrationBelongsToOneProfile(t *testing.T) {
	r := registry(t, acmeAgent(), client.Profile{ID: "any", LoopbackPaths: []string{"*"}})
	cases := []struct {
		name, profile string
		redirects     []string
		dropped       []string
	}{
		{"Claude by its callback", "claude", []string{"https://claude.ai/api/mcp/auth_callback"}, nil},
		{"Claude by its second callback", "claude", []string{"https://claude.com/api/mcp/auth_callback"}, nil},
		{"ChatGPT by its callback", "chatgpt", []string{"https://chatgpt.com/connector_platform_oauth_redirect"}, nil},
		{"VS Code with four addresses", "vscode", []string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"}, nil},
		{"Claude Code without port", "claude-code", []string{"http://localhost/callback", "http://127.0.0.1/callback"}, nil},
		{"Claude Code with a port", "claude-code", []string{"http://localhost:58135/callback"}, nil},
		{"a loopback address of IPv6", "claude-code", []string{"http://[::1]:58135/callback"}, nil},
		{"Inspector before others with the same path, by its port", "mcp-inspector", []string{"http://localhost:6274/oauth/callback"}, nil},
		{"an operator's own client", "acme-agent", []string{"https://agent.acme.com/oauth/callback", "http://localhost:1/acme"}, nil},
		{"a private scheme that the profile lists is left out", "acme-agent", []string{"acme://oauth/callback", "https://agent.acme.com/oauth/callback"}, []string{"acme://oauth/callback"}},
		{"a listed scheme beside a loopback address", "claude-code", []string{"http://localhost/callback", "claude://claude.ai/mcp-auth-callback/sdk"}, []string{"claude://claude.ai/mcp-auth-callback/sdk"}},
		{"any loopback path where the operator said so", "any", []string{"http://127.0.0.1:1/some/where?x=1", "http://localhost"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := r.Match(c.redirects)
			if err != nil {
				t.Fatal(err)
			}
			admitted := slices.DeleteFunc(slices.Clone(c.redirects), func(s string) bool { return slices.Contains(c.dropped, s) })
			if m.Profile.ID != c.profile {
				t.Errorf("profile %q, want %q", m.Profile.ID, c.profile)
			}
			if diff := cmp.Diff(admitted, m.Admitted); diff != "" {
				t.Errorf("admitted: %s", diff)
			}
			if diff := cmp.Diff(c.dropped, m.Dropped); diff != "" {
				t.Errorf("dropped: %s", diff)
			}
		})
	}
}

func TestRepeatedRedirectURIIsRegisteredOnce(t *testing.T) {
	const uri = "http://localhost:1/callback"
	m, err := registry(t).Match([]string{uri, uri})
	if err != nil || !slices.Equal(m.Admitted, []string{uri}) {
		t.Errorf("%v, %v", m.Admitted, err)
	}
}

func TestWholeRegistrationIsRefusedAndTheOffendingURINamed(t *testing.T) {
	r := registry(t, acmeAgent())
	const good = "https://claude.ai/api/mcp/auth_callback"
	cases := []struct {
		name      string
		redirects []string
		index     int
		why       reason.Reason
	}{
		{"none at all", nil, 0, reason.ClientBadRedirect},
		{"an empty one", []string{""}, 0, reason.ClientBadRedirect},
		{"a host that only begins like a known one", []string{"https://claude.ai.evil.example/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a host that only ends like a known one", []string{"https://wwwxclaude.ai/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a trailing slash", []string{good + "/"}, 0, reason.ClientNoProfile},
		{"a query", []string{good + "?x=1"}, 0, reason.ClientNoProfile},
		{"an empty query", []string{good + "?"}, 0, reason.ClientNoProfile},
		{"a fragment", []string{good + "#f"}, 0, reason.ClientBadRedirect},
		{"another port", []string{"https://claude.ai:444/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"the default port written out", []string{"https://claude.ai:443/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"http", []string{"http://claude.ai/api/mcp/auth_callback"}, 0, reason.ClientBadRedirect},
		{"user information", []string{"https://user@claude.ai/api/mcp/auth_callback"}, 0, reason.ClientBadRedirect},
		{"a host in capitals", []string{"https://CLAUDE.ai/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a path in capitals", []string{"https://claude.ai/API/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a percent-encoded path", []string{"https://claude.ai/%61pi/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a path with dots", []string{"https://claude.ai/x/../api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a scheme in capitals", []string{"HTTPS://claude.ai/api/mcp/auth_callback"}, 0, reason.ClientNoProfile},
		{"a ChatGPT connector without id", []string{"https://chatgpt.com/connector/oauth/"}, 0, reason.ClientNoProfile},
		{"a name under localhost", []string{"http://localhost.evil.example:1/callback"}, 0, reason.ClientBadRedirect},
		{"a loopback path of nobody", []string{"http://127.0.0.1:1/other"}, 0, reason.ClientNoProfile},
		{"a loopback path with a slash too many", []string{"http://127.0.0.1:1/callback/"}, 0, reason.ClientNoProfile},
		{"a loopback path with a query", []string{"http://127.0.0.1:1/callback?x=1"}, 0, reason.ClientNoProfile},
		{"a loopback path in another encoding", []string{"http://127.0.0.1:1/%63allback"}, 0, reason.ClientNoProfile},
		{"https on loopback", []string{"https://127.0.0.1:1/callback"}, 0, reason.ClientNoProfile},
		{"all interfaces", []string{"http://0.0.0.0:1/callback"}, 0, reason.ClientBadRedirect},
		{"a short form of the address", []string{"http://127.1:1/callback"}, 0, reason.ClientBadRedirect},
		{"another loopback address", []string{"http://127.0.0.2:1/callback"}, 0, reason.ClientBadRedirect},
		{"a decimal address", []string{"http://2130706433/callback"}, 0, reason.ClientBadRedirect},
		{"a mapped address", []string{"http://[::ffff:127.0.0.1]/callback"}, 0, reason.ClientBadRedirect},
		{"localhost in capitals", []string{"http://LOCALHOST/callback"}, 0, reason.ClientBadRedirect},
		{"user information before a foreign host", []string{"http://127.0.0.1:1@evil.example/callback"}, 0, reason.ClientBadRedirect},
		{"a port that is none", []string{"http://127.0.0.1:99999/callback"}, 0, reason.ClientNoProfile},
		{"a port with a leading zero", []string{"http://127.0.0.1:080/callback"}, 0, reason.ClientNoProfile},
		{"script", []string{"javascript:alert(1)"}, 0, reason.ClientBadRedirect},
		{"data", []string{"data:text/html,x"}, 0, reason.ClientBadRedirect},
		{"a control character", []string{"https://claude.ai/api/mcp/auth_callback\n"}, 0, reason.ClientBadRedirect},
		{"a private scheme alone, though listed", []string{"claude://claude.ai/mcp-auth-callback/sdk"}, 0, reason.ClientBadRedirect},
		{"a private scheme that nobody lists", []string{"http://localhost/callback", "evil://x"}, 1, reason.ClientNoProfile},
		{"a private scheme that another profile lists", []string{"http://localhost/callback", "acme://oauth/callback"}, 1, reason.ClientNoProfile},
		{"one stranger among good ones", []string{good, "https://claude.com/api/mcp/auth_callback", "https://evil.example/cb"}, 2, reason.ClientNoProfile},
		{"addresses of two products", []string{good, "https://chatgpt.com/connector_platform_oauth_redirect"}, 1, reason.ClientNoProfile},
		{"a hosted product's address beside a loopback one of another", []string{good, "http://localhost:1/callback"}, 1, reason.ClientNoProfile},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := r.Match(c.redirects)
			var refused *client.RedirectError
			if !errors.As(err, &refused) {
				t.Fatalf("matched %q, error %v", m.Profile.ID, err)
			}
			if refused.Reason != c.why || refused.Index != c.index {
				t.Errorf("refused entry %d for %s (%v), want entry %d for %s", refused.Index, refused.Reason, err, c.index, c.why)
			}
			if len(c.redirects) > 0 && refused.URI != c.redirects[c.index] {
				t.Errorf("named %q", refused.URI)
			}
		})
	}
}

func TestPreferenceDecidesAmongProfilesThatFitEqually(t *testing.T) {
	r := registry(t)
	redirects := []string{"http://localhost:6274/oauth/callback"}
	is := func(ids ...string) func(client.Profile) bool {
		return func(p client.Profile) bool { return slices.Contains(ids, p.ID) }
	}
	cases := []struct {
		name   string
		prefer []func(client.Profile) bool
		want   string
	}{
		{"the one whose usual port it is without preference", nil, "mcp-inspector"},
		{"the preferred one", []func(client.Profile) bool{is("mcp-remote")}, "mcp-remote"},
		{"the one whose usual port it is when the preference fits none", []func(client.Profile) bool{is("claude")}, "mcp-inspector"},
		{"the second preference when the first fits both", []func(client.Profile) bool{is("mcp-remote", "mcp-inspector"), is("mcp-remote")}, "mcp-remote"},
		{"the first preference before the second", []func(client.Profile) bool{is("mcp-inspector"), is("mcp-remote")}, "mcp-inspector"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := r.Match(redirects, c.prefer...)
			if err != nil || m.Profile.ID != c.want {
				t.Errorf("%q, %v, want %q", m.Profile.ID, err, c.want)
			}
		})
	}
	if _, err := r.Match([]string{"https://evil.example/"}, is("claude")); err == nil {
		t.Error("a preference admitted what no redirect URI did")
	}
}

func TestNameOfAClientIsTheProductsOrMarked(t *testing.T) {
	r := registry(t)
	for _, c := range []struct{ profile, name, want string }{
		{"claude", "", "Claude"},
		{"claude", "Claude", "Claude"},
		{"claude", "CLAUDE", "Claude"},
		{"claude", "Claude Code", "Claude Code (unverified)"},
		{"claude-code", "Claude Code (my server)", "Claude Code"},
		{"claude-code", "Claude Code, really", "Claude Code, really (unverified)"},
		{"claude-code", "Claude", "Claude (unverified)"},
		{"claude-code", "Сlaude Code", "Сlaude Code (unverified)"}, // the first letter is Cyrillic
		{"mcp-remote", "MCP CLI Proxy", "mcp-remote"},
		{"mcp-inspector", "MCP CLI Proxy", "MCP CLI Proxy (unverified)"},
		{"vscode", "Visual Studio Code - Insiders", "Visual Studio Code"},
	} {
		t.Run(c.profile+" called "+c.name, func(t *testing.T) {
			p, _ := r.Profile(c.profile)
			if got := p.DisplayName(c.name); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTextThatDeceivesIsNotClean(t *testing.T) {
	for name, s := range map[string]string{
		"a line end": "a\nb", "a tab": "a\tb", "a zero byte": "a\x00b", "an override of direction": "a\u202eb", "an isolate": "a\u2066b", "a mark of direction": "a\u200fb",
		"a zero-width space": "a\u200bb", "a zero-width joiner": "a\u200db", "a byte order mark": "\ufeffa", "an invisible letter": "a\u3164b", "a soft hyphen": "a\u00adb",
		"a line separator": "a\u2028b", "a private character": "a\ue000b", "a tag": "a\U000e0041b", "broken UTF-8": "a\xff", "101 characters": strings.Repeat("é", 101),
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := client.CleanText(s); ok {
				t.Errorf("shown as %q", got)
			}
		})
	}
	for in, want := range map[string]string{"  My \u00a0 App ": "My App", "e\u0301": "é", strings.Repeat("e\u0301", 100): strings.Repeat("é", 100), "日本 ❤️": "日本 ❤️", "": ""} {
		if got, ok := client.CleanText(in); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{
		"https://claude.ai/api/mcp/auth_callback", "http://127.0.0.1:1/callback", "http://[::1]:80/oauth/callback", "http://127.0.0.1:1@evil/", "http://localhost:/",
		"http://localhost:3000", "https://acme-be.glean.com/tools/oauth/verify_code", "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://127.0.0.1:1/callback/tyPCpJ23Vgm7",
		"javascript:x", "claude://claude.ai/mcp-auth-callback/sdk", "http://127.0.0.1:1/callback?x", "http://LOCALHOST/",
	} {
		f.Add(s)
	}
	r := registry(f)
	f.Fuzz(func(t *testing.T, uri string) {
		m, err := r.Match([]string{uri})
		if err != nil {
			if refused := (*client.RedirectError)(nil); !errors.As(err, &refused) || refused.Reason == reason.None {
				t.Fatalf("error without reason: %v", err)
			}
			return
		}
		if !slices.Equal(m.Admitted, []string{uri}) {
			t.Fatalf("admitted %q", m.Admitted)
		}
		if slices.Contains(m.Profile.RedirectURIs, uri) {
			return
		}
		// What is not listed is an app on this computer, at one of few paths.
		rest, ok := strings.CutPrefix(uri, "http://")
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			slash = len(rest)
		}
		if !ok || !oauth.IsLoopbackRedirect(uri) || !slices.Contains(m.Profile.LoopbackPaths, rest[slash:]) {
			t.Fatalf("profile %s admitted %q", m.Profile.ID, uri)
		}
		host := strings.TrimRight(rest[:slash], "0123456789")
		if !slices.Contains([]string{"localhost", "localhost:", "127.0.0.1:", "127.0.0.", "[::1]", "[::1]:"}, host) {
			t.Fatalf("admitted the host of %q", uri)
		}
	})
}
