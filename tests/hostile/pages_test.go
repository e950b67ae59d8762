package hostile_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestPages is about what all pages have in common.
func TestPages(t *testing.T) {
	start(t).run(t,
		part{"no page leads to another site [G7 H4 H29]", openRedirects},
		part{"no page is framed, cached or sniffed [G3 G6 C4 C5 C7 H7 H29 K37 E12]", pageHeaders},
	)
}

// openRedirects: return addresses from the query and poisoned proxy headers, as
// found in caddy-security by Trail of Bits.
func openRedirects(t *testing.T, w *world) {
	for _, path := range []string{
		"/signin?redirect=https://" + evil, "/signin?tx=//" + evil, "/signin?tx=https://" + evil, "/signout?redirect=//" + evil,
		"/signout?return_to=https://" + evil, "/consent?request=https://" + evil, "/callback/demo.example?state=x&redirect_url=//" + evil,
		"/callback/" + evil + "?state=x&code=y", "//" + evil + "/signin", "/signin/..//" + evil, `/\` + evil,
	} {
		t.Run(path, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				a := w.send(t, method, w.issuer+path, "", "Origin", w.issuer, "Sec-Fetch-Site", "same-origin", "Content-Type", formType)
				to := mustParse(t, a.Header.Get("Location"))
				if to.Host != "" && to.Host != host(w.issuer) || strings.HasPrefix(a.Header.Get("Location"), "//") {
					t.Errorf("%s leads to %s", method, to)
				}
				if strings.Contains(string(a.Body), `href="https://`+evil) || strings.Contains(string(a.Body), "url=https://"+evil) {
					t.Errorf("%s: the page leads to %s", method, evil)
				}
			}
		})
	}
	t.Run("a forwarded host is not believed", func(t *testing.T) {
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/authorize", "/signin", "/signout"} {
			a := w.send(t, http.MethodGet, w.issuer+path, "", "X-Forwarded-Host", evil, "X-Forwarded-Proto", "http", "Forwarded", "host="+evil, "X-Original-URL", "/admin", "X-Rewrite-URL", "/admin")
			if strings.Contains(string(a.Body), evil) || strings.Contains(a.Header.Get("Location"), evil) {
				t.Errorf("%s speaks of %s: %s", path, evil, a.Body)
			}
		}
	})
	t.Run("what was sent is shown as text", func(t *testing.T) {
		const script = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
		for _, path := range []string{"/authorize?client_id=", "/signin?tx=", "/consent?request=", "/callback/demo.example?state=", "/signin?email="} {
			a := w.send(t, http.MethodGet, w.issuer+path+url.QueryEscape(script), "")
			if strings.Contains(string(a.Body), "<script>") || strings.Contains(string(a.Body), "<img src=x") {
				t.Errorf("%s: %s", path, a.Body)
			}
		}
	})
}

func pageHeaders(t *testing.T, w *world) {
	through := &tap{inner: w.Stack.Transport()}
	browser := w.personBy("member", through)
	if _, err := w.register(t).Approve(t.Context(), browser, readScope); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/authorize", "/signin", "/signout", "/consent?request=x", "/callback/demo.example?state=x"} {
		if _, err := browser.Get(t.Context(), w.issuer+path); err != nil {
			t.Fatal(err)
		}
	}
	pages := 0
	for _, x := range through.seen {
		if x.url.Host != host(w.issuer) {
			continue
		}
		pages++
		unframed(t, x.response)
		if x.status == http.StatusTemporaryRedirect || x.status == http.StatusPermanentRedirect {
			t.Errorf("%s answers %d, which would repeat credentials (OAuth 2.1 §7.5.3)", x.url.Path, x.status)
		}
		for _, line := range x.response["Set-Cookie"] {
			c := must(t, func() (*http.Cookie, error) { return http.ParseSetCookie(line) })
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("%s sets %s without all its bounds", x.url.Path, c.Name)
			}
		}
	}
	if pages < 8 {
		t.Errorf("%d pages were seen", pages)
	}
}
