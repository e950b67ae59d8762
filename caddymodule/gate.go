package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// verifier says whom an access token speaks for, if they are still there;
// *authz.Server is one.
type verifier interface {
	Verify(ctx context.Context, token, resource string) (*grant.Session, error)
}

// gate lets the MCP side ask the authorization side about one resource.
type gate struct {
	resource string
	grants   verifier
	policy   *policy.Policy
}

// caller is who makes the request that is being served. The policy judges more
// of a person than the MCP side may know, so that rest waits here, in the
// request's own context, between Authenticate and Authorize.
type caller struct {
	principal *mcpbridge.Principal
	subject   policy.Subject
	person    person // by whom it counts
}

type callerKey struct{}

// withCaller returns a context in which one request is authenticated.
func withCaller(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, new(caller))
}

// Authenticate implements mcpbridge.Gate.
func (g *gate) Authenticate(ctx context.Context, token string) (*mcpbridge.Principal, error) {
	session, err := g.grants.Verify(ctx, token, g.resource)
	var invalid *grant.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, &refusedToken{invalid}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", mcpbridge.ErrUnavailable, err)
	}
	p := &mcpbridge.Principal{
		UserID:      session.Family.Subject,
		Email:       session.User.Email,
		DomainID:    session.Family.Domain,
		ClientID:    session.Client.ID,
		ClientName:  session.Client.Name,
		GrantID:     session.Family.ID,
		Resource:    session.Family.Resource,
		Scopes:      session.Token.Scopes,
		Permissions: g.effective(session),
	}
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		*c = caller{principal: p, subject: session.Subject, person: person{session.User.Issuer, session.User.Subject}}
	}
	return p, nil
}

// refusedToken is mcpbridge.ErrInvalidToken with the reason, for the audit trail.
type refusedToken struct{ cause *grant.InvalidError }

// Error names the reason, never the token.
func (e *refusedToken) Error() string { return e.cause.Error() }

// Reason names the layer that refused.
func (e *refusedToken) Reason() reason.Reason { return e.cause.Reason }

// Unwrap returns mcpbridge.ErrInvalidToken.
func (e *refusedToken) Unwrap() error { return mcpbridge.ErrInvalidToken }

// effective are the permissions that the token's scopes reach and the person's
// roles hold, sorted as both are.
func (g *gate) effective(s *grant.Session) []string {
	held := g.policy.RolePermissions(s.Subject.Domain, s.Subject.Groups, g.resource)
	return slices.DeleteFunc(g.policy.ScopePermissions(g.resource, s.Token.Scopes), func(permission string) bool {
		_, found := slices.BinarySearch(held, permission)
		return !found
	})
}

// Authorize implements mcpbridge.Gate. A principal that was not authenticated
// in this context is denied.
func (g *gate) Authorize(ctx context.Context, p *mcpbridge.Principal, n mcpbridge.Need) mcpbridge.Decision {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok || p == nil || c.principal != p || p.Resource != g.resource {
		return mcpbridge.Decision{Outcome: mcpbridge.Deny, Reason: reason.GrantUnknown}
	}
	verdict := g.policy.Decide(policy.Call{
		Subject: c.subject, Resource: g.resource, Scopes: p.Scopes,
		Scope: n.Scope, Permission: n.Permission,
	})
	switch {
	case verdict.Allowed:
		return mcpbridge.Decision{Outcome: mcpbridge.Allow}
	case verdict.StepUp:
		return mcpbridge.Decision{Outcome: mcpbridge.StepUp, Reason: verdict.Reason, Scopes: union(p.Scopes, n.Scope)}
	}
	return mcpbridge.Decision{Outcome: mcpbridge.Deny, Reason: verdict.Reason}
}

// union adds a scope to those of a token, which are shared and stay as they are.
func union(scopes []string, scope string) []string {
	if slices.Contains(scopes, scope) {
		return scopes
	}
	return append(slices.Clip(slices.Clone(scopes)), scope)
}

// Interface guard.
var _ mcpbridge.Gate = (*gate)(nil)
