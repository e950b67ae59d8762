package authorize

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// ErrUnknownPerson says that a backend does not know the person.
var ErrUnknownPerson = errors.New("person unknown to the backend")

// Person is whom a backend's directory is asked about.
type Person struct {
	UserID string // ours
	// Subject is their id at the backend, "" at a sign-in. Where it is known, the
	// answer ends grants, so that it must be the backend's own.
	Subject  string
	Email    string
	Domain   string
	ClientID string // of the assistant for which it is asked
}

// Entry is what a directory answers.
type Entry struct {
	ID     string // the person's id at the backend; may be empty unless Active
	Active bool
	// Unlisted says that the resource has no directory: its backend is told the
	// person's e-mail address, decides itself, and ID is empty.
	Unlisted bool
}

// Directory knows the people of the backends.
type Directory interface {
	// Lookup asks the backend of resource about a person. The error is
	// ErrUnknownPerson, or a fault that says nothing about the person.
	Lookup(ctx context.Context, resource string, who Person) (Entry, error)
}

// Policy is what this endpoint asks of the policy; *policy.Policy is one.
type Policy interface {
	Admit(policy.Subject) reason.Reason
	Resources() []policy.Resource
}

// Store is what this endpoint needs of the store.
type Store interface {
	store.Updater
	store.ClientReader
}

// Config is what the handlers need. All but Clock, Rand and Log are required.
type Config struct {
	// Issuer goes into every answer to a client (RFC 9207), byte for byte as in
	// the metadata.
	Issuer       string
	Pages        *web.Pages
	Transactions *session.Transactions
	Store        Store
	Policy       Policy
	Directory    Directory
	Audit        audit.Recorder
	Clock        clock.Clock  // default clock.System
	Rand         io.Reader    // default crypto/rand
	Log          *slog.Logger // default slog.Default()
}

// Handlers answers the authorization endpoint.
type Handlers struct {
	cfg      Config
	refusals *audit.Refusals
}

// New returns the handlers.
func New(cfg Config) (*Handlers, error) {
	if cfg.Issuer == "" || cfg.Pages == nil || cfg.Transactions == nil || cfg.Store == nil ||
		cfg.Policy == nil || cfg.Directory == nil || cfg.Audit == nil {
		return nil, errors.New("authorize: issuer, pages, transactions, store, policy, directory and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Handlers{cfg: cfg, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}, nil
}

// Authorize answers GET /authorize. There is no CORS here: a script has no
// business at this endpoint (OAuth 2.1 §3.1).
func (h *Handlers) Authorize(w http.ResponseWriter, r *http.Request) {
	if !h.cfg.Pages.Allows(w, r, http.MethodGet) {
		return
	}
	query, bad := oauth.ParseQuery(r)
	if bad != nil {
		h.refuseStranger(w, r, malformed("The assistant sent a request that we cannot read: "+bad.Description+"."))
		return
	}
	client, redirect, page := h.target(r.Context(), query)
	if page != nil {
		h.refuseStranger(w, r, *page)
		return
	}
	req := h.request(query, client, redirect)
	tx, err := h.cfg.Transactions.Begin(w, r, req)
	if err != nil {
		h.cfg.Pages.Unavailable(w, r, reason.UserSignInFailed, err, "")
		return
	}
	web.Redirect(w, "/signin?tx="+tx.ID)
}

// event begins an audit event about a refused authorization request.
func (h *Handlers) event(ctx context.Context, clientID, clientName string, why reason.Reason) audit.Event {
	return audit.Event{
		Name: audit.AuthorizationFailed, ClientID: clientID, ClientName: clientName, Reason: why,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}
