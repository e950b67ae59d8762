package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/teamlumos/mcp-edge/authz/limit"
)

// Scope is one OAuth scope of a resource.
type Scope struct {
	// Name as in RFC 6749 §3.3, for example "appstore:read".
	Name string
	// Title tells a person what it allows, on the consent page.
	Title string
	// Permissions are those that the scope can reach.
	Permissions []string
}

// Resource is one protected resource (RFC 9728): an MCP endpoint.
type Resource struct {
	// URL is the resource identifier (RFC 8707), byte for byte as published.
	URL string
	// Name is shown to people.
	Name string
	// Scopes are all that exist for it, in the order shown to people.
	Scopes []Scope
	// InitialScopes are what the challenge of a 401 asks for, and what a request
	// without a known scope asks a person for. By default that is every scope,
	// since some clients never ask for more later; an operator may choose fewer,
	// and more is then asked for when a call needs it.
	InitialScopes []string
	// Permissions are all that its tools name.
	Permissions []string
}

// Role gives permissions to people of a domain.
type Role struct {
	Name string
	// Everyone gives the role to every admitted person of the domain.
	Everyone bool
	// Groups give it to people whom the identity provider puts into any of them.
	Groups []string
	// Allow lists permissions; "*" stands for all.
	Allow []string
}

// Domain is a customer: people with e-mail addresses of that domain.
type Domain struct {
	// Name is the e-mail domain in lower case.
	Name string
	// Enabled is false unless an admin turned it on.
	Enabled bool
	// Clients is the allowlist of host profile ids; empty admits none.
	Clients []string
	// Everyone admits each person whom the identity provider signs in; otherwise
	// only those in one of Groups. With neither, nobody is admitted.
	Everyone bool
	Groups   []string
	Roles    []Role
	// Limits are how much its people may ask of the MCP endpoints.
	Limits Limits
}

// Limits are rates of requests. One that limits nothing is off.
type Limits struct {
	// Read and Write are those of each person: of requests that change nothing, and
	// of those that do.
	Read, Write limit.Rate
	// Domain is that of all people together.
	Domain limit.Rate
}

// Config is the policy part of a configuration.
type Config struct {
	Domains   []Domain
	Resources []Resource
}

// Policy is a compiled Config.
type Policy struct {
	revision  uint64
	domains   map[string]Domain
	resources map[string]Resource
	order     []Resource
}

// Subject is who is judged.
type Subject struct {
	Domain  string
	Groups  []string
	Profile string // host profile id of the client
}

var revisions atomic.Uint64

// New compiles cfg. It refuses names given twice and domains that are not in
// lower case, since two spellings of one customer would be two customers.
func New(cfg Config) (*Policy, error) {
	p := &Policy{
		revision:  revisions.Add(1),
		domains:   make(map[string]Domain, len(cfg.Domains)),
		resources: make(map[string]Resource, len(cfg.Resources)),
	}
	for _, d := range cfg.Domains {
		if d.Name == "" || d.Name != strings.ToLower(d.Name) {
			return nil, fmt.Errorf("domain %q: want a domain name in lower case", d.Name)
		}
		if _, twice := p.domains[d.Name]; twice {
			return nil, fmt.Errorf("domain %q is given twice", d.Name)
		}
		p.domains[d.Name] = d
	}
	for _, r := range cfg.Resources {
		if err := p.addResource(r); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Policy) addResource(r Resource) error {
	if r.URL == "" {
		return errors.New("a resource needs a URL")
	}
	if _, twice := p.resources[r.URL]; twice {
		return fmt.Errorf("resource %q is given twice", r.URL)
	}
	for i, scope := range r.Scopes {
		// Two scopes of one name would be consented to under one title and reach
		// what both reach.
		if scope.Name == "" || slices.ContainsFunc(r.Scopes[:i], func(s Scope) bool { return s.Name == scope.Name }) {
			return fmt.Errorf("resource %q: scope %q has no name or is given twice", r.URL, scope.Name)
		}
	}
	for _, name := range r.InitialScopes {
		if !slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.Name == name }) {
			return fmt.Errorf("resource %q: initial scope %q is none of its scopes", r.URL, name)
		}
	}
	p.resources[r.URL] = r
	p.order = append(p.order, r)
	return nil
}

// Revision is different for every compiled policy of this process; caches of
// decisions carry it in their keys.
func (p *Policy) Revision() uint64 { return p.revision }

// Domain returns the domain with that name in lower case.
func (p *Policy) Domain(name string) (Domain, bool) {
	d, ok := p.domains[name]
	return d, ok
}

// Limits returns the limits of the domain with that name in lower case.
func (p *Policy) Limits(name string) Limits { return p.domains[name].Limits }

// EnabledDomains lists the names of domains that are on, sorted.
func (p *Policy) EnabledDomains() []string {
	var names []string
	for name, d := range p.domains {
		if d.Enabled {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Resource returns the resource with that canonical URL.
func (p *Policy) Resource(url string) (Resource, bool) {
	r, ok := p.resources[url]
	return r, ok
}

// Resources lists all resources in the order of the configuration.
func (p *Policy) Resources() []Resource { return slices.Clone(p.order) }

// ProfileAllowedAnywhere says whether any enabled domain admits the host
// profile. Registration asks this before anyone has signed in.
func (p *Policy) ProfileAllowedAnywhere(profile string) bool {
	for _, d := range p.domains {
		if d.Enabled && slices.Contains(d.Clients, profile) {
			return true
		}
	}
	return false
}

// RolePermissions lists what the roles of a person permit at a resource,
// sorted.
func (p *Policy) RolePermissions(domain string, groups []string, resource string) []string {
	d, ok := p.domains[domain]
	if !ok || !d.Enabled {
		return nil
	}
	return p.held(d, groups, resource)
}

// RolesOf lists the roles of a domain that a person with these groups has.
func (p *Policy) RolesOf(domain string, groups []string) []Role {
	return p.domains[domain].rolesOf(groups)
}

func (d Domain) rolesOf(groups []string) []Role {
	var roles []Role
	for _, role := range d.Roles {
		if role.Everyone || intersects(role.Groups, groups) {
			roles = append(roles, role)
		}
	}
	return roles
}

func (p *Policy) held(d Domain, groups []string, resource string) []string {
	var held []string
	for _, role := range d.rolesOf(groups) {
		for _, permission := range role.Allow {
			if permission == "*" {
				held = append(held, p.resources[resource].Permissions...)
			} else {
				held = append(held, permission)
			}
		}
	}
	slices.Sort(held)
	return slices.Compact(held)
}

// ScopePermissions lists what the scopes can reach at a resource, sorted.
func (p *Policy) ScopePermissions(resource string, scopes []string) []string {
	var reach []string
	for _, s := range p.resources[resource].Scopes {
		if slices.Contains(scopes, s.Name) {
			reach = append(reach, s.Permissions...)
		}
	}
	slices.Sort(reach)
	return slices.Compact(reach)
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
