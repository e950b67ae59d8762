package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token/endpoint"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Grant types that are served (RFC 6749 §4.1.3 and §6).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
)

// Grants exchange codes and refresh tokens for tokens.
type Grants interface {
	Redeem(ctx context.Context, req grant.RedeemRequest) (grant.Tokens, *oauth.Error)
	Refresh(ctx context.Context, req grant.RefreshRequest) (grant.Tokens, *oauth.Error)
	// RevokeFamily ends a grant for a cause.
	RevokeFamily(ctx context.Context, id, why string) error
}

// Config of the endpoint.
type Config struct {
	// Grants is required.
	Grants Grants
	// Clients authenticates clients; required.
	Clients endpoint.Authenticator[store.Client]
	// Audit is required: no token leaves before its event is stored.
	Audit audit.Recorder
	// Clock is clock.System by default.
	Clock clock.Clock
	// Log is slog.Default() by default.
	Log *slog.Logger
	// Observe, when not nil, is told how every request ended. It must not block.
	Observe func(Outcome)
}

// request is a token request, parsed once.
type request struct {
	grantType    string
	code         string
	redirectURI  string
	verifier     string
	refreshToken string
	scope        string
	resource     string
	client       store.Client
}

// answer is the success answer of RFC 6749 §5.1.
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

type server struct {
	grants  Grants
	trail   *endpoint.Trail
	log     *slog.Logger
	observe func(Outcome)
}

// New returns the handler of the token endpoint.
func New(cfg Config) (http.Handler, error) {
	if cfg.Grants == nil {
		return nil, errors.New("token: no grants")
	}
	if cfg.Audit == nil {
		return nil, errors.New("token: no audit recorder")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &server{grants: cfg.Grants, trail: endpoint.NewTrail(cfg.Audit, cfg.Clock, cfg.Log), log: cfg.Log, observe: cfg.Observe}
	if s.observe == nil {
		s.observe = func(Outcome) {}
	}
	return endpoint.New(endpoint.Config[store.Client]{
		Name:    "token",
		Params:  []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource"},
		Callers: cfg.Clients, Unauthenticated: s.trail.Unauthenticated, Browsers: true, Log: cfg.Log,
		Serve:   s.serve,
		Refused: func(p oauth.Params, e *oauth.Error) { s.observe(refusedOutcome(p, e)) },
	})
}

// serve is parse → decide → audit → answer.
func (s *server) serve(w http.ResponseWriter, r *http.Request, p oauth.Params, c store.Client) *oauth.Error {
	ctx := r.Context()
	req := parse(p, c)
	tokens, refused := s.exchange(ctx, req)
	whose := endpoint.Grant{Client: c, Family: tokens.Family, User: tokens.User}
	if refused != nil {
		return s.refuse(ctx, whose, tokens, refused)
	}
	if failed := s.trail.Done(ctx, eventOf(req.grantType), whose, strings.Fields(tokens.Scope)); failed != nil {
		// A refresh is tried again inside the grace and gets this same pair.
		if req.grantType == AuthorizationCode {
			s.withdraw(ctx, tokens.Family.ID)
		}
		return failed
	}
	if !slices.Contains(c.GrantTypes, RefreshToken) {
		tokens.RefreshToken = "" // the client could not use it
	}
	oauth.WriteJSON(w, http.StatusOK, answer{
		AccessToken: tokens.AccessToken, TokenType: "Bearer", ExpiresIn: tokens.ExpiresIn,
		RefreshToken: tokens.RefreshToken, Scope: tokens.Scope,
	})
	s.observe(servedOutcome(req, tokens))
	return nil
}

// refuse records a refusal by what it did to the grant.
func (s *server) refuse(ctx context.Context, whose endpoint.Grant, tokens grant.Tokens, refused *oauth.Error) *oauth.Error {
	switch {
	case refused.Reason == reason.GrantReused:
		return s.trail.Reused(ctx, whose, tokens.Reused, refused)
	case refused.Reason == reason.GrantWrongVerifier && tokens.User.ID != "":
		// A guess at a living code, which is spent after a few. The person is read
		// only then: a wrong verifier for a dead code changes nothing.
		return s.trail.Counted(ctx, whose, refused)
	}
	return s.trail.Refused(ctx, whose, refused)
}

// withdraw ends the grant of a code whose redemption was not acknowledged. The
// code is spent and the person has to connect again; without this, the client's
// retry would be taken for the theft of the code.
func (s *server) withdraw(ctx context.Context, family string) {
	if err := s.grants.RevokeFamily(context.WithoutCancel(ctx), family, string(reason.GrantNotAudited)); err != nil {
		s.log.ErrorContext(ctx, "a grant that could not be audited could not be ended", "grant_id", family,
			"request_id", httpx.RequestID(ctx), "error", err)
	}
}

func parse(p oauth.Params, c store.Client) request {
	return request{
		grantType:    p.Get("grant_type"),
		code:         p.Get("code"),
		redirectURI:  p.Get("redirect_uri"),
		verifier:     p.Get("code_verifier"),
		refreshToken: p.Get("refresh_token"),
		scope:        p.Get("scope"),
		resource:     p.Get("resource"),
		client:       c,
	}
}

func (s *server) exchange(ctx context.Context, req request) (grant.Tokens, *oauth.Error) {
	if refused := req.check(); refused != nil {
		return grant.Tokens{}, refused
	}
	if req.grantType == RefreshToken {
		return s.grants.Refresh(ctx, grant.RefreshRequest{
			Token: req.refreshToken, Client: req.client, Scope: req.scope, Resource: req.resource,
		})
	}
	return s.grants.Redeem(ctx, grant.RedeemRequest{
		Code: req.code, Client: req.client, RedirectURI: req.redirectURI, Verifier: req.verifier, Resource: req.resource,
	})
}

// check refuses what needs no look at a grant.
func (r request) check() *oauth.Error {
	switch r.grantType {
	case "":
		return endpoint.Malformed("grant_type is missing")
	case AuthorizationCode, RefreshToken:
	default:
		return oauth.Errorf(oauth.UnsupportedGrantType, reason.ClientBadRequest, "the grant types are %s and %s", AuthorizationCode, RefreshToken)
	}
	if !slices.Contains(r.client.GrantTypes, r.grantType) {
		return oauth.Errorf(oauth.UnauthorizedClient, reason.ClientBadRequest, "the client is not registered for this grant type")
	}
	switch {
	case r.grantType == AuthorizationCode && r.code == "":
		return endpoint.Malformed("code is missing")
	case r.grantType == AuthorizationCode && r.verifier == "":
		return endpoint.Malformed("code_verifier is missing")
	case r.grantType == RefreshToken && r.refreshToken == "":
		return endpoint.Malformed("refresh_token is missing")
	}
	return nil
}

func eventOf(grantType string) string {
	if grantType == RefreshToken {
		return audit.TokenRefreshed
	}
	return audit.TokenIssued
}
