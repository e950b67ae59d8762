package introspect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/token/endpoint"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Grants say whom an access token speaks for at a resource. The error is
// grant.ErrInvalid for a token that is not good; any other is a fault.
type Grants interface {
	Verify(ctx context.Context, token, resource string) (*grant.Session, error)
}

// Config of the endpoint.
type Config struct {
	// Issuer is the issuer identifier, as published; required.
	Issuer string
	// Servers may ask; at least one is required.
	Servers []ResourceServer
	// Grants is required.
	Grants Grants
	// Audit gets a sample of the refused callers; required.
	Audit audit.Recorder
	// Clock is clock.System by default.
	Clock clock.Clock
	// Log is slog.Default() by default.
	Log *slog.Logger
}

// active is the answer about a token that is good (RFC 7662 §2.2). Times are in
// seconds since 1970.
type active struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope"`
	ClientID  string `json:"client_id"`
	Username  string `json:"username,omitempty"`
	TokenType string `json:"token_type"`
	Expires   int64  `json:"exp"`
	Issued    int64  `json:"iat"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
}

// inactive is the answer about every other. It says no more, so that nobody
// learns why (RFC 7662 §2.2).
type inactive struct {
	Active bool `json:"active"`
}

type handler struct {
	issuer   string
	grants   Grants
	refusals *audit.Refusals
}

// New returns the handler of the introspection endpoint.
func New(cfg Config) (http.Handler, error) {
	switch {
	case cfg.Issuer == "":
		return nil, errors.New("introspect: no issuer")
	case len(cfg.Servers) == 0:
		return nil, errors.New("introspect: no resource server")
	case cfg.Grants == nil:
		return nil, errors.New("introspect: no grants")
	case cfg.Audit == nil:
		return nil, errors.New("introspect: no audit recorder")
	}
	byName, err := newServers(cfg.Servers)
	if err != nil {
		return nil, err
	}
	h := &handler{issuer: cfg.Issuer, grants: cfg.Grants, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}
	return endpoint.New(endpoint.Config[ResourceServer]{
		Name: "introspect",
		// The hint is accepted and not needed: a token says what it is.
		Params:  []string{"token", "token_type_hint"},
		Callers: byName, Unauthenticated: h.refused, Log: cfg.Log,
		Serve: h.serve,
	})
}

// serve answers what the MCP endpoint would do with the token right now. Asking
// changes nothing and is not audited: it comes with every call that a resource
// server gets.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, p oauth.Params, caller ResourceServer) *oauth.Error {
	token := p.Get("token")
	if token == "" {
		return endpoint.Malformed("token is missing")
	}
	session, err := h.verify(r.Context(), token, caller.Resources)
	switch {
	case errors.Is(err, grant.ErrInvalid):
		oauth.WriteJSON(w, http.StatusOK, inactive{})
	case err != nil:
		return oauth.Unavailable(err) // never inactive: a person would be sent away for a fault of ours
	default:
		oauth.WriteJSON(w, http.StatusOK, h.active(session))
	}
	return nil
}

// verify asks about each resource, since a token is good at one only. The
// errors are those of Grants.
func (h *handler) verify(ctx context.Context, token string, resources []string) (session *grant.Session, err error) {
	for _, resource := range resources {
		session, err = h.grants.Verify(ctx, token, resource)
		// Only another resource can change the answer.
		if foreign := (*grant.InvalidError)(nil); !errors.As(err, &foreign) || foreign.Reason != reason.ResourceWrong {
			break
		}
	}
	return session, err
}

func (h *handler) active(s *grant.Session) active {
	return active{
		Active: true, Scope: oauth.FormatScopes(s.Token.Scopes), ClientID: s.Client.ID, Username: s.User.Email, TokenType: "Bearer",
		Expires: s.Token.ExpiresAt.Unix(), Issued: s.Token.IssuedAt.Unix(),
		// The backend's id of the person, as in assertions.
		Subject: s.Family.Subject, Audience: s.Family.Resource, Issuer: h.issuer,
	}
}

// refused records that a caller was turned away. Anybody can cause that, so
// that there is a sample only.
func (h *handler) refused(ctx context.Context, e *oauth.Error) {
	if e.Status >= http.StatusInternalServerError {
		return
	}
	event := audit.Event{
		Name: audit.AuthorizationFailed, Reason: e.Reason, ErrorCode: string(e.Code), Detail: "introspection",
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
	if e.Err != nil {
		event.Detail += ": " + e.Err.Error()
	}
	h.refusals.Sample(ctx, event)
}
