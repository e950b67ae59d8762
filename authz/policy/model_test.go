package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// set is the naive form in which the model keeps everything.
type set map[string]bool

func setOf(values ...string) set {
	s := set{}
	for _, v := range values {
		s[v] = true
	}
	return s
}

func (s set) meets(t set) bool {
	for v := range s {
		if t[v] {
			return true
		}
	}
	return false
}

// decide is the rule of the design, written without looking at the code:
// allowed = the domain is on, and it admits the person, and it admits the
// client, and the permission is in (reach of the needed scope ∩ consented) and
// in the permissions of the person's roles.
func decide(cfg policy.Config, c policy.Call) policy.Verdict {
	refuse := func(why reason.Reason) policy.Verdict { return policy.Verdict{Reason: why} }
	groups := setOf(c.Groups...)

	domains := map[string]policy.Domain{}
	for _, d := range cfg.Domains {
		domains[d.Name] = d
	}
	d, known := domains[c.Domain]
	if !known {
		return refuse(reason.DomainUnknown)
	}
	if !d.Enabled {
		return refuse(reason.DomainOff)
	}
	if !d.Everyone && !setOf(d.Groups...).meets(groups) {
		return refuse(reason.UserNotAllowed)
	}
	if !setOf(d.Clients...)[c.Profile] {
		return refuse(reason.ClientNotAllowed)
	}

	var resource policy.Resource
	for _, r := range cfg.Resources {
		if r.URL == c.Resource {
			resource = r
		}
	}
	role := set{}
	for _, r := range d.Roles {
		if r.Everyone || setOf(r.Groups...).meets(groups) {
			for _, p := range r.Allow {
				if p == "*" {
					for _, all := range resource.Permissions {
						role[all] = true
					}
				}
				role[p] = true
			}
		}
	}
	if c.Permission == "*" || !role[c.Permission] {
		return refuse(reason.RoleNoPermission)
	}
	reach := set{}
	for _, s := range resource.Scopes {
		if s.Name == c.Scope {
			for _, p := range s.Permissions {
				reach[p] = true
			}
		}
	}
	if !reach[c.Permission] {
		return refuse(reason.ScopeInvalid)
	}
	if !setOf(c.Scopes...)[c.Scope] {
		return policy.Verdict{StepUp: true, Reason: reason.ScopeMissing}
	}
	return policy.Verdict{Allowed: true}
}

// Small alphabets, so that names meet often.
var (
	domainNames = []string{"a.com", "b.com", "c.com"}
	groupNames  = []string{"g1", "g2", "g3"}
	profileIDs  = []string{"p1", "p2", "p3"}
	permissions = []string{"v1", "v2", "v3", "v4"}
	scopeNames  = []string{"s1", "s2", "s3"}
	urls        = []string{"https://r1", "https://r2"}
)

// some keeps each value more often than not, so that calls are allowed often
// enough to compare.
func some(t *rapid.T, label string, of []string) []string {
	kept := []string{}
	for _, v := range of {
		if likely(t, label) {
			kept = append(kept, v)
		}
	}
	return kept
}

func oneOf(t *rapid.T, label string, of []string) string {
	if likely(t, label) {
		return rapid.SampledFrom(of).Draw(t, label)
	}
	return rapid.SampledFrom([]string{"", "unknown"}).Draw(t, label)
}

func likely(t *rapid.T, label string) bool { return rapid.IntRange(0, 3).Draw(t, label) > 0 }

func anyConfig(t *rapid.T) policy.Config {
	var cfg policy.Config
	for _, name := range some(t, "domains", domainNames) {
		d := policy.Domain{
			Name: name, Enabled: likely(t, "enabled"), Everyone: likely(t, "everyone"),
			Groups: some(t, "domain groups", groupNames), Clients: some(t, "clients", profileIDs),
		}
		for range rapid.IntRange(0, 3).Draw(t, "roles") {
			d.Roles = append(d.Roles, policy.Role{
				Everyone: rapid.Bool().Draw(t, "role everyone"), Groups: some(t, "role groups", groupNames),
				Allow: some(t, "allow", append([]string{"*"}, permissions...)),
			})
		}
		cfg.Domains = append(cfg.Domains, d)
	}
	for _, url := range some(t, "resources", urls) {
		r := policy.Resource{URL: url, Permissions: some(t, "permissions", permissions)}
		for _, name := range some(t, "scopes", scopeNames) {
			r.Scopes = append(r.Scopes, policy.Scope{Name: name, Permissions: some(t, "scope permissions", permissions)})
		}
		cfg.Resources = append(cfg.Resources, r)
	}
	return cfg
}

func anyCall(t *rapid.T) policy.Call {
	return policy.Call{
		Subject: policy.Subject{
			Domain: oneOf(t, "domain", domainNames), Groups: some(t, "groups", groupNames), Profile: oneOf(t, "profile", profileIDs),
		},
		Resource: oneOf(t, "resource", urls), Scopes: some(t, "token scopes", scopeNames),
		Scope: oneOf(t, "scope", scopeNames), Permission: oneOf(t, "permission", append([]string{"*"}, permissions...)),
	}
}

func TestDecideAgreesWithAnIndependentModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := anyConfig(t)
		p, err := policy.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			call := anyCall(t)
			want, got := decide(cfg, call), p.Decide(call)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v: %s", call, diff)
			}
			if got.Allowed == (got.Reason != reason.None) {
				t.Fatalf("allowed %v with reason %q", got.Allowed, got.Reason)
			}
			if admit := p.Admit(call.Subject); (admit != reason.None) && got.Allowed {
				t.Fatalf("allowed a call of a subject that is refused for %q", admit)
			}
		}
	})
}

func TestModelCoversEveryVerdict(t *testing.T) {
	// A generator that never reaches a rule would prove nothing about it.
	seen := map[policy.Verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		cfg := anyConfig(t)
		for range 50 {
			seen[decide(cfg, anyCall(t))]++
		}
	})
	for _, want := range []policy.Verdict{
		{Allowed: true}, {StepUp: true, Reason: reason.ScopeMissing}, {Reason: reason.ScopeInvalid}, {Reason: reason.RoleNoPermission},
		{Reason: reason.ClientNotAllowed}, {Reason: reason.UserNotAllowed}, {Reason: reason.DomainOff}, {Reason: reason.DomainUnknown},
	} {
		if seen[want] == 0 {
			t.Errorf("no generated call leads to %+v", want)
		}
	}
}

func TestNarrowingNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := anyConfig(t)
		p, err := policy.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		call := anyCall(t)
		if p.Decide(call).Allowed {
			return
		}
		narrow := call
		narrow.Scopes = call.Scopes[:len(call.Scopes)/2]
		narrow.Groups = call.Groups[:len(call.Groups)/2]
		if p.Decide(narrow).Allowed {
			t.Fatalf("allowed with fewer scopes and groups: %+v", narrow)
		}
	})
}
