package login

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Path is where a transaction waits for its sign-in.
func Path(transaction string) string { return "/signin?tx=" + url.QueryEscape(transaction) }

// SignIn answers /signin: it continues a transaction whose person is signed in,
// goes to the identity provider where it is known, and asks for the work e-mail
// address otherwise. The form posts to the same path.
func (h *Handlers) SignIn(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		h.choose(w, r)
	default:
		if h.cfg.Pages.Allows(w, r, http.MethodGet, http.MethodPost) {
			h.show(w, r)
		}
	}
}

func (h *Handlers) show(w http.ResponseWriter, r *http.Request) {
	tx, err := h.cfg.Transactions.Load(r, r.URL.Query().Get("tx"))
	if err != nil {
		h.cfg.Pages.Expired(w, r)
		return
	}
	who, err := h.cfg.Sessions.Current(r)
	if err != nil && !errors.Is(err, session.ErrNone) {
		h.unavailable(w, r, tx, reason.StoreUnavailable, err)
		return
	}
	switch {
	case err == nil && suits(tx, who):
		h.cfg.Next.Continue(w, r, tx, who)
		return
	case tx.SignedIn != zeroHash:
		// The person came back from the provider and the session is not there: it
		// was ended, or the browser did not keep it. Asking the provider again
		// would go round in circles.
		h.cfg.Pages.Expired(w, r)
		return
	}
	if domain, ok := h.known(tx.Request.LoginHint); ok {
		h.leave(w, r, tx, domain, tx.Request.LoginHint)
		return
	}
	h.cfg.Pages.SignIn(w, r, web.SignIn{Transaction: tx.ID, CSRF: tx.CSRF, Assistant: tx.Request.Assistant, Email: tx.Request.LoginHint})
}

func (h *Handlers) choose(w http.ResponseWriter, r *http.Request) {
	form, ok := h.cfg.Pages.Form(w, r)
	if !ok {
		return
	}
	if form.Repeated("tx", "csrf", "email") != "" {
		h.cfg.Pages.ForeignForm(w, r)
		return
	}
	tx, err := h.cfg.Transactions.Load(r, form.Get("tx"))
	if err != nil {
		h.cfg.Pages.Expired(w, r)
		return
	}
	if subtle.ConstantTimeCompare([]byte(form.Get("csrf")), []byte(tx.CSRF)) != 1 {
		h.cfg.Pages.ForeignForm(w, r)
		return
	}
	email := strings.TrimSpace(form.Get("email"))
	domain, ok := emailDomain(email)
	if ok && slices.Contains(h.domains(), domain) {
		h.leave(w, r, tx, domain, email)
		return
	}
	// One page for every domain that cannot sign in here: it does not tell which
	// companies are customers.
	why := reason.DomainUnknown
	if refused := h.admitPerson(domain, nil); refused.Layer() == reason.LayerDomain {
		why = refused
	}
	h.cfg.Observe(why)
	h.refusals.Sample(r.Context(), failed(r.Context(), "", tx, why))
	h.cfg.Pages.SignIn(w, r, web.SignIn{
		Transaction: tx.ID, CSRF: tx.CSRF, Assistant: tx.Request.Assistant, Email: email, NotFound: true,
	})
}

// leave sends the browser to the identity provider of a domain.
func (h *Handlers) leave(w http.ResponseWriter, r *http.Request, tx session.Transaction, domain, email string) {
	up, err := h.cfg.Transactions.BeginUpstream(w, tx, domain)
	if err != nil {
		h.unavailable(w, r, tx, reason.UserSignInFailed, err)
		return
	}
	req := idp.Request{
		State: up.State, Nonce: up.Nonce, Verifier: up.Verifier,
		ForceLogin: tx.Request.ForceLogin || tx.Request.MaxAge != nil,
	}
	if hinted, ok := emailDomain(email); ok && hinted == domain { // tell a provider nothing about other people
		req.LoginHint = email
	}
	target, err := h.cfg.Providers[domain].AuthURL(r.Context(), req)
	if err != nil {
		h.unavailable(w, r, tx, reason.BackendIDPUnavailable, err)
		return
	}
	if r.Method == http.MethodPost {
		h.cfg.Pages.ToProvider(w, r, target)
		return
	}
	web.Redirect(w, target)
}

// domains lists the domains whose people can sign in: on, and with a provider.
func (h *Handlers) domains() []string {
	return slices.DeleteFunc(h.cfg.Policy.EnabledDomains(), func(name string) bool {
		_, ok := h.cfg.Providers[name]
		return !ok
	})
}

// known returns the domain that needs no question: that of the login hint, or
// the only one.
func (h *Handlers) known(hint string) (string, bool) {
	domains := h.domains()
	if domain, ok := emailDomain(hint); ok && slices.Contains(domains, domain) {
		return domain, true
	}
	if len(domains) == 1 {
		return domains[0], true
	}
	return "", false
}

// suits says whether a session answers a transaction's wishes about the
// sign-in. The transaction's own sign-in always does: its wishes were checked
// when it came back.
func suits(tx session.Transaction, who session.SignedIn) bool {
	req := tx.Request
	switch {
	case tx.SignedIn == who.Hash:
		return true
	case req.ForceLogin:
		return false
	case req.MaxAge != nil && who.AuthTime.Before(oldest(tx)):
		return false
	}
	_, hinted := emailDomain(req.LoginHint)
	return !hinted || strings.EqualFold(req.LoginHint, who.User.Email)
}

// oldest is the earliest authentication that a transaction accepts; zero when
// it does not ask.
func oldest(tx session.Transaction) time.Time {
	switch {
	case tx.Request.ForceLogin:
		return tx.CreatedAt
	case tx.Request.MaxAge != nil:
		return tx.CreatedAt.Add(-time.Duration(*tx.Request.MaxAge) * time.Second)
	}
	return time.Time{}
}

// emailDomain returns the domain of an e-mail address in lower case. Addresses
// with quoted parts, white space or control characters are not taken: they
// would be shown, and sent on, as something else than they are.
func emailDomain(email string) (string, bool) {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" || domain == "" || len(email) > 254 || strings.ContainsAny(domain, "@") {
		return "", false
	}
	for _, r := range email {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '"' || r == '\\' {
			return "", false
		}
	}
	return strings.ToLower(domain), true
}
