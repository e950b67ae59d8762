package flowtest

import (
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// What the outermost layer knows about every request of a Browser.
const (
	RequestID = "request-of-the-test"
	ClientIP  = "192.0.2.7"
)

// Browser is a browser with its cookies. Every answer is checked for what holds
// everywhere: security headers, no caching, cookies that only this host and no
// script can read.
type Browser struct {
	t       testing.TB
	g       *Gateway
	Cookies map[string]string
}

// Browser returns a browser without cookies.
func (g *Gateway) Browser(t testing.TB) *Browser {
	return &Browser{t: t, g: g, Cookies: map[string]string{}}
}

// Clone returns a browser with the same cookies.
func (b *Browser) Clone() *Browser {
	return &Browser{t: b.t, g: b.g, Cookies: maps.Clone(b.Cookies)}
}

// Page is an answer.
type Page struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

// Get asks for a path.
func (b *Browser) Get(path string) Page { return b.Do(http.MethodGet, path, nil, nil) }

// Post sends a form as our own page does.
func (b *Browser) Post(path string, form url.Values) Page {
	return b.Do(http.MethodPost, path, form, http.Header{"Sec-Fetch-Site": {"same-origin"}})
}

// Do sends a request and keeps the answer's cookies.
func (b *Browser) Do(method, path string, form url.Values, header http.Header) Page {
	b.t.Helper()
	ctx := httpx.WithClientIP(httpx.WithRequestID(b.t.Context(), RequestID), ClientIP)
	r := httptest.NewRequestWithContext(ctx, method, Issuer+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, header)
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.g.Handler.ServeHTTP(rec, r)
	resp := rec.Result()
	b.check(method, path, resp)
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.Cookies, c.Name)
			continue
		}
		b.Cookies[c.Name] = c.Value
		b.g.secrets.issue(c.Value)
	}
	page := Page{Status: resp.StatusCode, Header: resp.Header, Body: rec.Body.String(), Location: resp.Header.Get("Location")}
	_, params := page.Target()
	for _, secret := range []string{page.Form().Get("csrf"), params.Get("code"), params.Get("state")} {
		b.g.secrets.issue(secret)
	}
	return page
}

func (b *Browser) check(method, path string, resp *http.Response) {
	b.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := resp.Header.Get(name); got != want {
			b.t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
		}
	}
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		b.t.Errorf("%s %s: Content-Security-Policy is %q", method, path, csp)
	}
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			b.t.Errorf("%s %s: pages have no CORS, got %s", method, path, name)
		}
	}
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			b.t.Errorf("%s %s: cookie %s is not confined to this host: %s", method, path, c.Name, c.Raw)
		}
	}
}

// Authorization is a complete authorization request of the client "claude", with
// changes: pairs of name and value, where the value "-" leaves the parameter out.
func Authorization(changes ...string) string {
	query := url.Values{
		"client_id": {"claude"}, "redirect_uri": {ClaudeRedirect}, "response_type": {"code"}, "state": {"the state"},
		"code_challenge": {Challenge}, "code_challenge_method": {"S256"}, "resource": {Resource}, "scope": {"appstore:read appstore:request"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if query.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			query.Del(changes[i])
		}
	}
	return "/authorize?" + query.Encode()
}

// Follow gets the page to which our own redirects lead, up to one that leads
// elsewhere.
func (b *Browser) Follow(p Page) Page {
	b.t.Helper()
	for range 10 {
		if !strings.HasPrefix(p.Location, "/") {
			return p
		}
		p = b.Get(p.Location)
	}
	b.t.Fatalf("redirects go round in circles at %q", p.Location)
	return p
}

// SignIn sends an authorization request and signs who in at acme.com's provider.
// It returns what comes then: the consent page, or a refusal.
func (b *Browser) SignIn(authorization string, who idp.Identity) Page {
	b.t.Helper()
	p := b.Follow(b.Get(authorization))
	if !strings.HasPrefix(p.Location, "https://idp."+Domain+"/") {
		b.t.Fatalf("want the way to the identity provider, got %d %q %s", p.Status, p.Location, p.Title())
	}
	return b.Follow(b.Return(Domain, who))
}

// Return comes back from a domain's provider, signed in as who.
func (b *Browser) Return(domain string, who idp.Identity) Page {
	b.t.Helper()
	provider := b.g.IdPs[domain]
	query := url.Values{"state": {provider.Last().State}, "code": {provider.Grant(who)}}
	return b.Get("/callback/" + domain + "?" + query.Encode())
}

var (
	titleOf  = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)
	tagOf    = regexp.MustCompile(`<[^>]*>`)
	hiddenOf = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)
	leaveOf  = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)">`)
	layerOf  = regexp.MustCompile(`(?:Refused by: [^(]*\(|Fault: )<code>([^<]*)</code>`)
)

// Title returns the page's heading.
func (p Page) Title() string {
	if m := titleOf.FindStringSubmatch(p.Body); m != nil {
		return html.UnescapeString(tagOf.ReplaceAllString(m[1], ""))
	}
	return ""
}

// Text returns the page without its tags.
func (p Page) Text() string {
	return strings.Join(strings.Fields(html.UnescapeString(tagOf.ReplaceAllString(p.Body, " "))), " ")
}

// Reason returns the reason that an error page shows.
func (p Page) Reason() string {
	if m := layerOf.FindStringSubmatch(p.Body); m != nil {
		return m[1]
	}
	return ""
}

// Form returns the hidden fields of the page, with changes as in Authorization.
func (p Page) Form(changes ...string) url.Values {
	form := url.Values{}
	for _, m := range hiddenOf.FindAllStringSubmatch(p.Body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if form.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			form.Del(changes[i])
		}
	}
	return form
}

// Target returns where the page or redirect leads: the redirect URI without
// query, and the parameters.
func (p Page) Target() (base string, params url.Values) {
	target := p.Location
	if m := leaveOf.FindStringSubmatch(p.Body); m != nil {
		target = html.UnescapeString(m[1])
	}
	base, query, _ := strings.Cut(target, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return base, nil
	}
	return base, params
}
