package web

import (
	"net/http"
	"strings"
)

const (
	// contentPolicy lets a page load our stylesheet and nothing else.
	contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
	// formPolicy keeps forms at home. The consent page goes without it, because
	// browsers apply form-action to every redirect that follows a form's POST.
	formPolicy = "; form-action 'self'"
)

// SetHeaders sets the headers of every answer that a browser shows: nothing is
// cached, framed, sniffed or told to the next site.
func SetHeaders(h http.Header) { setHeaders(h, contentPolicy+formPolicy) }

func setHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// Redirect answers 303 See Other, so that the browser arrives with GET whatever
// the method was before (OAuth 2.1 §7.5.3: never 307 or 308 after credentials).
func Redirect(w http.ResponseWriter, location string) {
	SetHeaders(w.Header())
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// Allows says whether the request has one of methods; if not, it has answered
// 405 with a page. HEAD is not GET here: these pages change state when shown.
func (p *Pages) Allows(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	p.Fault(w, r, Fault{
		Status: http.StatusMethodNotAllowed,
		Title:  "This address does not work that way",
		What:   "The request used a method that this page does not answer.",
		Todo:   "Start again from your assistant.",
	})
	return false
}
