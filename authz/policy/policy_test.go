package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	store = "https://api.example.com/mcp/appstore"
	other = "https://api.example.com/mcp/other"
)

func resources() []policy.Resource {
	return []policy.Resource{
		{
			URL: store, Name: "App Store",
			Scopes: []policy.Scope{
				{Name: "appstore:read", Title: "View", Permissions: []string{"apps.view", "requests.view"}},
				{Name: "appstore:request", Title: "Request", Permissions: []string{"requests.create"}},
			},
			InitialScopes: []string{"appstore:read"},
			Permissions:   []string{"apps.view", "requests.view", "requests.create"},
		},
		{
			URL: other, Name: "Other",
			Scopes:      []policy.Scope{{Name: "other:read", Permissions: []string{"things.view"}}},
			Permissions: []string{"things.view"},
		},
	}
}

func acme() policy.Domain {
	return policy.Domain{
		Name: "acme.com", Enabled: true, Clients: []string{"claude"}, Everyone: true,
		Roles: []policy.Role{
			{Name: "admin", Groups: []string{"it"}, Allow: []string{"*"}},
			{Name: "member", Everyone: true, Allow: []string{"apps.view"}},
			{Name: "requester", Groups: []string{"staff", "contractors"}, Allow: []string{"requests.create", "apps.view"}},
		},
	}
}

func compile(t *testing.T, domains ...policy.Domain) *policy.Policy {
	t.Helper()
	p, err := policy.New(policy.Config{Domains: domains, Resources: resources()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAdmitNamesTheOutermostLayerThatRefuses(t *testing.T) {
	off := acme()
	off.Name, off.Enabled = "off.com", false
	pilot := acme()
	pilot.Name, pilot.Everyone, pilot.Groups = "pilot.com", false, []string{"pilot", "test"}
	closed := acme()
	closed.Name, closed.Everyone, closed.Clients = "closed.com", false, nil
	p := compile(t, acme(), off, pilot, closed)

	cases := []struct {
		name string
		who  policy.Subject
		want reason.Reason
	}{
		{"a person and a client on the lists are admitted", policy.Subject{Domain: "acme.com", Profile: "claude"}, reason.None},
		{"nobody at all is refused", policy.Subject{}, reason.DomainUnknown},
		{"an unknown domain is refused", policy.Subject{Domain: "evil.com", Profile: "claude"}, reason.DomainUnknown},
		{"a subdomain is another domain", policy.Subject{Domain: "sub.acme.com", Profile: "claude"}, reason.DomainUnknown},
		{"another spelling of the domain is unknown", policy.Subject{Domain: "ACME.com", Profile: "claude"}, reason.DomainUnknown},
		{"a domain that nobody turned on is refused", policy.Subject{Domain: "off.com", Profile: "claude"}, reason.DomainOff},
		{"a domain that is off says so before client and person", policy.Subject{Domain: "off.com", Profile: "x"}, reason.DomainOff},
		{"a person outside the groups is refused", policy.Subject{Domain: "pilot.com", Profile: "claude", Groups: []string{"staff"}}, reason.UserNotAllowed},
		{"a person without groups is refused", policy.Subject{Domain: "pilot.com", Profile: "claude"}, reason.UserNotAllowed},
		{"one of the groups is enough", policy.Subject{Domain: "pilot.com", Profile: "claude", Groups: []string{"x", "test"}}, reason.None},
		{"a group in another spelling does not count", policy.Subject{Domain: "pilot.com", Profile: "claude", Groups: []string{"Test"}}, reason.UserNotAllowed},
		{"a domain that admits nobody refuses the person before the client", policy.Subject{Domain: "closed.com", Profile: "claude"}, reason.UserNotAllowed},
		{"a client that is not on the list is refused", policy.Subject{Domain: "acme.com", Profile: "chatgpt"}, reason.ClientNotAllowed},
		{"a client without a profile is refused", policy.Subject{Domain: "acme.com"}, reason.ClientNotAllowed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := p.Admit(c.who); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDomainWithoutClientsAdmitsNone(t *testing.T) {
	d := acme()
	d.Clients = nil
	if got := compile(t, d).Admit(policy.Subject{Domain: "acme.com", Profile: "claude"}); got != reason.ClientNotAllowed {
		t.Errorf("got %q", got)
	}
}

func TestRolePermissionsAreTheUnionOfThePersonsRoles(t *testing.T) {
	off := acme()
	off.Name, off.Enabled = "off.com", false
	p := compile(t, acme(), off)
	cases := []struct {
		name, domain, resource string
		groups, want           []string
	}{
		{"a role for everyone needs no group", "acme.com", store, nil, []string{"apps.view"}},
		{"roles add up without repetition", "acme.com", store, []string{"staff"}, []string{"apps.view", "requests.create"}},
		{"any of a role's groups gives it", "acme.com", store, []string{"contractors"}, []string{"apps.view", "requests.create"}},
		{"the star gives all that the resource has", "acme.com", store, []string{"it"}, []string{"apps.view", "requests.create", "requests.view"}},
		{"the star reaches no other resource's permissions", "acme.com", other, []string{"it"}, []string{"apps.view", "things.view"}},
		{"the star gives nothing at an unknown resource", "acme.com", "https://x.example", []string{"it"}, []string{"apps.view"}},
		{"an unknown domain gives none", "evil.com", store, []string{"it"}, nil},
		{"a domain that is off gives none", "off.com", store, []string{"it"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.RolePermissions(c.domain, c.groups, c.resource)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScopePermissionsAreTheUnionOfTheScopesOfThatResource(t *testing.T) {
	p := compile(t, acme())
	cases := []struct {
		name, resource string
		scopes, want   []string
	}{
		{"no scope reaches nothing", store, nil, nil},
		{"one scope reaches its own", store, []string{"appstore:request"}, []string{"requests.create"}},
		{"scopes add up", store, []string{"appstore:request", "appstore:read"}, []string{"apps.view", "requests.create", "requests.view"}},
		{"a scope of another resource reaches nothing here", store, []string{"other:read"}, nil},
		{"an unknown scope reaches nothing", store, []string{"openid", "*"}, nil},
		{"an unknown resource has no scopes", "https://x.example", []string{"appstore:read"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.ScopePermissions(c.resource, c.scopes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecideNeedsScopeAndRole(t *testing.T) {
	p := compile(t, acme())
	ann := policy.Subject{Domain: "acme.com", Profile: "claude", Groups: []string{"staff"}}
	cases := []struct {
		name string
		call policy.Call
		want policy.Verdict
	}{
		{
			"a consented scope and a role that has the permission allow the call",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:read"}, Scope: "appstore:read", Permission: "apps.view"},
			policy.Verdict{Allowed: true},
		},
		{
			"a missing scope that the role could use is a step-up",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:read"}, Scope: "appstore:request", Permission: "requests.create"},
			policy.Verdict{StepUp: true, Reason: reason.ScopeMissing},
		},
		{
			"a role without the permission is never a step-up, scope or not",
			policy.Call{Subject: ann, Resource: store, Scope: "appstore:read", Permission: "requests.view"},
			policy.Verdict{Reason: reason.RoleNoPermission},
		},
		{
			"the scope does not replace the role",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:read"}, Scope: "appstore:read", Permission: "requests.view"},
			policy.Verdict{Reason: reason.RoleNoPermission},
		},
		{
			"another scope of the token does not stand in for the one that is needed",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:request"}, Scope: "appstore:read", Permission: "apps.view"},
			policy.Verdict{StepUp: true, Reason: reason.ScopeMissing},
		},
		{
			"a scope that cannot reach the permission is refused even when consented",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:request"}, Scope: "appstore:request", Permission: "apps.view"},
			policy.Verdict{Reason: reason.ScopeInvalid},
		},
		{
			"an unknown scope is refused even when the token carries it",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"*"}, Scope: "*", Permission: "apps.view"},
			policy.Verdict{Reason: reason.ScopeInvalid},
		},
		{
			"a call that names no permission is refused",
			policy.Call{Subject: ann, Resource: store, Scopes: []string{"appstore:read"}, Scope: "appstore:read"},
			policy.Verdict{Reason: reason.RoleNoPermission},
		},
		{
			"a token of one resource does nothing at another",
			policy.Call{Subject: ann, Resource: other, Scopes: []string{"appstore:read"}, Scope: "appstore:read", Permission: "apps.view"},
			policy.Verdict{Reason: reason.ScopeInvalid},
		},
		{
			"who is not admitted is refused before anything else",
			policy.Call{Subject: policy.Subject{Domain: "acme.com", Profile: "chatgpt"}, Resource: store, Scopes: []string{"appstore:read"}, Scope: "appstore:read", Permission: "apps.view"},
			policy.Verdict{Reason: reason.ClientNotAllowed},
		},
		{
			"the zero call is refused",
			policy.Call{},
			policy.Verdict{Reason: reason.DomainUnknown},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.Decide(c.call)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRegistrationAsksOnlyDomainsThatAreOn(t *testing.T) {
	off := acme()
	off.Name, off.Enabled, off.Clients = "off.com", false, []string{"chatgpt"}
	p := compile(t, acme(), off)
	for profile, want := range map[string]bool{"claude": true, "chatgpt": false, "unknown": false, "": false} {
		if got := p.ProfileAllowedAnywhere(profile); got != want {
			t.Errorf("profile %q: %v, want %v", profile, got, want)
		}
	}
	if diff := cmp.Diff([]string{"acme.com"}, p.EnabledDomains()); diff != "" {
		t.Error(diff)
	}
}

func TestNewRefusesAnAmbiguousConfiguration(t *testing.T) {
	cases := []struct {
		name   string
		config policy.Config
	}{
		{"a domain without name", policy.Config{Domains: []policy.Domain{{}}}},
		{"a domain in capitals", policy.Config{Domains: []policy.Domain{{Name: "Acme.com"}}}},
		{"a domain given twice", policy.Config{Domains: []policy.Domain{acme(), acme()}}},
		{"a resource without URL", policy.Config{Resources: []policy.Resource{{}}}},
		{"a resource given twice", policy.Config{Resources: slices.Concat(resources(), resources())}},
		{"an initial scope that does not exist", policy.Config{Resources: []policy.Resource{{URL: store, InitialScopes: []string{"x"}}}}},
		{"a scope given twice", policy.Config{Resources: []policy.Resource{{URL: store, Scopes: []policy.Scope{{Name: "x"}, {Name: "x"}}}}}},
		{"a scope without name", policy.Config{Resources: []policy.Resource{{URL: store, Scopes: []policy.Scope{{}}}}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := policy.New(c.config); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestResourcesKeepTheirOrder(t *testing.T) {
	p := compile(t)
	if diff := cmp.Diff(resources(), p.Resources()); diff != "" {
		t.Error(diff)
	}
	if r, ok := p.Resource(other); !ok || r.Name != "Other" {
		t.Errorf("resource %v, %v", r, ok)
	}
	if _, ok := p.Resource(store + "/"); ok {
		t.Error("another spelling is another resource")
	}
	if d, ok := compile(t, acme()).Domain("acme.com"); !ok || d.Name != "acme.com" {
		t.Errorf("domain %v, %v", d, ok)
	}
}

func TestEveryCompiledPolicyHasItsOwnRevision(t *testing.T) {
	if a, b := compile(t, acme()), compile(t, acme()); a.Revision() == b.Revision() {
		t.Error("two policies share a revision: a cached decision of one would serve the other")
	}
}
