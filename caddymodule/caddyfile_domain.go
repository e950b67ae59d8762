package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var (
	domainLines = []string{"enabled", "idp", "clients", "users", "role", "limits"}
	roleLines   = []string{"everyone", "group", "allow"}
)

// wholeChecks are made when the block has been read: `client` blocks and the
// issuer may stand after the blocks that depend on them.
type wholeChecks struct {
	clients []caddyfile.Token // names of `clients`
	secrets []secretLine
}

// secretLine is a line with secrets.
type secretLine struct {
	line  caddyfile.Token
	check func(allowLiteral bool) error
}

// run refuses host profiles that are neither built in nor a client block, and
// secrets that stand in the text.
func (c *wholeChecks) run(a *App) error {
	known, err := profileIDs(a.Clients)
	if err != nil {
		return err
	}
	for _, name := range c.clients {
		if !slices.Contains(known, name.Text) {
			return at(name, unknownProfile(name.Text, known))
		}
	}
	if holdsPlaceholder(a.Issuer) {
		return nil
	}
	for _, secret := range c.secrets {
		if err := secret.check(isLoopbackURL(a.Issuer)); err != nil {
			return at(secret.line, err)
		}
	}
	return nil
}

// unknownProfile says what to do about a name of `clients` that nothing defines.
func unknownProfile(name string, known []string) error {
	return fmt.Errorf("clients names %q, which is neither built in nor a client block: %s; or add client %s { redirect_uri … }", name, suggest(name, known), name)
}

// parseDomain reads one customer. Syntax:
//
//	domain <name> {
//	    enabled
//	    idp <provider> …
//	    clients <ids...>
//	    users everyone
//	    users group <names...>
//	    role <name> {
//	        everyone
//	        group <names...>
//	        allow <permissions...>|*
//	    }
//	    limits {
//	        read   <rate> [burst <number>]|off
//	        write  <rate> [burst <number>]|off
//	        domain <rate> [burst <number>]|off
//	    }
//	}
func (a *App) parseDomain(d *caddyfile.Dispenser, whole *wholeChecks) error {
	start := d.Token()
	name, err := newParser(d).checked(checkDomainName)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Domains, func(other *Domain) bool { return other.Name == name }) {
		return at(start, fmt.Errorf("domain %s is given twice", name))
	}
	domain := &Domain{Name: name}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := domain.parseLine(p, whole); err != nil {
			return err
		}
	}
	if domain.Enabled && domain.IDPRaw == nil {
		return at(start, fmt.Errorf("domain %s is enabled and has no identity provider: add idp oidc https://…, or remove enabled", name))
	}
	a.Domains = append(a.Domains, domain)
	return nil
}

func (o *Domain) parseLine(p *parser, whole *wholeChecks) (err error) {
	name := p.Val()
	if slices.Contains([]string{"enabled", "idp", "clients", "limits"}, name) {
		if err := p.once(); err != nil {
			return err
		}
	}
	switch name {
	case "enabled":
		o.Enabled = true
		return p.flag()
	case "idp":
		return o.parseIDP(p.Dispenser, whole)
	case "clients":
		ahead := *p.Dispenser
		whole.clients = append(whole.clients, ahead.RemainingArgsAsTokens()...)
		o.Clients, err = p.words()
		return err
	case "users":
		return o.parseUsers(p)
	case "role":
		return o.parseRole(p.Dispenser)
	case "limits":
		return o.parseLimits(p.Dispenser)
	}
	return p.unknown("domain", domainLines, nil)
}

func (o *Domain) parseIDP(d *caddyfile.Dispenser, whole *wholeChecks) error {
	line := d.Token()
	if !d.NextArg() {
		return at(line, fmt.Errorf("idp needs a provider: write idp oidc https://…"))
	}
	name := d.Val()
	switch name {
	case "oidc":
	case "saml":
		return d.Err("idp saml is not available in this version")
	default:
		return d.Errf("unknown idp %q: %s", name, suggest(name, []string{"oidc"}))
	}
	provider, err := caddyfile.UnmarshalModule(d, idpNamespace+"."+name)
	if err != nil {
		return err
	}
	if p, ok := provider.(IdentityProvider); ok {
		whole.secrets = append(whole.secrets, secretLine{line, p.CheckSecrets})
	}
	o.IDPRaw = caddyconfig.JSONModuleObject(provider, "provider", name, nil)
	return nil
}

// parseUsers reads "users everyone" or "users group …"; groups of several lines
// add up, everyone stands alone.
func (o *Domain) parseUsers(p *parser) error {
	line := p.Token()
	args := p.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "everyone":
		o.Users.Everyone = true
	case len(args) > 1 && args[0] == "group":
		o.Users.Groups = append(o.Users.Groups, args[1:]...)
	default:
		return at(line, fmt.Errorf("users takes everyone, or group and the names of groups"))
	}
	if slices.Contains(o.Users.Groups, "") {
		return at(line, errEmptyGroup)
	}
	if o.Users.Everyone && len(o.Users.Groups) > 0 {
		return at(line, fmt.Errorf("users everyone and users group contradict each other: keep one"))
	}
	return nil
}

func (o *Domain) parseRole(d *caddyfile.Dispenser) error {
	start := d.Token()
	name, err := newParser(d).word()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(o.Roles, func(r Role) bool { return r.Name == name }) {
		return at(start, fmt.Errorf("role %s is given twice", name))
	}
	role := Role{Name: name}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := role.parseLine(p); err != nil {
			return err
		}
	}
	if err := role.validate(); err != nil {
		return at(start, err)
	}
	o.Roles = append(o.Roles, role)
	return nil
}

func (r *Role) parseLine(p *parser) error {
	line := p.Token()
	switch p.Val() {
	case "everyone":
		if err := p.once(); err != nil {
			return err
		}
		r.Everyone = true
		return p.flag()
	case "group":
		groups, err := p.words()
		r.Groups = append(r.Groups, groups...)
		return err
	case "allow":
		permissions, err := p.words()
		r.Allow = append(r.Allow, permissions...)
		if err != nil {
			return err
		}
		return checkEach(line, permissions, checkPermission)
	}
	return p.unknown("role", roleLines, nil)
}
