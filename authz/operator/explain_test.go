package operator_test

import (
	"errors"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const resource = "https://api/mcp"

// config admits staff of acme.com, to whom it gives what can be read.
func config() policy.Config {
	return policy.Config{
		Domains: []policy.Domain{
			{Name: "acme.com", Enabled: true, Clients: []string{"claude"}, Groups: []string{"staff"}, Roles: []policy.Role{
				{Name: "member", Everyone: true, Allow: []string{"view"}}, {Name: "admin", Groups: []string{"admins"}, Allow: []string{"*"}},
			}},
			{Name: "beta.com", Clients: []string{"claude"}, Everyone: true},
		},
		Resources: []policy.Resource{{
			URL: resource, Permissions: []string{"view", "create"},
			Scopes: []policy.Scope{{Name: "read", Permissions: []string{"view"}}, {Name: "write", Permissions: []string{"create"}}},
		}},
	}
}

func TestACallIsExplainedByTheFirstLayerThatRefuses(t *testing.T) {
	staff := store.User{ID: "u1", Domain: "acme.com", Email: "ann@acme.com", Groups: []string{"staff"}}
	guest, admin, beta := staff, staff, staff
	guest.Groups, admin.Groups = nil, []string{"staff", "admins"}
	beta.Domain, beta.Email = "beta.com", "ann@beta.com"
	grant := store.Family{ID: "f", UserID: "u1", ClientID: "c1", Resource: resource, Scopes: []string{"read"}}
	elsewhere, others := grant, grant
	elsewhere.Resource, others.UserID = "https://api/other", "u2"
	wide := grant
	wide.ID, wide.Scopes = "wide", []string{"read", "write"}

	read := operator.Question{Email: "ann@acme.com", Client: "c1", Resource: resource, Scope: "read", Permission: "view"}
	write := operator.Question{Email: "ann@acme.com", Client: "claude", Resource: resource, Scope: "write", Permission: "create"}
	of := func(q operator.Question, email, client string) operator.Question {
		q.Email, q.Client = email, client
		return q
	}
	for _, tt := range []struct {
		name     string
		people   []store.User
		live     []store.Family
		question operator.Question
		want     policy.Verdict
	}{
		{"allowed", []store.User{staff}, []store.Family{grant}, read, policy.Verdict{Allowed: true}},
		{"allowed, with the address in other letters", []store.User{staff}, []store.Family{grant}, of(read, "Ann@ACME.com", "c1"), policy.Verdict{Allowed: true}},
		{"allowed, by the profile of the client", []store.User{staff}, []store.Family{grant}, of(read, "ann@acme.com", "claude"), policy.Verdict{Allowed: true}},
		{"allowed by one of two grants", []store.User{admin}, []store.Family{grant, wide}, write, policy.Verdict{Allowed: true}},
		{"a domain that nobody configured", nil, nil, of(read, "ann@gamma.com", "c1"), policy.Verdict{Reason: reason.DomainUnknown}},
		{"no address at all", nil, nil, of(read, "ann", "c1"), policy.Verdict{Reason: reason.DomainUnknown}},
		{"a domain that is off", []store.User{beta}, []store.Family{grant}, of(read, "ann@beta.com", "c1"), policy.Verdict{Reason: reason.DomainOff}},
		{"a person who never signed in", nil, nil, read, policy.Verdict{Reason: reason.UserUnknown}},
		{"a person in no group that is admitted", []store.User{guest}, []store.Family{grant}, read, policy.Verdict{Reason: reason.UserNotAllowed}},
		{"a client that does not exist", []store.User{staff}, nil, of(read, "ann@acme.com", "cx"), policy.Verdict{Reason: reason.ClientUnknown}},
		{"a client of a profile that is not allowed", []store.User{staff}, nil, of(read, "ann@acme.com", "chatgpt"), policy.Verdict{Reason: reason.ClientNotAllowed}},
		{"a person who approved nothing", []store.User{staff}, nil, read, policy.Verdict{Reason: reason.GrantUnknown}},
		{"a grant of another resource", []store.User{staff}, []store.Family{elsewhere}, read, policy.Verdict{Reason: reason.GrantUnknown}},
		{"a grant of another person", []store.User{staff}, []store.Family{others}, read, policy.Verdict{Reason: reason.GrantUnknown}},
		{"a role that does not allow it", []store.User{staff}, []store.Family{wide}, write, policy.Verdict{Reason: reason.RoleNoPermission}},
		{"a scope that was not consented to", []store.User{admin}, []store.Family{grant}, write, policy.Verdict{StepUp: true, Reason: reason.ScopeMissing}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, f := newService(t)
			f.known = []store.ClientSummary{{Client: store.Client{ID: "c1", Profile: "claude"}}}
			f.people, f.live = tt.people, tt.live
			got, err := s.Explain(t.Context(), tt.question)
			if err != nil || got.Verdict != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
			l := got.Layers
			first := reason.None
			for _, why := range []reason.Reason{l.Domain, l.User, l.Client, l.Grant, l.Role, l.Scope} {
				if why != reason.None {
					first = why
					break
				}
			}
			if first != got.Verdict.Reason {
				t.Errorf("the layers %+v do not lead to %+v", l, got.Verdict)
			}
			if len(f.trail.Events()) > 0 || len(f.done) > 0 {
				t.Error("an explanation changed something")
			}
		})
	}
}

func TestAnExplanationOfADocumentNeedsNoRow(t *testing.T) {
	s, f := newService(t)
	f.people = []store.User{{ID: "u1", Domain: "acme.com", Email: "ann@acme.com", Groups: []string{"staff"}}}
	got, err := s.Explain(t.Context(), operator.Question{
		Email: "ann@acme.com", Client: "https://claude.ai/oauth/claude-code-client-metadata", Resource: resource, Scope: "read", Permission: "view",
	})
	if err != nil || got.Profile != "claude-code" || got.Layers.Client != reason.ClientNotAllowed {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAFaultOfTheStoreExplainsNothing(t *testing.T) {
	s, f := newService(t)
	f.err = store.ErrUnavailable
	if got, err := s.Explain(t.Context(), operator.Question{Email: "ann@acme.com", Client: "a", Resource: resource}); !errors.Is(err, store.ErrUnavailable) || got.Domain != "" {
		t.Errorf("%+v, %v", got, err)
	}
}
