package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// MaxForm is the largest form body that a page's POST may have, in bytes.
const MaxForm = 64 << 10

var crossOrigin = http.NewCrossOriginProtection()

// foreign says whether a page of another origin sent a request.
// CrossOriginProtection compares hosts only; but what is shown over http may
// come from anyone on the way, so that over TLS such an origin is foreign too.
// "null" is what browsers send from our own pages, which tell no referrer (Fetch
// Standard, "append a request Origin header"): there Sec-Fetch-Site decides.
func foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if r.TLS != nil && origin != "" && origin != "null" && !strings.HasPrefix(origin, "https://") {
		return true
	}
	return crossOrigin.Check(r) != nil
}

// Form reads the form of a POST that one of our own pages sent. When it is
// false, the request came from another site or is malformed, and was answered.
func (p *Pages) Form(w http.ResponseWriter, r *http.Request) (oauth.Params, bool) {
	// Fetch metadata first: a foreign request is refused before its body is read.
	if foreign(r) {
		p.ForeignForm(w, r)
		return oauth.Params{}, false
	}
	form, e := oauth.ParseForm(w, r, MaxForm)
	if e != nil {
		p.Fault(w, r, Fault{
			Status: e.Status, Reason: e.Reason, Title: "That did not work",
			What: "The form that arrived here could not be read.", Todo: "Start again from your assistant.",
		})
		return oauth.Params{}, false
	}
	return form, true
}

// ForeignForm answers 403: the request was not sent by the page that it should
// come from.
func (p *Pages) ForeignForm(w http.ResponseWriter, r *http.Request) {
	p.Fault(w, r, Fault{
		Status: http.StatusForbidden, Reason: reason.ClientBadRequest,
		Title: "This request was not accepted",
		What:  "It did not come from the page that we showed you. Nothing was changed.",
		Todo:  "Reload the page and answer there, or start again from your assistant.",
	})
}

// Expired answers 400: the pending request is gone from this browser.
func (p *Pages) Expired(w http.ResponseWriter, r *http.Request) {
	p.Fault(w, r, Fault{
		Status: http.StatusBadRequest, Reason: reason.GrantExpired,
		Title: "This sign-in is over",
		What:  "It was finished already, took longer than 10 minutes, or was begun in another browser.",
		Todo:  "Start the connection again from your assistant.",
	})
}

// Unavailable answers 503: a part that we depend on did not answer. It is never
// to be read as a refusal. retry is a path of ours, or "".
func (p *Pages) Unavailable(w http.ResponseWriter, r *http.Request, why reason.Reason, err error, retry string) {
	p.Fault(w, r, Fault{
		Status: http.StatusServiceUnavailable, Reason: why, Retry: retry, Err: err,
		Title: "We cannot answer right now",
		What:  "A service that is needed for this step did not answer. You were not refused, and nothing was changed.",
		Todo:  "Try again in a moment. If it stays like this, tell your administrator the request number below.",
	})
}

// TooMany answers 429: too much of this came from the person's network, and more
// may come after wait. Nothing is wrong with the request.
func (p *Pages) TooMany(w http.ResponseWriter, r *http.Request, why reason.Reason, wait time.Duration) {
	oauth.SetRetryAfter(w.Header(), wait)
	p.Fault(w, r, Fault{
		Status: http.StatusTooManyRequests, Reason: why,
		Title: "Too many requests from your network",
		What:  "More requests came from your network than this gateway answers in so short a time. Nothing was changed.",
		Todo:  "Wait a minute and load this page again. If it stays like this, tell your administrator the request number below.",
	})
}

// StartAgain answers 503 where a person's answer was taken and then a part that
// we depend on did not answer. That answer cannot be given again.
func (p *Pages) StartAgain(w http.ResponseWriter, r *http.Request, why reason.Reason, err error) {
	p.Fault(w, r, Fault{
		Status: http.StatusServiceUnavailable, Reason: why, Err: err,
		Title: "We could not finish this",
		What:  "Your answer was taken, but a service that is needed after it did not answer. You were not refused, and your assistant was not connected.",
		Todo:  "Start the connection again from your assistant. If it stays like this, tell your administrator the request number below.",
	})
}
