package oauth_test

import (
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

func TestMatchRedirectURI(t *testing.T) {
	const claude = "https://claude.ai/api/mcp/auth_callback"
	for _, c := range []struct {
		name, registered, presented string
		want                        bool
	}{
		{"the same string matches", claude, claude, true},
		{"a trailing slash is another address", claude, claude + "/", false},
		{"an added query is another address", claude, claude + "?x=1", false},
		{"an added fragment is refused", claude, claude + "#f", false},
		{"another https port is another address", claude, "https://claude.ai:444/api/mcp/auth_callback", false},
		{"the default port spelled out is another string", claude, "https://claude.ai:443/api/mcp/auth_callback", false},
		{"http is not https", claude, "http://claude.ai/api/mcp/auth_callback", false},
		{"a host that only begins alike is another host", claude, "https://claude.ai.evil.example/api/mcp/auth_callback", false},
		{"upper-case host is another string", claude, "https://CLAUDE.ai/api/mcp/auth_callback", false},
		{"percent-encoding is another string", claude, "https://claude.ai/api/mcp/auth_%63allback", false},
		{"user information is refused", claude, "https://user@claude.ai/api/mcp/auth_callback", false},
		{"user information is refused even if registered", "https://u@a.example/cb", "https://u@a.example/cb", false},
		{"a missing trailing slash is another address", "https://grok.com/connectors-oauth-exchange-code/", "https://grok.com/connectors-oauth-exchange-code", false},

		{"the port of localhost may differ", "http://localhost/callback", "http://localhost:58135/callback", true},
		{"a registered port may differ too", "http://127.0.0.1:33418/", "http://127.0.0.1:59656/", true},
		{"the port of the IPv6 loopback may differ", "http://[::1]/cb", "http://[::1]:4711/cb", true},
		{"a loopback path must be the same", "http://127.0.0.1/callback", "http://127.0.0.1:1/other", false},
		{"a loopback query must be the same", "http://127.0.0.1/callback", "http://127.0.0.1:1/callback?a=b", false},
		{"an empty path is not a slash", "http://127.0.0.1/", "http://127.0.0.1:33418", false},
		{"localhost is not 127.0.0.1", "http://localhost/callback", "http://127.0.0.1:1/callback", false},
		{"127.0.0.1 is not [::1]", "http://127.0.0.1/callback", "http://[::1]:1/callback", false},
		{"another name below localhost is another host", "http://localhost/callback", "http://localhost.evil.example:1/callback", false},
		{"a port cannot smuggle user information", "http://127.0.0.1/", "http://127.0.0.1:1@evil.example/", false},
		{"0.0.0.0 is not loopback", "http://127.0.0.1/callback", "http://0.0.0.0:1/callback", false},
		{"a short form of the address is not loopback", "http://127.0.0.1/callback", "http://127.1:1/callback", false},
		{"a decimal address is not loopback", "http://127.0.0.1/callback", "http://2130706433:1/callback", false},
		{"port zero is refused", "http://127.0.0.1/callback", "http://127.0.0.1:0/callback", false},
		{"a port with a leading zero is refused", "http://127.0.0.1/callback", "http://127.0.0.1:080/callback", false},
		{"a port over 65535 is refused", "http://127.0.0.1/callback", "http://127.0.0.1:65536/callback", false},
		{"an empty port is refused", "http://127.0.0.1/callback", "http://127.0.0.1:/callback", false},
		{"the scheme in capitals is another string", "http://127.0.0.1/callback", "HTTP://127.0.0.1:1/callback", false},
		{"the host in capitals is another string", "http://localhost/callback", "http://LOCALHOST:1/callback", false},
		{"the exception is for http, not https", "https://localhost/callback", "https://localhost:1/callback", false},
		{"a backslash is refused", "http://localhost/callback", `http://localhost:1\callback`, false},
		{"a private scheme matches exactly", "cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback", true},
		{"a private scheme has no port exception", "cursor://anysphere/cb", "cursor://anysphere:1/cb", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := oauth.MatchRedirectURI(c.registered, c.presented); got != c.want {
				t.Errorf("MatchRedirectURI(%q, %q) = %v", c.registered, c.presented, got)
			}
		})
	}
}

func TestParseRedirectURIRefusesWhatLeadsToNoClient(t *testing.T) {
	for _, s := range []string{
		"", "/cb", "//a.example/cb", "https:///cb", "https://", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:https://a.example/1", "about:blank", "mailto:a@a.example", "ws://127.0.0.1/", "http://a.example/cb", "http://10.0.0.1/cb", "https://a.example/cb#", "https://a.example/cb#x",
		"https://u:p@a.example/cb", "https://a.example/c b", "https://a.example/c\r\nb", "https://a.example/\x00", "https://exämple.com/", `https://a.example\cb`, "https://a.example/" + strings.Repeat("a", oauth.MaxRedirectURI),
	} {
		if _, err := oauth.ParseRedirectURI(s); err == nil {
			t.Errorf("ParseRedirectURI(%.60q) was accepted", s)
		}
	}
}

// FuzzMatchRedirectURI looks for a presented address that matches a registered
// one and leads elsewhere.
func FuzzMatchRedirectURI(f *testing.F) {
	f.Add("http://127.0.0.1/callback", "http://127.0.0.1:1@evil.example/callback")
	f.Add("https://claude.ai/cb", "https://claude.ai/cb")
	f.Add("http://[::1]/cb", "http://[::1]:5/cb")
	f.Fuzz(func(t *testing.T, registered, presented string) {
		if !oauth.MatchRedirectURI(registered, presented) {
			return
		}
		a, errA := oauth.ParseRedirectURI(registered)
		b, errB := oauth.ParseRedirectURI(presented)
		if errA != nil || errB != nil {
			t.Fatalf("matched a URI that is none: %v, %v", errA, errB)
		}
		if a.Scheme != b.Scheme || a.Hostname() != b.Hostname() || a.EscapedPath() != b.EscapedPath() || a.RawQuery != b.RawQuery {
			t.Fatalf("%q and %q lead to different places", registered, presented)
		}
		if a.Port() != b.Port() && !oauth.IsLoopbackRedirect(presented) {
			t.Fatalf("the port of %q may not differ", presented)
		}
	})
}
