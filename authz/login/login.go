package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Policy is what sign-in asks of the policy; *policy.Policy is one.
type Policy interface {
	EnabledDomains() []string
	Admit(policy.Subject) reason.Reason
}

// Continuation answers an authorization request whose person is signed in;
// *authorize.Handlers is one.
type Continuation interface {
	Continue(w http.ResponseWriter, r *http.Request, tx session.Transaction, who session.SignedIn)
}

// Config is what the handlers need. All but Changed, Observe, Clock and Log are
// required.
type Config struct {
	Pages        *web.Pages
	Sessions     *session.Manager
	Transactions *session.Transactions
	Store        store.Updater
	Policy       Policy
	// Providers are the identity providers by domain, in lower case.
	Providers map[string]idp.Provider
	Next      Continuation
	// Changed is told about a person after what is known of them was stored, so
	// that running tokens meet their new groups at once; optional.
	Changed func(userID string)
	// Observe is told how every sign-in ended: reason.None for a person who is
	// signed in. It must not block; optional.
	Observe func(reason.Reason)
	Audit   audit.Recorder
	Clock   clock.Clock  // default clock.System
	Log     *slog.Logger // default slog.Default()
}

// Handlers answers the sign-in pages.
type Handlers struct {
	cfg      Config
	refusals *audit.Refusals
}

// New returns the handlers.
func New(cfg Config) (*Handlers, error) {
	if cfg.Pages == nil || cfg.Sessions == nil || cfg.Transactions == nil || cfg.Store == nil ||
		cfg.Policy == nil || cfg.Next == nil || cfg.Audit == nil {
		return nil, errors.New("login: pages, sessions, transactions, store, policy, next and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Changed == nil {
		cfg.Changed = func(string) {}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(reason.Reason) {}
	}
	return &Handlers{cfg: cfg, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}, nil
}

// admitPerson judges the domain and the person. Admit judges the domain, the
// person, and then the client; there is no client yet, so that a refusal of the
// client layer means that the first two passed.
func (h *Handlers) admitPerson(domain string, groups []string) reason.Reason {
	why := h.cfg.Policy.Admit(policy.Subject{Domain: domain, Groups: groups})
	if why.Layer() == reason.LayerClient {
		return reason.None
	}
	return why
}

// event begins an audit event about a sign-in for tx.
func event(ctx context.Context, name, domain string, tx session.Transaction) audit.Event {
	return audit.Event{
		Name: name, DomainID: domain, ClientID: tx.Request.ClientID, ClientName: tx.Request.Assistant,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}

// failed begins an audit event about a sign-in that was refused.
func failed(ctx context.Context, domain string, tx session.Transaction, why reason.Reason) audit.Event {
	e := event(ctx, audit.SignInFailed, domain, tx)
	e.Reason = why
	return e
}
