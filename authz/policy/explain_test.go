package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// TestAnExplanationIsTheDecisionWithAllItsLayers: the first layer that refuses is
// the one that a call meets.
func TestAnExplanationIsTheDecisionWithAllItsLayers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := policy.New(anyConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			call := anyCall(t)
			l, verdict := p.Explain(call)
			if verdict != p.Decide(call) {
				t.Fatalf("%+v is explained as %+v", call, verdict)
			}
			first := reason.None
			for _, why := range []reason.Reason{l.Domain, l.User, l.Client, l.Role, l.Scope} {
				if why != reason.None {
					first = why
					break
				}
			}
			if first != verdict.Reason {
				t.Fatalf("%+v: the layers are %+v, the verdict %+v", call, l, verdict)
			}
		}
	})
}

func TestEveryLayerIsExplainedAlsoAfterARefusal(t *testing.T) {
	p, err := policy.New(policy.Config{
		Domains:   []policy.Domain{{Name: "acme.com", Groups: []string{"staff"}}},
		Resources: []policy.Resource{{URL: "r", Scopes: []policy.Scope{{Name: "s", Permissions: []string{"v"}}}, Permissions: []string{"v"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	call := policy.Call{Subject: policy.Subject{Domain: "acme.com", Profile: "claude"}, Resource: "r", Scope: "s", Permission: "v"}
	got, _ := p.Explain(call)
	if want := (policy.Layers{Domain: reason.DomainOff, User: reason.UserNotAllowed, Client: reason.ClientNotAllowed, Role: reason.RoleNoPermission, Scope: reason.ScopeMissing}); got != want {
		t.Errorf("%+v", got)
	}
}
