package caddymodule

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

var (
	appLines      = []string{"issuer", "store", "limiter", "tokens", "registration", "client", "domain", "trusted_resource_server", "audit", "allow_origin"}
	appLaterLines = []string{"branding", "revocation"}
	tokenLines    = []string{"code", "access", "refresh", "refresh_idle", "rotation_grace"}
)

// parseGlobalOption makes the app "mcp_edge" from the global option. Syntax:
//
//	mcp_edge {
//	    issuer <url>
//	    store <engine> …
//	    limiter memory
//	    limiter redis <url>|{env.NAME}|{file./path}
//	    tokens {
//	        code           <duration>
//	        access         <duration>
//	        refresh        <duration>
//	        refresh_idle   <duration>
//	        rotation_grace <duration>
//	    }
//	    registration {
//	        dynamic            on|off
//	        metadata_documents on|off
//	    }
//	    client <id> { … }
//	    domain <name> { … }
//	    trusted_resource_server <name> { … }
//	    audit { … }
//	    allow_origin <origins...>
//	}
func parseGlobalOption(d *caddyfile.Dispenser, previous any) (any, error) {
	if previous != nil {
		d.Next()
		return nil, d.Err("mcp_edge is given twice: put everything into one block")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads the block of the global option; see
// parseGlobalOption for its syntax.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	start := d.Token()
	p := newParser(d)
	if err := p.flag(); err != nil {
		return err
	}
	whole := new(wholeChecks)
	for d.NextBlock(0) {
		if err := a.parseLine(p, whole); err != nil {
			return err
		}
	}
	switch {
	case a.Issuer == "":
		return at(start, fmt.Errorf("mcp_edge needs a line issuer https://…"))
	case a.StoreRaw == nil:
		return at(start, fmt.Errorf("mcp_edge needs a line store sqlite PATH"))
	}
	return whole.run(a)
}

func (a *App) parseLine(p *parser, whole *wholeChecks) (err error) {
	switch p.Val() {
	case "client":
		return a.parseClient(p.Dispenser)
	case "domain":
		return a.parseDomain(p.Dispenser, whole)
	case "trusted_resource_server":
		return a.parseResourceServer(p.Dispenser, whole)
	}
	// What is not a named block stands once.
	if slices.Contains(appLines, p.Val()) {
		if err := p.once(); err != nil {
			return err
		}
	}
	switch p.Val() {
	case "issuer":
		a.Issuer, err = p.checked(checkIssuer)
	case "store":
		err = a.parseStore(p.Dispenser)
	case "limiter":
		err = a.parseLimiter(p.Dispenser, whole)
	case "tokens":
		err = a.parseTokens(p.Dispenser)
	case "registration":
		err = a.parseRegistration(p.Dispenser)
	case "audit":
		err = a.parseAudit(p.Dispenser)
	case "allow_origin":
		err = a.parseOrigins(p)
	default:
		err = p.unknown("mcp_edge", appLines, appLaterLines)
	}
	return err
}

func (a *App) parseStore(d *caddyfile.Dispenser) error {
	line := d.Token()
	if !d.NextArg() {
		return at(line, fmt.Errorf("store needs an engine: write store sqlite PATH"))
	}
	name := d.Val()
	switch name {
	case "sqlite":
	case "postgres":
		return d.Err("store postgres is not available in this version")
	default:
		return d.Errf("unknown store %q: %s", name, suggest(name, []string{"sqlite"}))
	}
	engine, err := caddyfile.UnmarshalModule(d, storeNamespace+"."+name)
	if err != nil {
		return err
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(engine, "engine", name, nil)
	return nil
}

func (a *App) parseTokens(d *caddyfile.Dispenser) error {
	p := newParser(d)
	start := d.Token()
	if err := p.flag(); err != nil {
		return err
	}
	a.Tokens = new(Tokens)
	bounds := map[string]struct {
		field *caddy.Duration
		least time.Duration
		most  time.Duration
	}{
		"code":           {&a.Tokens.Code, minCode, maxCode},
		"access":         {&a.Tokens.Access, minAccess, maxAccess},
		"refresh":        {&a.Tokens.Refresh, minRefresh, maxRefresh},
		"refresh_idle":   {&a.Tokens.RefreshIdle, minRefresh, maxRefresh},
		"rotation_grace": {&a.Tokens.RotationGrace, minGrace, maxGrace},
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		b, ok := bounds[d.Val()]
		if !ok {
			return p.unknown("tokens", tokenLines, nil)
		}
		if err := p.once(); err != nil {
			return err
		}
		name, line := d.Val(), d.Token()
		duration, err := p.duration()
		if err != nil {
			return err
		}
		if err := checkLifetime(name, time.Duration(duration), b.least, b.most); err != nil {
			return at(line, err)
		}
		*b.field = duration
	}
	if err := a.Tokens.withDefaults().validate(); err != nil {
		return at(start, err)
	}
	return nil
}

func (a *App) parseRegistration(d *caddyfile.Dispenser) error {
	p := newParser(d)
	if err := p.flag(); err != nil {
		return err
	}
	a.Registration = new(Registration)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := p.once(); err != nil {
			return err
		}
		name, line := d.Val(), d.Token()
		if name != "dynamic" && name != "metadata_documents" {
			return p.unknown("registration", []string{"dynamic", "metadata_documents"}, nil)
		}
		value, err := p.word()
		if err != nil {
			return err
		}
		if value != "on" && value != "off" {
			return at(line, fmt.Errorf("%s is %q, want on or off", name, value))
		}
		on := value == "on"
		if name == "dynamic" {
			a.Registration.Dynamic = &on
		} else {
			a.Registration.MetadataDocuments = &on
		}
	}
	return nil
}

func (a *App) parseOrigins(p *parser) error {
	line := p.Token()
	origins, err := p.words()
	if err != nil {
		return err
	}
	for _, origin := range origins {
		if err := checkOrigin(origin); err != nil {
			return at(line, err)
		}
	}
	a.AllowOrigin = origins
	return nil
}
