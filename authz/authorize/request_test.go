package authorize_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/policy"
)

func TestScopesThatTheResourceDoesNotHaveAreDropped(t *testing.T) {
	tests := []struct {
		name, scope string
		want        []string
	}{
		{"known scopes are asked for in the resource's order", "appstore:request appstore:read", []string{"appstore:read", "appstore:request"}},
		{"unknown scopes are dropped", "openid offline_access appstore:request", []string{"appstore:request"}},
		{"only unknown scopes mean the initial ones", "openid email profile", []string{"appstore:read"}},
		{"no scope means the initial ones", "-", []string{"appstore:read"}},
		{"an empty scope means the initial ones", "", []string{"appstore:read"}},
		{"a repeated scope counts once", "appstore:read appstore:read", []string{"appstore:read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			page := g.Browser(t).SignIn(flowtest.Authorization("scope", tt.scope), flowtest.Ann())
			a, err := g.Store.Approval(t.Context(), page.Form().Get("request"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, a.Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResourceIsComparedInItsCanonicalForm(t *testing.T) {
	second := flowtest.DefaultPolicy()
	second.Resources = append(second.Resources, policy.Resource{URL: "https://other.example", Scopes: second.Resources[0].Scopes, InitialScopes: second.Resources[0].InitialScopes})
	tests := []struct {
		name     string
		cfg      policy.Config
		resource string
		want     string // "" = invalid_target
	}{
		{"the spelling of scheme and host does not matter", second, "HTTPS://API.Example:443/mcp/appstore", flowtest.Resource},
		{"a slash alone as path does not matter", second, "https://other.example/", "https://other.example"},
		{"a slash at the end does not matter", second, flowtest.Resource + "/", flowtest.Resource},
		{"two slashes at the end do", second, flowtest.Resource + "//", ""},
		{"a sibling is another resource", second, flowtest.Resource + "-other", ""},
		{"the spelling of the path matters", second, "https://api.example/MCP/appstore", ""},
		{"a longer path is another resource", second, flowtest.Resource + "/x", ""},
		{"a prefix is another resource", second, "https://api.example/mcp", ""},
		{"without a resource the only one is meant", flowtest.DefaultPolicy(), "-", flowtest.Resource},
		{"without a resource and with several there is no target", second, "-", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, tt.cfg)
			page := g.Browser(t).SignIn(flowtest.Authorization("resource", tt.resource), flowtest.Ann())
			if tt.want == "" {
				if _, params := page.Target(); params.Get("error") != "invalid_target" {
					t.Errorf("got %d %v, want invalid_target", page.Status, params)
				}
				return
			}
			a, err := g.Store.Approval(t.Context(), page.Form().Get("request"))
			if err != nil || a.Resource != tt.want {
				t.Errorf("resource is %q (%v), want %q", a.Resource, err, tt.want)
			}
		})
	}
}

func TestParametersThatAreNotOursAreIgnored(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	path := flowtest.Authorization("access_type", "offline", "actor", "user", "prompt", "consent", "response_mode", "query", "nonce", "n")
	page := g.Browser(t).SignIn(path+"&audience=a&audience=b", flowtest.Ann())
	if page.Status != http.StatusOK || !strings.HasPrefix(page.Title(), "Allow Claude") {
		t.Errorf("got %d %q, want the consent page", page.Status, page.Title())
	}
}

func TestAnAuthorizationRequestMakesNoRowBeforeTheSignIn(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	b := g.Browser(t)
	p := b.Get(flowtest.Authorization())
	g.Store.SetDown(true) // from here to the provider, the store is not needed
	if p = b.Follow(p); !strings.HasPrefix(p.Location, "https://idp.acme.com/") {
		t.Errorf("got %d %q, want the way to the identity provider", p.Status, p.Location)
	}
}

func TestAStoreThatIsDownIsAnError503AndNeverARefusal(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	g.Store.SetDown(true)
	p := g.Browser(t).Get(flowtest.Authorization())
	if p.Status != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || p.Location != "" {
		t.Errorf("got %d, Retry-After %q, want 503 with one", p.Status, p.Header.Get("Retry-After"))
	}
}

func TestAResponseKeepsTheQueryOfTheRedirectURI(t *testing.T) {
	tests := []struct {
		name string
		give authorize.Response
		want string
	}{
		{"a code, the state and the issuer are added", authorize.Response{RedirectURI: "https://a/cb", State: "s", Issuer: "https://i", Code: "c"}, "https://a/cb?code=c&state=s&iss=https%3A%2F%2Fi"},
		{"a query that is there stays", authorize.Response{RedirectURI: "https://a/cb?x=1", Issuer: "https://i", Code: "c"}, "https://a/cb?x=1&code=c&iss=https%3A%2F%2Fi"},
		{"an error says why", authorize.Response{RedirectURI: "app://cb", Issuer: "i", Error: oauth.AccessDenied, Description: "not now"}, "app://cb?error=access_denied&error_description=not+now&iss=i"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.give.URL(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzAuthorize sends any query: never a 5xx, and never a Location but to our
// own sign-in page.
func FuzzAuthorize(f *testing.F) {
	g := flowtest.New(f, flowtest.DefaultPolicy())
	for _, seed := range []string{
		flowtest.Authorization(), flowtest.Authorization("state", "\xff\x00"), flowtest.Authorization("redirect_uri", "https://claude.ai@evil.example/"),
		flowtest.Authorization("max_age", "99999999999999999999"), flowtest.Authorization("prompt", "none"), flowtest.Authorization("login_hint", "a@b"),
		flowtest.Authorization("client_id", "claude-code", "redirect_uri", "http://127.0.0.1:65536/callback"), "/authorize?client_id=claude&client_id=%00",
		flowtest.Authorization("state", strings.Repeat("\x80", 2048), "login_hint", strings.Repeat("h", 250), "redirect_uri", flowtest.CodeRedirect),
	} {
		_, query, _ := strings.Cut(seed, "?")
		f.Add(query)
	}
	allowed := []int{http.StatusSeeOther, http.StatusBadRequest}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			t.Skip("no query that a request line can hold")
		}
		p := g.Browser(t).Get("/authorize?" + query)
		if !slices.Contains(allowed, p.Status) {
			t.Fatalf("status %d for %q", p.Status, query)
		}
		if p.Location != "" && !strings.HasPrefix(p.Location, "/signin?tx=") {
			t.Fatalf("Location %q for %q", p.Location, query)
		}
	})
}
