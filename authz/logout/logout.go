package logout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	// Path is where a domain's provider sends its logouts; the rest is the domain.
	Path = "/backchannel-logout/"
	// maxForm bounds a request, in bytes.
	maxForm = 32 << 10
	// retry is when to come back after a fault. A provider that does not try again
	// leaves it to the check of the person, which is seldom later.
	retry = 5 * time.Second
	// finish bounds what is done after a provider has gone away.
	finish = 10 * time.Second
)

// Grants ends what a logout names; *grant.Service is one.
type Grants interface {
	LogOut(ctx context.Context, l grant.Logout, record grant.Record) ([]grant.Ended, error)
}

// Config configures the endpoint. All but Clock and Log are required.
type Config struct {
	// Providers are the identity providers by domain. One that is no
	// idp.LogoutReader sends no logouts.
	Providers map[string]idp.Provider
	Grants    Grants
	Audit     audit.Recorder
	Clock     clock.Clock  // default clock.System
	Log       *slog.Logger // default slog.Default()
}

type handler struct {
	cfg      Config
	refusals *audit.Refusals
}

// New returns the endpoint.
func New(cfg Config) (http.Handler, error) {
	if cfg.Grants == nil || cfg.Audit == nil {
		return nil, errors.New("logout: grants and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &handler{cfg: cfg, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}, nil
}

// ServeHTTP answers 200 when nothing of what the token names is accepted any
// more, also where there was nothing; 400 for a token that is not good, and 503
// for a fault (OpenID Connect Back-Channel Logout 1.0 §2.8). It is for servers,
// so that no browser may read it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if no := h.logOut(w, r); no != nil {
		oauth.WriteError(w, no)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (h *handler) logOut(w http.ResponseWriter, r *http.Request) *oauth.Error {
	ctx := r.Context()
	form, bad := oauth.ParseForm(w, r, maxForm)
	if bad != nil {
		return bad
	}
	token := form.Get("logout_token")
	if token == "" || form.Repeated("logout_token") != "" {
		return badToken("send logout_token once")
	}
	domain := strings.TrimPrefix(r.URL.Path, Path)
	reader, ok := h.cfg.Providers[domain].(idp.LogoutReader)
	if !ok {
		h.refused(ctx, "", reason.DomainUnknown, "no such identity provider")
		return badToken("no identity provider sends logouts here")
	}
	logout, err := reader.ReadLogout(ctx, token)
	if errors.Is(err, idp.ErrUnavailable) {
		h.cfg.Log.WarnContext(ctx, "a logout token could not be checked", "domain", domain, "error", err)
		return unavailable(fmt.Errorf("check logout token: %w", err))
	}
	if err != nil {
		h.cfg.Log.InfoContext(ctx, "a logout token was refused", "domain", domain, "error", err)
		h.refused(ctx, domain, reason.BackendIDPBadAnswer, "not valid")
		return badToken("the logout token is not valid")
	}
	return h.end(ctx, domain, logout)
}

// end spends the token and ends what it names. It goes on when the provider
// goes away: begun is done.
func (h *handler) end(ctx context.Context, domain string, l idp.Logout) *oauth.Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	cause := people.Cause{Reason: grant.ByIDPLogout, Detail: "the identity provider signed the person out"}
	if l.Subject == "" {
		cause.Detail = "the identity provider ended the session of the sign-in"
	}
	_, err := h.cfg.Grants.LogOut(ctx, grant.Logout{
		Domain: domain, Issuer: l.Issuer, Subject: l.Subject, Session: l.Session,
		Token: sha256.Sum256([]byte(domain + "\x00" + l.Issuer + "\x00" + l.TokenID)), Until: l.Until,
	}, people.Record(h.cfg.Audit, h.cfg.Clock, cause))
	if errors.Is(err, grant.ErrLogoutReplayed) {
		h.refused(ctx, domain, reason.BackendIDPBadAnswer, "replayed")
		return badToken("the logout token was used before")
	}
	if err != nil {
		h.cfg.Log.ErrorContext(ctx, "a logout could not be carried out", "domain", domain, "error", err)
		return unavailable(err)
	}
	return nil
}

// refused writes down a logout that changed nothing. Anyone can cause it.
func (h *handler) refused(ctx context.Context, domain string, why reason.Reason, detail string) {
	h.refusals.Sample(ctx, audit.Event{
		Name: audit.LogoutRefused, DomainID: domain, Reason: why, Detail: detail, RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	})
}

func badToken(description string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, reason.ClientBadRequest, "%s", description)
}

func unavailable(err error) *oauth.Error {
	e := oauth.Unavailable(err)
	e.RetryAfter = retry
	return e
}
