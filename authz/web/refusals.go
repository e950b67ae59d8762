package web

import (
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// MaxForm is the largest form body that a page's POST may have, in bytes.
const MaxForm = 64 << 10

var crossOrigin = http.NewCrossOriginProtection()

// Form reads the form of a POST that one of our own pages sent. When it is
// false, the request came from another site or is malformed, and was answered.
func (p *Pages) Form(w http.ResponseWriter, r *http.Request) (oauth.Params, bool) {
	// Fetch metadata first: a foreign request is refused before its body is read.
	if err := crossOrigin.Check(r); err != nil {
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
