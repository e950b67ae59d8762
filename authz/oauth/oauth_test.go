package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

func TestPKCEVectorOfRFC7636AppendixB(t *testing.T) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if !oauth.ValidVerifier(verifier) || !oauth.ValidChallenge(challenge) || !oauth.VerifierMatches(verifier, challenge) {
		t.Fatal("the RFC's own pair is refused")
	}
	if oauth.VerifierMatches(verifier+"x", challenge) || oauth.VerifierMatches(challenge, challenge) {
		t.Fatal("another verifier matches")
	}
}

func TestValidChallengeAndVerifier(t *testing.T) {
	ok43 := strings.Repeat("A", 43)
	for _, c := range []struct {
		name                string
		s                   string
		challenge, verifier bool
	}{
		{"43 characters are both", ok43, true, true},
		{"42 are too few", ok43[1:], false, false},
		{"44 are no S256 challenge", ok43 + "A", false, true},
		{"128 are the longest verifier", strings.Repeat("a", 128), false, true},
		{"129 are too many", strings.Repeat("a", 129), false, false},
		{"padding is refused", ok43[1:] + "=", false, false},
		{"stray bits in the last character are refused", ok43[1:] + "B", false, true},
		{"the other base64 alphabet is refused", ok43[1:] + "+", false, false},
		{"a dot is for verifiers only", ok43[1:] + ".", false, true},
		{"a line feed is refused", ok43[1:] + "\n", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := oauth.ValidChallenge(c.s); got != c.challenge {
				t.Errorf("ValidChallenge = %v", got)
			}
			if got := oauth.ValidVerifier(c.s); got != c.verifier {
				t.Errorf("ValidVerifier = %v", got)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	got, ok := oauth.ParseScopes("b a  a")
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || !ok {
		t.Error(diff, ok)
	}
	for _, bad := range []string{`a"b`, `a\b`, "a\tb", "a\nb", "ä", strings.Repeat("a ", 30) + "\x7f"} {
		if _, ok := oauth.ParseScopes(bad); ok {
			t.Errorf("ParseScopes(%q) was accepted", bad)
		}
	}
	if !oauth.Covers([]string{"a", "b"}, []string{"b"}) || oauth.Covers([]string{"a"}, []string{"a", "b"}) {
		t.Error("Covers is wrong")
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, oauth.Union([]string{"c", "a"}, []string{"b", "a"})); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseScopes(f *testing.F) {
	f.Add("appstore:read offline_access")
	f.Add("a\"b \x00")
	f.Fuzz(func(t *testing.T, s string) {
		scopes, ok := oauth.ParseScopes(s)
		if !ok {
			return
		}
		again, ok := oauth.ParseScopes(oauth.FormatScopes(scopes))
		if diff := cmp.Diff(scopes, again); !ok || len(scopes) > 0 && diff != "" {
			t.Fatalf("%q does not survive the wire: %s", s, diff)
		}
	})
}

func TestCanonicalResource(t *testing.T) {
	const want = "https://api.lumos.com/mcp/appstore"
	for in, ok := range map[string]bool{
		want: true, "HTTPS://API.lumos.com/mcp/appstore": true, "https://api.lumos.com:443/mcp/appstore": true,
		"https://api.lumos.com/mcp/appstore/": true, "HTTPS://API.LUMOS.COM:443/mcp/appstore/": true, "https://api.lumos.com/mcp/appstore//": false,
		"https://api.lumos.com//mcp/appstore": false, "https://api.lumos.com/mcp": false, "https://api.lumos.com/mcp/appstore-other": false, "https://api.lumos.com/mcp/appstore%2F": false,
		"https://api.lumos.com:80/mcp/appstore": false, "http://api.lumos.com/mcp/appstore": false, "https://api.lumos.com./mcp/appstore": false, "https://api.lumos.com/MCP/appstore": false, "https://api.lumos.com/mcp/appstore?x": false,
	} {
		if got, err := oauth.CanonicalResource(in); (got == want) != ok || err != nil {
			t.Errorf("CanonicalResource(%q) = %q, %v", in, got, err)
		}
	}
	if got, _ := oauth.CanonicalResource("https://a.example/"); got != "https://a.example" {
		t.Errorf("a slash alone is kept: %q", got)
	}
	for _, bad := range []string{"", "a.example", "/x", "https://a.example/#", "https://a.example/#f", "ftp://a.example", "https://u@a.example/", "https://a.example/ x", "urn:x:y"} {
		if got, err := oauth.CanonicalResource(bad); err == nil {
			t.Errorf("CanonicalResource(%q) = %q", bad, got)
		}
	}
}

func TestParseForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, method, contentType, body string
		status                          int // 0 = accepted
	}{
		{"a form is read", "POST", form, "a=1&b=2", 0},
		{"a charset is tolerated", "POST", form + "; charset=UTF-8", "a=1", 0},
		{"GET is refused", "GET", form, "", 405},
		{"JSON is refused", "POST", "application/json", `{"a":1}`, 400},
		{"no content type is refused", "POST", "", "a=1", 400},
		{"a longer body is refused", "POST", form, "a=" + strings.Repeat("x", 2000), 413},
		{"too many parameters are refused", "POST", form, strings.Repeat("a=1&", 100), 400},
		{"a broken escape is refused", "POST", form, "a=%zz", 400},
		{"a semicolon is refused", "POST", form, "a=1;b=2", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/token?a=fromquery&q=1", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.contentType)
			p, e := oauth.ParseForm(httptest.NewRecorder(), r, 1000)
			switch {
			case c.status == 0 && e != nil:
				t.Fatal(e)
			case c.status != 0 && (e == nil || e.Status != c.status):
				t.Fatalf("got %v, want status %d", e, c.status)
			case c.status == 0 && (p.Get("a") != "1" || p.Get("q") != ""):
				t.Fatal("the query was mixed into the form")
			}
		})
	}
}

func TestRepeatedNamesTheParameter(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/authorize?a=1&b=2&b=3&c=1&c=1", nil)
	p, e := oauth.ParseQuery(r)
	if e != nil {
		t.Fatal(e)
	}
	if got := p.Repeated("a", "b"); got != "b" {
		t.Errorf("got %q", got)
	}
	if got := p.Repeated("a"); got != "" {
		t.Errorf("got %q for a parameter given once", got)
	}
}

func TestWriteErrorSaysNothingOfTheCause(t *testing.T) {
	w := httptest.NewRecorder()
	oauth.WriteError(w, oauth.Unavailable(http.ErrServerClosed))
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
	if strings.Contains(w.Body.String(), "Server closed") {
		t.Error("the cause went over the wire")
	}
}
