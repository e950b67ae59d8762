package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/policy"
)

// Validate refuses what contradicts itself and says how to mend it.
func (a *App) Validate() error {
	if err := a.Tokens.withDefaults().validate(); err != nil {
		return err
	}
	for _, origin := range a.AllowOrigin {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("allow_origin: %w", err)
		}
	}
	names := make(map[string]bool, len(a.Domains))
	for _, domain := range a.Domains {
		if names[domain.Name] {
			return fmt.Errorf("domain %s is given twice", domain.Name)
		}
		names[domain.Name] = true
		if err := a.validateDomain(domain); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(a.Domains, func(d *Domain) bool { return d.Enabled }) {
		a.log.Warn("no domain is enabled: nobody can sign in; add enabled to a domain")
	}
	if declared, ok := permissionsIn(a.ctx); ok { // otherwise Start sees to it
		if err := a.checkPermissions(declared); err != nil {
			return err
		}
	}
	_, err := policy.New(policy.Config{Domains: a.domains()})
	return err
}

// checkPermissions refuses a role that allows what no toolset has, whether built
// in or declared by an mcp_bridge.
func (a *App) checkPermissions(declared []string) error {
	known := append(builtInPermissions(), declared...)
	slices.Sort(known)
	known = slices.Compact(known)
	for _, d := range a.Domains {
		for _, role := range d.Roles {
			for _, name := range role.Allow {
				if name != "*" && !slices.Contains(known, name) {
					return fmt.Errorf("domain %s, role %s: %w", d.Name, role.Name, unknownPermission(name, known))
				}
			}
		}
	}
	return nil
}

func (a *App) validateDomain(d *Domain) error {
	if err := checkDomainName(d.Name); err != nil {
		return err
	}
	if d.Enabled && d.idp == nil {
		return fmt.Errorf("domain %s is enabled and has no identity provider: add idp oidc https://…, or remove enabled", d.Name)
	}
	for _, id := range d.Clients {
		if _, ok := a.profiles.Profile(id); !ok {
			return fmt.Errorf("domain %s: %w", d.Name, unknownProfile(id, a.profiles.IDs()))
		}
	}
	if slices.Contains(d.Users.Groups, "") {
		return fmt.Errorf("domain %s: users: %w", d.Name, errEmptyGroup)
	}
	if d.Users.Everyone && len(d.Users.Groups) > 0 {
		return fmt.Errorf("domain %s: users everyone and users group contradict each other: keep one", d.Name)
	}
	roles := make(map[string]bool, len(d.Roles))
	for _, role := range d.Roles {
		if roles[role.Name] {
			return fmt.Errorf("domain %s: role %s is given twice", d.Name, role.Name)
		}
		roles[role.Name] = true
		if err := role.validate(); err != nil {
			return fmt.Errorf("domain %s: %w", d.Name, err)
		}
		for _, permission := range role.Allow {
			if err := checkPermission(permission); err != nil {
				return fmt.Errorf("domain %s, role %s: %w", d.Name, role.Name, err)
			}
		}
	}
	if _, err := d.Limits.rates(); err != nil {
		return fmt.Errorf("domain %s: %w", d.Name, err)
	}
	a.warnAbout(d)
	return nil
}

// warnAbout says what is allowed but hardly meant. Everything is off by default,
// so a forgotten line shows as people who can do nothing.
func (a *App) warnAbout(d *Domain) {
	if !d.Enabled {
		return
	}
	if !d.Users.Everyone && len(d.Users.Groups) == 0 {
		a.log.Warn("the domain admits nobody; add users everyone or users group NAME", "domain", d.Name)
	}
	if len(d.Clients) == 0 {
		a.log.Warn("the domain admits no assistant; add clients NAME", "domain", d.Name)
	}
	for _, id := range d.Clients {
		if profile, ok := a.profiles.Profile(id); ok && !profile.Ready() {
			a.log.Warn("the assistant cannot connect before its client block is complete; see mcp-edge clients "+id, "domain", d.Name, "client", id, "needs", profile.Needs)
		}
	}
	if len(d.Roles) == 0 {
		a.log.Warn("the domain has no role, so its people may do nothing; add role NAME { … }", "domain", d.Name)
	}
}

// domains returns the domains in the terms of the policy.
func (a *App) domains() []policy.Domain {
	var list []policy.Domain
	for _, d := range a.Domains {
		domain := policy.Domain{
			Name: d.Name, Enabled: d.Enabled, Clients: d.Clients,
			Everyone: d.Users.Everyone, Groups: d.Users.Groups,
		}
		if limits, err := d.Limits.rates(); err == nil { // else Validate has refused it
			domain.Limits = limits
		}
		for _, r := range d.Roles {
			domain.Roles = append(domain.Roles, policy.Role{Name: r.Name, Everyone: r.Everyone, Groups: r.Groups, Allow: r.Allow})
		}
		list = append(list, domain)
	}
	return list
}

// profileIDs lists the host profiles that `clients` may name.
func profileIDs(clients []ClientProfile) ([]string, error) {
	registry, err := registryFor(nil, clients)
	if err != nil {
		return nil, err
	}
	return registry.IDs(), nil
}

// validate checks a host profile by itself.
func (c ClientProfile) validate() error {
	if err := checkProfileID(c.ID); err != nil {
		return err
	}
	for _, uri := range c.RedirectURIs {
		if err := checkRedirect(uri); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	for _, path := range c.LoopbackPaths {
		if err := checkLoopbackPath(path); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	if grace := time.Duration(c.RotationGrace); grace != 0 && (grace < minGrace || grace > maxGrace) {
		return fmt.Errorf("client %s: rotation_grace is %v, allowed is %v to %v", c.ID, grace, minGrace, maxGrace)
	}
	return nil
}

var errNoApp = errors.New("the global option mcp_edge is missing: add mcp_edge { issuer …, store … } to the block at the top")
