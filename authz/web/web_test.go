package web_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

var update = flag.Bool("update", false, "write the golden files")

func newPages(t testing.TB) *web.Pages {
	t.Helper()
	p, err := web.New(web.Config{Product: "Acme Gateway"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://auth.example/page", nil)
	return r.WithContext(httpx.WithRequestID(r.Context(), "req-1"))
}

// hostile is text as an attacker would register it.
const hostile = "<script>alert(1)</script>\u202egnp.exe\x00\"'&"

func consent() web.Consent {
	return web.Consent{
		Request: "the-request", CSRF: "the-token", Assistant: "Claude", Verified: true, Profile: "Claude",
		RedirectURI: "https://claude.ai/api/mcp/auth_callback", Account: "ann@acme.com",
		Resource: "Acme App Store", ResourceURL: "https://api.acme.com/mcp/appstore",
		Asks: []web.ConsentScope{
			{Title: "View apps and your access requests", Role: web.RoleAllowsAll},
			{Title: "Submit access requests on your behalf", Role: web.RoleAllowsNothing},
		},
		ManageURL: "https://auth.acme.com/agents",
	}
}

// pages are all pages in their variants, by the name of their golden file.
var pages = map[string]func(p *web.Pages, w http.ResponseWriter, r *http.Request){
	"signin": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.SignIn(w, r, web.SignIn{Transaction: "tx", CSRF: "token", Assistant: "Claude"})
	},
	"signin_not_found": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.SignIn(w, r, web.SignIn{Transaction: "tx", CSRF: "token", Assistant: "Claude", Email: "ann@nowhere.com", NotFound: true})
	},
	"too_many": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.TooMany(w, r, reason.LimitSignIns, 1500*time.Millisecond)
	},
	"provider": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.ToProvider(w, r, "https://acme.okta.com/authorize?client_id=x&state=a%22b")
	},
	"consent_verified": func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.Consent(w, r, consent()) },
	"consent_loopback": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		v := consent()
		v.Assistant, v.Profile, v.Verified, v.Loopback = "Claude Code", "Claude Code", false, true
		v.RedirectURI, v.ManageURL = "http://127.0.0.1:58135/callback", ""
		v.Asks, v.DoesNotAsk = v.Asks[:1], []string{"Submit access requests on your behalf"}
		p.Consent(w, r, v)
	},
	"consent_unverified": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		v := consent()
		v.Verified, v.Profile, v.Assistant, v.RedirectURI = false, "", "Claude (unverified)", "https://agents.example/cb?x=1"
		v.Asks = []web.ConsentScope{{Title: "View apps and your access requests", Role: web.RoleAllowsPart}}
		p.Consent(w, r, v)
	},
	"consent_hostile": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		v := consent()
		v.Assistant, v.Profile, v.Account, v.Resource, v.Verified = hostile, hostile, hostile, hostile, false
		v.RedirectURI, v.ResourceURL = "https://evil.example/"+hostile, hostile
		p.Consent(w, r, v)
	},
	"leaving_approved": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.Leaving(w, r, web.Leaving{Assistant: "Claude", Approved: true, Target: `https://claude.ai/cb?code=c&state=a%22%3Eb;x='&iss=https%3A%2F%2Fi`})
	},
	"leaving_denied_loopback": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.Leaving(w, r, web.Leaving{Assistant: "Claude Code", Loopback: true, Target: "http://127.0.0.1:1/cb?error=access_denied"})
	},
	"leaving_private_scheme": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.Leaving(w, r, web.Leaving{Assistant: "Cursor", Approved: true, Target: "cursor://anysphere.cursor-mcp/oauth/callback?code=c"})
	},
	"fault": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.Fault(w, r, web.Fault{
			Status: http.StatusBadRequest, Reason: reason.ClientBadRedirect, Title: "The assistant's address is not registered",
			What: "What happened.", Todo: "What to do.", Retry: "/signin?tx=1", Account: "ann@acme.com",
			Facts: []web.Fact{{Name: "Received", Values: []string{hostile}}, {Name: "Registered"}},
		})
	},
	"foreign_form": func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.ForeignForm(w, r) },
	"expired":      func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.Expired(w, r) },
	"unavailable": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.Unavailable(w, r, reason.StoreUnavailable, nil, "/signin?tx=1")
	},
	"start_again": func(p *web.Pages, w http.ResponseWriter, r *http.Request) {
		p.StartAgain(w, r, reason.AuditUnavailable, nil)
	},
	"signout":        func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.SignOut(w, r, "ann@acme.com") },
	"signout_nobody": func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.SignOut(w, r, "") },
	"signedout":      func(p *web.Pages, w http.ResponseWriter, r *http.Request) { p.SignedOut(w, r) },
}

var stylesheet = regexp.MustCompile(`/assets/style\.[0-9a-f]+\.css`)

func TestPagesAreAsInTheirGoldenFiles(t *testing.T) {
	p := newPages(t)
	for name, show := range pages {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			show(p, rec, request())
			got := stylesheet.ReplaceAllString(rec.Body.String(), "/assets/style.HASH.css")
			path := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("page (-want +got), write it with -update:\n%s", diff)
			}
		})
	}
}

// What must hold on every page, whatever it says.
func TestEveryPageIsCleanAndGuarded(t *testing.T) {
	p := newPages(t)
	for name, show := range pages {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			show(p, rec, request())
			body := rec.Body.String()
			policy := "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
			if !strings.HasPrefix(name, "consent") {
				policy += "; form-action 'self'"
			}
			for header, want := range map[string]string{
				"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
				"Content-Type": "text/html; charset=utf-8",
			} {
				if got := rec.Header().Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			if rec.Header().Get("Permissions-Policy") == "" {
				t.Error("no Permissions-Policy")
			}
			for _, bad := range []string{"<script", "javascript:", " style=", " onclick", "\u202e", "\x00", "ZgotmplZ", "#ZgotmplZ"} {
				if strings.Contains(body, bad) {
					t.Errorf("the page holds %q", bad)
				}
			}
			// For people who use a keyboard or a screen reader.
			if strings.Count(body, "<h1>") != 1 || strings.Count(body, "<main") != 1 || !strings.Contains(body, `<html lang="en">`) {
				t.Error("want one heading, one main landmark and a language")
			}
			for _, id := range regexp.MustCompile(`aria-(?:labelledby|describedby)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
				if !strings.Contains(body, `id="`+id[1]+`"`) {
					t.Errorf("aria refers to %q, which is not there", id[1])
				}
			}
			for _, input := range regexp.MustCompile(`<input id="([^"]+)"`).FindAllStringSubmatch(body, -1) {
				if !strings.Contains(body, `<label for="`+input[1]+`">`) {
					t.Errorf("input %q has no label", input[1])
				}
			}
			if !strings.Contains(body, "req-1") {
				t.Error("the page does not show the request number")
			}
		})
	}
}

func TestCleanMakesTextFitToBeShown(t *testing.T) {
	tests := []struct {
		name, give, want string
		limit            int
	}{
		{"plain text stays", "Claude Code", "Claude Code", 100},
		{"letters of other scripts stay", "Ägypten 漢字", "Ägypten 漢字", 100},
		{"direction overrides go", "exe\u202egnp\u2066\u200f", "exegnp", 100},
		{"zero-width characters go", "Cla\u200bu\u200dde\ufeff", "Claude", 100},
		{"control characters go", "a\x00b\x1b[31mc\u0085d", "ab[31mc d", 100},
		{"white space is one space", " a \t\r\n\u2028 b ", "a b", 100},
		{"broken UTF-8 is shown as such", "a\xffb", "a\uFFFDb", 100},
		{"long text is cut", "abcdef", "abc…", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := web.Clean(tt.give, tt.limit); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheStylesheetIsNamedByItsContentAndCachedForEver(t *testing.T) {
	p := newPages(t)
	rec := httptest.NewRecorder()
	p.SignedOut(rec, request())
	path := stylesheet.FindString(rec.Body.String())
	tests := []struct {
		name, method, path string
		status             int
		cache              string
	}{
		{"the name in the page answers", http.MethodGet, path, http.StatusOK, "public, max-age=31536000, immutable"},
		{"HEAD answers too", http.MethodHead, path, http.StatusOK, "public, max-age=31536000, immutable"},
		{"another name is not found and not cached", http.MethodGet, "/assets/style.0000.css", http.StatusNotFound, "no-store"},
		{"other methods are refused", http.MethodPost, path, http.StatusMethodNotAllowed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			p.Assets().ServeHTTP(rec, httptest.NewRequest(tt.method, "https://auth.example"+tt.path, nil))
			if rec.Code != tt.status || rec.Header().Get("Cache-Control") != tt.cache {
				t.Errorf("got %d, %q; want %d, %q", rec.Code, rec.Header().Get("Cache-Control"), tt.status, tt.cache)
			}
			if rec.Code == http.StatusOK && rec.Header().Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("Content-Type is %q", rec.Header().Get("Content-Type"))
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add(hostile, 10)
	f.Add("00 0", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0xff+0x100)%0x100
		got := web.Clean(s, limit)
		if n := len([]rune(got)); n > limit+2 { // a space and the ellipsis
			t.Errorf("%d characters, limit %d", n, limit)
		}
		if strings.ContainsAny(got, "\r\n\t\x00\x1b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f") || strings.Contains(got, "  ") {
			t.Errorf("got %q", got)
		}
	})
}
