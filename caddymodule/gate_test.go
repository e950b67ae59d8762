package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

const testResource = "https://api.example.com/mcp/appstore"

// tokens is a verifier that knows some tokens.
type tokens map[string]error

func (v tokens) Verify(_ context.Context, token, resource string) (*grant.Session, error) {
	if err := v[token]; err != nil {
		return nil, err
	}
	return &grant.Session{
		Access: store.Access{
			Token:  store.AccessToken{Scopes: []string{"appstore:read"}},
			Family: store.Family{ID: "f-1", Domain: "acme.com", Subject: "u-1", Resource: resource},
			User:   store.User{ID: "ours", Email: "ada@acme.com", Groups: []string{"staff"}},
			Client: store.Client{ID: "c-1", Name: "Claude", Profile: "claude"},
		},
		Subject: policy.Subject{Domain: "acme.com", Groups: []string{"staff"}, Profile: "claude"},
	}, nil
}

// newTestGate returns a gate under a policy whose role allows the given.
func newTestGate(t *testing.T, allow ...string) *gate {
	t.Helper()
	kind := toolsets["appstore"]
	compiled, err := policy.New(policy.Config{
		Domains: []policy.Domain{{
			Name: "acme.com", Enabled: true, Everyone: true, Clients: []string{"claude"},
			Roles: []policy.Role{{Name: "member", Groups: []string{"staff"}, Allow: allow}},
		}},
		Resources: []policy.Resource{{URL: testResource, Scopes: kind.scopes, InitialScopes: kind.initial, Permissions: kind.permissions}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &gate{resource: testResource, policy: compiled, grants: tokens{
		"revoked": fmt.Errorf("verify: %w", &grant.InvalidError{Reason: reason.GrantRevoked}),
		"unknown": store.ErrUnavailable,
	}}
}

func TestThePrincipalIsThePersonAtTheBackendWithWhatTheyMayDoNow(t *testing.T) {
	g := newTestGate(t, "appstore.apps.view", "appstore.requests.create")
	got, err := g.Authenticate(withCaller(t.Context()), "good")
	if err != nil {
		t.Fatal(err)
	}
	want := &mcpbridge.Principal{
		UserID: "u-1", Email: "ada@acme.com", DomainID: "acme.com", ClientID: "c-1", ClientName: "Claude", GrantID: "f-1", Resource: testResource,
		Scopes: []string{"appstore:read"},
		// The role also allows to create requests, but nobody consented to that;
		// the scope reaches requests.view, but the role does not allow it.
		Permissions: []string{"appstore.apps.view"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestARefusedTokenIsToldFromOneThatCannotBeChecked(t *testing.T) {
	g := newTestGate(t)
	_, err := g.Authenticate(withCaller(t.Context()), "revoked")
	var told interface{ Reason() reason.Reason }
	if !errors.Is(err, mcpbridge.ErrInvalidToken) || !errors.As(err, &told) || told.Reason() != reason.GrantRevoked {
		t.Errorf("a revoked token: %v", err)
	}
	_, err = g.Authenticate(withCaller(t.Context()), "unknown")
	if !errors.Is(err, mcpbridge.ErrUnavailable) || errors.Is(err, mcpbridge.ErrInvalidToken) {
		t.Errorf("a token that cannot be checked: %v", err)
	}
}

func TestACallIsDecidedByScopesAndRoles(t *testing.T) {
	read := mcpbridge.Need{Scope: "appstore:read", Permission: "appstore.apps.view"}
	create := mcpbridge.Need{Scope: "appstore:request", Permission: "appstore.requests.create", Write: true}
	for name, test := range map[string]struct {
		allow []string
		need  mcpbridge.Need
		want  mcpbridge.Decision
	}{
		"scope and role allow it":              {[]string{"*"}, read, mcpbridge.Decision{Outcome: mcpbridge.Allow}},
		"the scope is missing, the role isn't": {[]string{"*"}, create, mcpbridge.Decision{Outcome: mcpbridge.StepUp, Reason: reason.ScopeMissing, Scopes: []string{"appstore:read", "appstore:request"}}},
		"the role does not allow it":           {[]string{"appstore.requests.view"}, read, mcpbridge.Decision{Reason: reason.RoleNoPermission}},
		"neither: more consent would not help": {[]string{"appstore.apps.view"}, create, mcpbridge.Decision{Reason: reason.RoleNoPermission}},
		"a need that names nothing":            {[]string{"*"}, mcpbridge.Need{}, mcpbridge.Decision{Reason: reason.RoleNoPermission}},
	} {
		t.Run(name, func(t *testing.T) {
			g, ctx := newTestGate(t, test.allow...), withCaller(t.Context())
			p, err := g.Authenticate(ctx, "good")
			if err != nil {
				t.Fatal(err)
			}
			scopes := slices.Clone(p.Scopes)
			if diff := cmp.Diff(test.want, g.Authorize(ctx, p, test.need)); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			if !slices.Equal(scopes, p.Scopes) {
				t.Error("the shared principal was changed")
			}
		})
	}
}

func TestOnlyThePrincipalOfThisRequestIsEverAllowed(t *testing.T) {
	g, ctx := newTestGate(t, "*"), withCaller(t.Context())
	need := mcpbridge.Need{Scope: "appstore:read", Permission: "appstore.apps.view"}
	p, err := g.Authenticate(ctx, "good")
	if err != nil {
		t.Fatal(err)
	}
	twin, elsewhere := *p, *g
	elsewhere.resource = "https://api.example.com/mcp/other"
	for name, decision := range map[string]mcpbridge.Decision{
		"a copy of it":                      g.Authorize(ctx, &twin, need),
		"none":                              g.Authorize(ctx, nil, need),
		"in the context of another request": g.Authorize(withCaller(t.Context()), p, need),
		"in a context without a caller":     g.Authorize(t.Context(), p, need),
		"at the gate of another resource":   elsewhere.Authorize(ctx, p, need),
	} {
		if decision.Outcome != mcpbridge.Deny {
			t.Errorf("%s: %+v", name, decision)
		}
	}
	if decision := g.Authorize(context.WithoutCancel(ctx), p, need); decision.Outcome != mcpbridge.Allow {
		t.Errorf("itself, in a context that outlives the client: %+v", decision)
	}
}
