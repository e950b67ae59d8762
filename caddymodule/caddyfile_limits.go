package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var limitLines = []string{"read", "write", "domain"}

// parseLimiter reads where limits are counted; see parseGlobalOption.
func (a *App) parseLimiter(d *caddyfile.Dispenser, whole *wholeChecks) error {
	line := d.Token()
	if !d.NextArg() {
		return at(line, fmt.Errorf("limiter needs an engine: write limiter memory, or limiter redis {env.MCP_EDGE_REDIS}"))
	}
	name := d.Val()
	if name != "memory" && name != "redis" {
		return d.Errf("unknown limiter %q: %s", name, suggest(name, []string{"memory", "redis"}))
	}
	module, err := caddyfile.UnmarshalModule(d, limiterNamespace+"."+name)
	if err != nil {
		return err
	}
	if engine, ok := module.(LimiterEngine); ok {
		whole.secrets = append(whole.secrets, secretLine{line, engine.CheckSecrets})
	}
	a.LimiterRaw = caddyconfig.JSONModuleObject(module, "engine", name, nil)
	return nil
}

// parseLimits reads the limits of a domain; see parseDomain.
func (o *Domain) parseLimits(d *caddyfile.Dispenser) error {
	p := newParser(d)
	if err := p.flag(); err != nil {
		return err
	}
	o.Limits = new(Limits)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := p.once(); err != nil {
			return err
		}
		var field *string
		name, line := d.Val(), d.Token()
		switch name {
		case "read":
			field = &o.Limits.Read
		case "write":
			field = &o.Limits.Write
		case "domain":
			field = &o.Limits.Domain
		default:
			return p.unknown("limits", limitLines, nil)
		}
		*field = strings.Join(d.RemainingArgs(), " ")
		if _, err := parseRate(name, *field); err != nil {
			return at(line, err)
		}
	}
	return nil
}
