package consent

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Policy is what consent asks of the policy; *policy.Policy is one.
type Policy interface {
	Admit(policy.Subject) reason.Reason
	Resource(url string) (policy.Resource, bool)
	RolePermissions(domain string, groups []string, resource string) []string
}

// Store is what consent needs of the store.
type Store interface {
	store.Updater
	store.ApprovalReader
	store.ConsentReader
}

// Clients are whom a person is asked about; *client.Clients is one.
type Clients interface {
	store.ClientReader
	// Authorize notes in tx that a person approved a client.
	Authorize(ctx context.Context, tx store.Tx, approved store.Client, at time.Time) error
}

// CodeIssuer makes the authorization code of an approval inside the transaction
// that consumes it; the grant service is one.
type CodeIssuer interface {
	IssueCode(ctx context.Context, tx store.Tx, a store.Approval, u store.User) (code string, err error)
}

// Config is what the handlers need. All but ManageURL, Observe, Clock, Rand and
// Log are required.
type Config struct {
	// Issuer goes into every answer to a client (RFC 9207).
	Issuer       string
	Pages        *web.Pages
	Sessions     *session.Manager
	Transactions *session.Transactions
	Store        Store
	Clients      Clients
	Policy       Policy
	Codes        CodeIssuer
	// ProfileName returns the display name of a host profile.
	ProfileName func(profile string) (name string, ok bool)
	Audit       audit.Recorder
	// ManageURL is where a person revokes what they approved; "" = no such page.
	ManageURL string
	// Observe is told how every answer to the page ended: reason.None for an
	// approval, reason.UserDenied for a denial. It must not block.
	Observe func(reason.Reason)
	Clock   clock.Clock  // default clock.System
	Rand    io.Reader    // default crypto/rand
	Log     *slog.Logger // default slog.Default()
}

// Handlers answers the consent page.
type Handlers struct {
	cfg      Config
	refusals *audit.Refusals
}

// New returns the handlers.
func New(cfg Config) (*Handlers, error) {
	if cfg.Issuer == "" || cfg.Pages == nil || cfg.Sessions == nil || cfg.Transactions == nil || cfg.Store == nil ||
		cfg.Clients == nil || cfg.Policy == nil || cfg.Codes == nil || cfg.ProfileName == nil || cfg.Audit == nil {
		return nil, errors.New("consent: issuer, pages, sessions, transactions, store, clients, policy, codes, profile names and audit are required")
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
	if cfg.Observe == nil {
		cfg.Observe = func(reason.Reason) {}
	}
	return &Handlers{cfg: cfg, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}, nil
}

// Consent answers /consent: GET asks, POST takes the answer.
func (h *Handlers) Consent(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.answer(w, r)
		return
	}
	if h.cfg.Pages.Allows(w, r, http.MethodGet, http.MethodPost) {
		h.ask(w, r)
	}
}

// pending is an approval with everything that its answer depends on.
type pending struct {
	store.Approval
	who    session.SignedIn
	client store.Client
}

// Errors of load.
var (
	errGone    = errors.New("approval is gone, or of another session")
	errForeign = errors.New("nobody is signed in")
)

// load reads the approval of a request's browser. The error is errGone,
// errForeign, or that of a store that cannot answer.
func (h *Handlers) load(r *http.Request, id string) (pending, error) {
	who, err := h.cfg.Sessions.Current(r)
	if errors.Is(err, session.ErrNone) {
		return pending{}, errForeign
	}
	if err != nil {
		return pending{}, err
	}
	if id == "" || len(id) > maxID {
		return pending{}, errGone
	}
	a, err := h.cfg.Store.Approval(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return pending{}, errGone
	}
	if err != nil {
		return pending{}, err
	}
	if a.SessionHash != who.Hash { // what is not theirs is not there: no answer tells that it exists
		return pending{}, errGone
	}
	if !h.cfg.Clock.Now().Before(a.ExpiresAt) {
		return pending{}, errGone
	}
	client, err := h.cfg.Clients.Client(r.Context(), a.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return pending{}, errGone
	}
	if err != nil {
		return pending{}, err
	}
	return pending{Approval: a, who: who, client: client}, nil
}

// maxID is more than an approval's id has.
const maxID = 64

// event begins an audit event about an approval.
func (p pending) event(ctx context.Context, name string) audit.Event {
	return audit.Event{
		Name: name, DomainID: p.who.User.Domain, UserID: p.Subject, UserEmail: p.who.User.Email,
		ClientID: p.client.ID, ClientName: p.client.Name, Resource: p.Resource, Scopes: p.Scopes,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}
