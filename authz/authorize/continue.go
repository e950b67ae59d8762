package authorize

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// ApprovalLifetime is how long a person may take to answer the consent page.
const ApprovalLifetime = 10 * time.Minute

// Continue answers an authorization request whose person is signed in: with a
// refusal, or by making the approval that the consent page asks about.
//
// The order is a matter of safety. Client and redirect URI are judged again,
// since the request waited in the browser meanwhile. Then the policy: only a
// client that an administrator allows by name is ever sent an error. Only then
// the client may be redirected to.
func (h *Handlers) Continue(w http.ResponseWriter, r *http.Request, tx session.Transaction, who session.SignedIn) {
	ctx := r.Context()
	client, no := h.client(ctx, tx.Request.ClientID)
	if no == nil {
		if _, ok := matchRedirect(client, tx.Request.RedirectURI); !ok {
			no = unknownClient(tx.Request.ClientID)
		}
	}
	if no != nil {
		h.refuseClient(w, r, tx, who, *no)
		return
	}
	if why := h.cfg.Policy.Admit(policy.Subject{Domain: who.User.Domain, Groups: who.User.Groups, Profile: client.Profile}); why != reason.None {
		h.refusePerson(w, r, tx, client, who, Entry{}, notAdmitted(why, client, who.User))
		return
	}
	if tx.Request.Refusal != nil {
		h.answerClient(w, r, tx, client, who, *tx.Request.Refusal)
		return
	}
	if !h.stillServed(tx.Request) { // the configuration changed meanwhile
		h.answerClient(w, r, tx, client, who, session.Refusal{
			Code: oauth.InvalidTarget, Reason: reason.ResourceUnknown, Description: "the resource is not served any more",
		})
		return
	}
	entry, err := h.cfg.Directory.Lookup(ctx, tx.Request.Resource, Person{
		UserID: who.User.ID, Email: who.User.Email, Domain: who.User.Domain, ClientID: client.ID,
	})
	if errors.Is(err, ErrUnknownPerson) {
		h.refusePerson(w, r, tx, client, who, Entry{}, unknownPerson(who.User))
		return
	}
	if err == nil && !entry.Active { // before the id, which a backend may keep to itself then
		h.refusePerson(w, r, tx, client, who, entry, inactivePerson(who.User))
		return
	}
	if err == nil && entry.ID == "" && !entry.Unlisted {
		err = errors.New("the directory answered without an id")
	}
	if err != nil { // a fault says nothing about the person
		h.cfg.Pages.Unavailable(w, r, reason.BackendUnavailable, err, "/signin?tx="+tx.ID)
		return
	}
	h.ask(w, r, tx, who, entry)
}

// ask stores the pending approval and leads to the consent page.
func (h *Handlers) ask(w http.ResponseWriter, r *http.Request, tx session.Transaction, who session.SignedIn, entry Entry) {
	ctx := r.Context()
	now := h.cfg.Clock.Now()
	a := store.Approval{
		ID: opaque.NewID(h.cfg.Rand), SessionHash: who.Hash, UserID: who.User.ID, Subject: entry.ID,
		ClientID: tx.Request.ClientID, RedirectURI: tx.Request.RedirectURI,
		State: EncodeState(tx.Request.State), Resource: tx.Request.Resource, Scopes: tx.Request.Scopes, Challenge: tx.Request.Challenge,
		AuthTime: who.AuthTime, CreatedAt: now, ExpiresAt: now.Add(ApprovalLifetime), Ask: tx.Request.Ask,
	}
	err := h.cfg.Store.Update(ctx, func(t store.Tx) error {
		// The session is read again under its lock: one that was ended while the
		// directory was asked must not leave an approval behind.
		if _, err := t.Session(ctx, who.Hash); err != nil {
			return fmt.Errorf("read session: %w", err)
		}
		return t.CreateApproval(ctx, a)
	})
	if errors.Is(err, store.ErrNotFound) {
		h.cfg.Pages.Expired(w, r)
		return
	}
	if err != nil {
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "/signin?tx="+tx.ID)
		return
	}
	h.cfg.Transactions.End(w, r, tx.ID)
	web.Redirect(w, "/consent?request="+url.QueryEscape(a.ID))
}

// answerClient sends the browser to the client with an error. The client was
// admitted by name and the redirect URI is registered.
func (h *Handlers) answerClient(w http.ResponseWriter, r *http.Request, tx session.Transaction, client store.Client, who session.SignedIn, no session.Refusal) {
	e := h.refused(r, tx, client, who, no.Reason)
	e.ErrorCode = string(no.Code)
	h.refusals.Record(r.Context(), e)
	h.cfg.Transactions.End(w, r, tx.ID)
	web.Redirect(w, Response{
		RedirectURI: tx.Request.RedirectURI, State: EncodeState(tx.Request.State), Issuer: h.cfg.Issuer,
		Error: no.Code, Description: no.Description,
	}.URL())
}

// refuseClient answers with a page about a client that may not be redirected to,
// or that could not be looked up.
func (h *Handlers) refuseClient(w http.ResponseWriter, r *http.Request, tx session.Transaction, who session.SignedIn, no refusal) {
	if no.page.Status < http.StatusInternalServerError {
		client := store.Client{ID: no.clientID, Name: no.name}
		h.refusals.Record(r.Context(), h.refused(r, tx, client, who, no.page.Reason))
	} else { // the request still waits
		no.page.Retry = "/signin?tx=" + tx.ID
	}
	no.page.Account = who.User.Email
	h.cfg.Pages.Fault(w, r, no.page)
}

// refusePerson answers with a page for the signed-in person, and ends the
// transaction. entry is what the backend said about them; it may be zero.
func (h *Handlers) refusePerson(w http.ResponseWriter, r *http.Request, tx session.Transaction, client store.Client, who session.SignedIn, entry Entry, page web.Fault) {
	e := h.refused(r, tx, client, who, page.Reason)
	e.UserID = entry.ID
	h.refusals.Record(r.Context(), e)
	h.cfg.Transactions.End(w, r, tx.ID)
	page.Account = who.User.Email
	h.cfg.Pages.Fault(w, r, page)
}

// refused begins the audit event about a refusal of a signed-in person.
func (h *Handlers) refused(r *http.Request, tx session.Transaction, client store.Client, who session.SignedIn, why reason.Reason) audit.Event {
	e := h.event(r.Context(), client.ID, client.Name, why)
	e.DomainID, e.UserEmail = who.User.Domain, who.User.Email
	e.Resource, e.Scopes = tx.Request.Resource, tx.Request.Scopes
	return e
}

// stillServed says whether resource and scopes of a request exist now.
func (h *Handlers) stillServed(req session.Request) bool {
	for _, res := range h.cfg.Policy.Resources() {
		if res.URL != req.Resource {
			continue
		}
		return !slices.ContainsFunc(req.Scopes, func(name string) bool {
			return !slices.ContainsFunc(res.Scopes, func(s policy.Scope) bool { return s.Name == name })
		})
	}
	return false
}
