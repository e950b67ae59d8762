package consent

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// answer takes a person's answer. Nothing is stored before session, approval and
// form token have proved that the person gave it on our page.
func (h *Handlers) answer(w http.ResponseWriter, r *http.Request) {
	form, ok := h.cfg.Pages.Form(w, r)
	if !ok {
		return
	}
	if form.Repeated("request", "csrf", "decision") != "" {
		h.cfg.Pages.ForeignForm(w, r)
		return
	}
	p, err := h.load(r, form.Get("request"))
	switch {
	case errors.Is(err, errGone):
		h.answered(w, r, http.StatusForbidden)
		return
	case errors.Is(err, errForeign):
		h.cfg.Pages.ForeignForm(w, r)
		return
	case err != nil:
		h.unavailable(w, r, err, "")
		return
	}
	presented := opaque.HashOf(form.Get("csrf"))
	if subtle.ConstantTimeCompare(presented[:], p.CSRFHash[:]) != 1 {
		h.cfg.Pages.ForeignForm(w, r)
		return
	}
	switch form.Get("decision") {
	case "approve":
		h.approve(w, r, p, false)
	case "deny":
		h.deny(w, r, p)
	case "switch":
		h.switchAccount(w, r, p)
	default:
		h.cfg.Pages.ForeignForm(w, r)
	}
}

// approve consumes the approval and makes the code, both or neither. remembered
// says that the person approved the same before and did not see the page; it is
// looked at again then, and approve is false and has answered nothing when it is
// not so any more.
func (h *Handlers) approve(w http.ResponseWriter, r *http.Request, p pending, remembered bool) bool {
	ctx := r.Context()
	var (
		code    string
		refused reason.Reason
		given   store.Consent
	)
	err := h.cfg.Store.Update(ctx, func(tx store.Tx) error {
		// The person first, by the lock order, and as they are now. A session that
		// ended meanwhile took the approval with it.
		u, err := tx.User(ctx, p.UserID)
		if err != nil {
			return fmt.Errorf("read person: %w", err)
		}
		refused = h.cfg.Policy.Admit(policy.Subject{Domain: u.Domain, Groups: u.Groups, Profile: p.client.Profile})
		if refused != reason.None {
			return errRefused
		}
		if remembered {
			if given, err = h.remembered(ctx, tx, p); err != nil {
				return err
			}
		} else if err := h.remember(ctx, tx, p); err != nil {
			return err
		}
		if err := tx.DeleteApproval(ctx, p.ID); err != nil { // of two answers exactly one gets past here
			return fmt.Errorf("consume approval: %w", err)
		}
		if err := h.cfg.Clients.Authorize(ctx, tx, p.client, h.cfg.Clock.Now()); err != nil {
			return fmt.Errorf("mark client: %w", err)
		}
		code, err = h.cfg.Codes.IssueCode(ctx, tx, p.Approval, u)
		return err
	})
	switch {
	case errors.Is(err, errForgotten): // between the look and the lock
		return false
	case errors.Is(err, errRefused):
		h.notAdmitted(w, r, p, refused)
	case errors.Is(err, store.ErrNotFound):
		h.answered(w, r, http.StatusForbidden)
	case err != nil:
		h.unavailable(w, r, err, "/consent?request="+p.ID)
	default:
		h.finish(w, r, p, audit.ConsentGranted, authorize.Response{Code: code}, given)
	}
	return true
}

var errRefused = errors.New("refused by policy")

// deny consumes the approval and tells the client.
func (h *Handlers) deny(w http.ResponseWriter, r *http.Request, p pending) {
	if !h.consume(w, r, p) {
		return
	}
	h.finish(w, r, p, audit.ConsentDenied, authorize.Response{
		Error: oauth.AccessDenied, Description: "the person did not approve",
	}, store.Consent{})
}

// finish writes the answer down and then leads back to the client. If it cannot
// be written the client gets nothing: the code was stored, but nobody knows it.
// The approval is consumed by then, so that the person starts again. given is the
// earlier consent that answered, if one did.
func (h *Handlers) finish(w http.ResponseWriter, r *http.Request, p pending, event string, answer authorize.Response, given store.Consent) {
	e := p.event(r.Context(), event)
	e.Durable = true
	if !given.GrantedAt.IsZero() {
		e.Detail = "as approved on " + given.GrantedAt.Format(time.DateOnly)
	}
	if answer.Code == "" {
		e.Reason = reason.UserDenied
	}
	if err := h.cfg.Audit.Record(r.Context(), e); err != nil {
		h.cfg.Observe(reason.AuditUnavailable)
		h.cfg.Pages.StartAgain(w, r, reason.AuditUnavailable, err)
		return
	}
	h.cfg.Observe(e.Reason)
	answer.RedirectURI, answer.State, answer.Issuer = p.RedirectURI, p.State, h.cfg.Issuer
	h.cfg.Pages.Leaving(w, r, web.Leaving{
		Assistant: p.client.Name, Approved: answer.Code != "",
		Remembered: !given.GrantedAt.IsZero(), Loopback: oauth.IsLoopbackRedirect(p.RedirectURI), Target: answer.URL(),
	})
}

// switchAccount signs the person out and puts the same question to whoever signs
// in next.
func (h *Handlers) switchAccount(w http.ResponseWriter, r *http.Request, p pending) {
	if !h.consume(w, r, p) {
		return
	}
	if err := h.cfg.Sessions.End(w, r); err != nil {
		h.cfg.Pages.StartAgain(w, r, reason.StoreUnavailable, err)
		return
	}
	tx, err := h.cfg.Transactions.Begin(w, r, session.Request{
		ClientID: p.ClientID, Assistant: p.client.Name, RedirectURI: p.RedirectURI,
		State: authorize.DecodeState(p.State), Resource: p.Resource, Scopes: p.Scopes, Challenge: p.Challenge,
		ForceLogin: true, // the provider would sign the same person in again
	})
	if err != nil {
		h.cfg.Pages.StartAgain(w, r, reason.UserSignInFailed, err)
		return
	}
	web.Redirect(w, "/signin?tx="+tx.ID)
}

// consume deletes the approval; when it is false, the request was answered.
func (h *Handlers) consume(w http.ResponseWriter, r *http.Request, p pending) bool {
	err := h.cfg.Store.Update(r.Context(), func(tx store.Tx) error { return tx.DeleteApproval(r.Context(), p.ID) })
	if errors.Is(err, store.ErrNotFound) {
		h.answered(w, r, http.StatusForbidden)
		return false
	}
	if err != nil {
		h.unavailable(w, r, err, "/consent?request="+p.ID)
		return false
	}
	return true
}

// unavailable answers an answer that the store could not take.
func (h *Handlers) unavailable(w http.ResponseWriter, r *http.Request, err error, retry string) {
	h.cfg.Observe(reason.StoreUnavailable)
	h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, retry)
}

// notAdmitted answers an approval that the policy forbids by now.
func (h *Handlers) notAdmitted(w http.ResponseWriter, r *http.Request, p pending, why reason.Reason) {
	h.cfg.Observe(why)
	e := p.event(r.Context(), audit.AuthorizationFailed)
	e.Reason = why
	h.refusals.Record(r.Context(), e)
	h.cfg.Pages.Fault(w, r, web.Fault{
		Status: http.StatusForbidden, Reason: why, Account: p.who.User.Email,
		Title: "This is not allowed any more",
		What:  "The rules of your organization changed while this page was open.",
		Todo:  "Ask your administrator, and connect again from your assistant.",
	})
}
