package revoke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token/endpoint"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Grants end what a token stands for.
type Grants interface {
	Revoke(ctx context.Context, token string, client store.Client) (grant.Revoked, *oauth.Error)
}

// Config of the endpoint.
type Config struct {
	// Grants is required.
	Grants Grants
	// Clients authenticates clients; required.
	Clients endpoint.Authenticator[store.Client]
	// Audit is required: a revocation is acknowledged after its event is stored.
	Audit audit.Recorder
	// Clock is clock.System by default.
	Clock clock.Clock
	// Log is slog.Default() by default.
	Log *slog.Logger
}

type server struct {
	grants Grants
	trail  *endpoint.Trail
}

// New returns the handler of the revocation endpoint.
func New(cfg Config) (http.Handler, error) {
	if cfg.Grants == nil {
		return nil, errors.New("revoke: no grants")
	}
	if cfg.Audit == nil {
		return nil, errors.New("revoke: no audit recorder")
	}
	s := &server{grants: cfg.Grants, trail: endpoint.NewTrail(cfg.Audit, cfg.Clock, cfg.Log)}
	return endpoint.New(endpoint.Config[store.Client]{
		Name: "revoke",
		// The hint is accepted and not needed: a token says what it is.
		Params:  []string{"token", "token_type_hint"},
		Callers: cfg.Clients, Unauthenticated: s.trail.Unauthenticated, Browsers: true, Log: cfg.Log,
		Serve: s.serve,
	})
}

// serve answers 200 for every token that is dead afterwards, also for one that
// never existed (RFC 7009 §2.2), and only when it is dead everywhere.
func (s *server) serve(w http.ResponseWriter, r *http.Request, p oauth.Params, c store.Client) *oauth.Error {
	ctx := r.Context()
	token := p.Get("token")
	if token == "" {
		return s.trail.Refused(ctx, endpoint.Grant{Client: c}, endpoint.Malformed("token is missing"))
	}
	revoked, refused := s.grants.Revoke(ctx, token, c)
	whose := endpoint.Grant{Client: c, Family: revoked.Family, User: revoked.User}
	if refused != nil {
		return s.trail.Refused(ctx, whose, refused)
	}
	// A token that was dead before is recorded again: the first attempt may have
	// failed at just this step.
	if revoked.Found {
		if failed := s.trail.Done(ctx, audit.TokenRevoked, whose, nil); failed != nil {
			return failed
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}
