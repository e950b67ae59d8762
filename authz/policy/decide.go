package policy

import (
	"slices"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Call is one call to be decided.
type Call struct {
	Subject
	Resource string
	Scopes   []string // consented, of the token
	// Scope and Permission are what the operation needs.
	Scope, Permission string
}

// Verdict is the decision about a Call.
type Verdict struct {
	Allowed bool
	// StepUp says that a wider consent would help: the scope is missing and the
	// role could use it.
	StepUp bool
	Reason reason.Reason
}

// rule is one question of a decision: reason.None, or why it refuses. Those after
// the first are asked with the domain that was found.
type rule func(p *Policy, d Domain, c Call) reason.Reason

// rules are the layers, in the order in which they refuse. The first three need
// no operation. A missing role permission is found before a missing scope: asking
// a person to consent to something that their role does not allow would mislead
// them.
var rules = [...]rule{domainRule, userRule, clientRule, roleRule, scopeRule}

const admission = 3 // so many of the rules say who may use the gateway at all

func domainRule(p *Policy, d Domain, c Call) reason.Reason {
	if _, known := p.domains[c.Domain]; !known {
		return reason.DomainUnknown
	}
	if !d.Enabled {
		return reason.DomainOff
	}
	return reason.None
}

func userRule(_ *Policy, d Domain, c Call) reason.Reason {
	if !d.Everyone && !intersects(d.Groups, c.Groups) {
		return reason.UserNotAllowed
	}
	return reason.None
}

func clientRule(_ *Policy, d Domain, c Call) reason.Reason {
	if !slices.Contains(d.Clients, c.Profile) {
		return reason.ClientNotAllowed
	}
	return reason.None
}

func roleRule(p *Policy, d Domain, c Call) reason.Reason {
	if !slices.Contains(p.held(d, c.Groups, c.Resource), c.Permission) {
		return reason.RoleNoPermission
	}
	return reason.None
}

func scopeRule(p *Policy, _ Domain, c Call) reason.Reason {
	switch {
	case !slices.Contains(p.ScopePermissions(c.Resource, []string{c.Scope}), c.Permission):
		return reason.ScopeInvalid // the scope could never reach it: a fault of the toolset
	case !slices.Contains(c.Scopes, c.Scope):
		return reason.ScopeMissing
	}
	return reason.None
}

// first returns the first refusal of these rules.
func (p *Policy) first(of []rule, c Call) reason.Reason {
	d := p.domains[c.Domain]
	for _, refuses := range of {
		if why := refuses(p, d, c); why != reason.None {
			return why
		}
	}
	return reason.None
}

// Admit says whether s may use the gateway at all, and if not which layer
// refuses: the domain, then the person, then the client.
func (p *Policy) Admit(s Subject) reason.Reason { return p.first(rules[:admission], Call{Subject: s}) }

// Decide applies scopes ∩ permissions to one call.
func (p *Policy) Decide(c Call) Verdict { return verdict(p.first(rules[:], c)) }

func verdict(why reason.Reason) Verdict {
	return Verdict{Allowed: why == reason.None, StepUp: why == reason.ScopeMissing, Reason: why}
}

// Layers are the answers of all rules about one call, reason.None where one does
// not refuse.
type Layers struct {
	Domain, User, Client, Role, Scope reason.Reason
}

// Explain asks every rule of Decide, also those after a refusal, and returns
// their answers with the decision itself. In a domain that is not known nothing
// else can be asked: all layers say so.
func (p *Policy) Explain(c Call) (Layers, Verdict) {
	d, known := p.domains[c.Domain]
	var answers [len(rules)]reason.Reason
	for i, refuses := range rules {
		if answers[i] = reason.DomainUnknown; known {
			answers[i] = refuses(p, d, c)
		}
	}
	layers := Layers{Domain: answers[0], User: answers[1], Client: answers[2], Role: answers[3], Scope: answers[4]}
	return layers, p.Decide(c)
}
