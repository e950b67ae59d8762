package login

import (
	"fmt"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// unavailable answers a sign-in that ended by a fault of ours or of the provider,
// and can be tried again.
func (h *Handlers) unavailable(w http.ResponseWriter, r *http.Request, tx session.Transaction, why reason.Reason, err error) {
	h.cfg.Observe(why)
	h.cfg.Pages.Unavailable(w, r, why, err, Path(tx.ID))
}

// refuse writes down why a person was not signed in and tells them who refused
// and what to do.
func (h *Handlers) refuse(w http.ResponseWriter, r *http.Request, tx session.Transaction, domain string, id idp.Identity, why reason.Reason, cause error) {
	h.cfg.Observe(why)
	e := failed(r.Context(), domain, tx, why)
	e.UserEmail = id.Email
	if id.Subject == "" { // the provider vouches for nobody: anyone can come back like this
		h.refusals.Sample(r.Context(), e)
	} else {
		h.refusals.Record(r.Context(), e)
	}

	page := web.Fault{Status: http.StatusForbidden, Reason: why, Title: "You are not signed in", Retry: Path(tx.ID), Err: cause}
	switch why {
	case reason.UserEmailMissing:
		page.What = "Your company's sign-in gave no e-mail address."
		page.Todo = "Ask your administrator to fill in your e-mail address there, and to let this application see it (the claim email)."
	case reason.UserTooManyGroups:
		page.What = "You are in more groups than your company's sign-in tells this gateway, so what you may do cannot be known."
		page.Todo = "Ask your administrator to send only the groups that are assigned to this application, or its roles instead of groups."
	case reason.UserEmailWrongDomain:
		page.What = fmt.Sprintf("Your company's sign-in gave an e-mail address that is not of %s.", domain)
		page.Todo = "Sign in with your work account. If that is what you did, your administrator corrects the address in your company's sign-in."
	case reason.UserEmailUnverified:
		page.What = "Your company's sign-in does not say that your e-mail address is verified."
		page.Todo = "Verify your address there. Your administrator can also mark this sign-in as one whose addresses are trusted."
	case reason.UserNotAllowed:
		page.What = fmt.Sprintf("Your account is not among those that %s lets use this gateway.", domain)
		page.Todo = fmt.Sprintf("Ask your administrator to add you to a group in `users` of domain %s.", domain)
	case reason.DomainOff, reason.DomainUnknown:
		page.What = fmt.Sprintf("Sign-in for %s is not turned on here.", domain)
		page.Todo = "Ask your administrator to turn the domain on."
	case reason.UserDenied:
		// OAuth has one code for a person who cancels and a provider that refuses
		// them (RFC 6749 §4.1.2.1); nearly always it is the person.
		page.Title = "The sign-in was cancelled"
		page.What = fmt.Sprintf("You cancelled the sign-in at the identity provider of %s, or it does not let your account sign in here.", domain)
		page.Todo = "Try again if you still want to connect. If you did not cancel, ask your administrator to let your account use this gateway in your company's sign-in."
	case reason.BackendIDPBadAnswer:
		page.What = fmt.Sprintf("What came back from the identity provider of %s could not be trusted.", domain)
		page.Todo = "Try again. If it stays like this, tell your administrator the request number below."
	default:
		page.What = "Your company's sign-in did not let you in."
		page.Todo = "Try again. If it stays like this, tell your administrator the request number below."
	}
	h.cfg.Pages.Fault(w, r, page)
}
