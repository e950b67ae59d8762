package login

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// CallbackPath is the path of a domain's callback; the rest of it is the domain.
const CallbackPath = "/callback/"

// skew is how far a provider's clock may be behind ours.
const skew = 60 * time.Second

var zeroHash store.Hash

// Callback answers /callback/{domain}: the return from the identity provider.
func (h *Handlers) Callback(w http.ResponseWriter, r *http.Request) {
	if !h.cfg.Pages.Allows(w, r, http.MethodGet) {
		return
	}
	ctx := r.Context()
	domain := strings.TrimPrefix(r.URL.Path, CallbackPath)
	query, bad := oauth.ParseQuery(r)
	if bad != nil || query.Repeated("state", "code", "iss", "error") != "" {
		h.foreign(w, r)
		return
	}
	// The browser first: without the cookie of the sign-in that it began, nothing
	// of the callback is looked at, so that nobody can be signed in as somebody
	// else by a link.
	up, ok := h.cfg.Transactions.TakeUpstream(w, r, domain, query.Get("state"))
	if !ok {
		h.foreign(w, r)
		return
	}
	tx, err := h.cfg.Transactions.Load(r, up.Transaction)
	if err != nil {
		h.cfg.Pages.Expired(w, r)
		return
	}
	provider, ok := h.cfg.Providers[domain]
	if !ok { // taken out of the configuration meanwhile
		h.refuse(w, r, tx, domain, idp.Identity{}, reason.DomainUnknown, nil)
		return
	}
	identity, err := provider.Exchange(ctx, idp.Response{
		Code: query.Get("code"), Error: query.Get("error"), Issuer: query.Get("iss"),
		Nonce: up.Nonce, Verifier: up.Verifier,
	})
	if errors.Is(err, idp.ErrUnavailable) {
		h.unavailable(w, r, tx, reason.BackendIDPUnavailable, err)
		return
	}
	if err != nil {
		h.refuse(w, r, tx, domain, idp.Identity{}, whyNot(err, query.Get("error")), err)
		return
	}
	if why, err := check(tx, domain, identity, h.cfg.Clock.Now()); why != reason.None {
		h.refuse(w, r, tx, domain, identity, why, err)
		return
	}
	h.complete(w, r, tx, domain, identity)
}

// whyNot names why a provider's answer signs nobody in. code is the error that
// the answer names; it counts only after the provider's checks, since anyone can
// put one into a link (RFC 9207 §2.4).
func whyNot(err error, code string) reason.Reason {
	switch {
	case errors.Is(err, idp.ErrTooManyGroups):
		return reason.UserTooManyGroups
	case errors.Is(err, idp.ErrInvalid):
		return reason.BackendIDPBadAnswer
	case errors.Is(err, idp.ErrDenied) && oauth.Code(code) == oauth.AccessDenied:
		return reason.UserDenied
	}
	return reason.UserSignInFailed
}

// check judges what the provider says about a person.
func check(tx session.Transaction, domain string, id idp.Identity, now time.Time) (reason.Reason, error) {
	of, ok := emailDomain(id.Email)
	switch {
	case id.Email == "":
		return reason.UserEmailMissing, nil
	case !ok || of != domain:
		return reason.UserEmailWrongDomain, nil
	case !id.EmailVerified:
		return reason.UserEmailUnverified, nil
	case authTime(id, now).Add(skew).Before(oldest(tx)):
		return reason.UserSignInFailed, errors.New("the provider did not authenticate the person again")
	}
	return reason.None, nil
}

// authTime is when the person was authenticated, as far as the provider says.
// One that does not say was asked to do it now.
func authTime(id idp.Identity, now time.Time) time.Time {
	if id.AuthTime.IsZero() || id.AuthTime.After(now) {
		return now
	}
	return id.AuthTime
}

// complete stores the person, begins the session and goes on with the
// transaction.
func (h *Handlers) complete(w http.ResponseWriter, r *http.Request, tx session.Transaction, domain string, id idp.Identity) {
	ctx := r.Context()
	now := h.cfg.Clock.Now()
	refused := h.admitPerson(domain, id.Groups)
	if refused.Layer() == reason.LayerDomain {
		h.refuse(w, r, tx, domain, id, refused, nil)
		return
	}
	var (
		person store.User
		issued session.Issued
	)
	err := h.cfg.Store.Update(ctx, func(t store.Tx) error {
		var err error
		person, err = t.UpsertUser(ctx, store.User{
			ID: h.cfg.Sessions.NewUserID(), Domain: domain, Issuer: id.Issuer, Subject: id.Subject,
			Email: id.Email, Name: id.Name, Groups: id.Groups, CreatedAt: now, SignedIn: now,
		})
		if err != nil {
			return fmt.Errorf("store person: %w", err)
		}
		if refused != reason.None {
			// No session; but a person who lost their groups must lose them in what
			// they approved before, too, and that reads this row.
			return nil
		}
		issued, err = h.cfg.Sessions.Begin(ctx, t, r, person.ID, id.Session, authTime(id, now))
		return err
	})
	h.cfg.Changed(person.ID) // also when the outcome of the commit is unknown
	if err != nil {
		h.unavailable(w, r, tx, reason.StoreUnavailable, err)
		return
	}
	if refused != reason.None {
		h.refuse(w, r, tx, domain, id, refused, nil)
		return
	}
	e := event(ctx, audit.SignInOK, domain, tx)
	// Without a user id: that of the backend is asked for later, by resource.
	e.UserEmail, e.Durable = person.Email, true
	if err := h.cfg.Audit.Record(ctx, e); err != nil { // the cookie is not given, so that nobody is signed in
		h.unavailable(w, r, tx, reason.AuditUnavailable, err)
		return
	}
	tx.SignedIn = issued.Hash
	if err := h.cfg.Transactions.Save(w, tx); err != nil {
		h.unavailable(w, r, tx, reason.UserSignInFailed, err)
		return
	}
	h.cfg.Sessions.SetCookie(w, issued)
	h.cfg.Observe(reason.None)
	// A redirect of our own takes code and state out of the address bar.
	web.Redirect(w, Path(tx.ID))
}

// foreign answers a callback that this browser did not ask for.
func (h *Handlers) foreign(w http.ResponseWriter, r *http.Request) {
	h.cfg.Observe(reason.UserSignInFailed)
	h.refusals.Sample(r.Context(), failed(r.Context(), "", session.Transaction{}, reason.UserSignInFailed))
	h.cfg.Pages.Fault(w, r, web.Fault{
		Status: http.StatusBadRequest, Reason: reason.UserSignInFailed,
		Title: "This sign-in was not begun here",
		What:  "The answer of the sign-in does not belong to a sign-in of this browser, or was used already. Nobody was signed in.",
		Todo:  "Start the connection again from your assistant, and finish it in the same browser.",
	})
}
