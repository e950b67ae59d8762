package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var auditLaterLines = []string{"syslog", "webhook", "otlp"}

// parseAudit reads where the audit trail is written. Syntax:
//
//	audit {
//	    file <path>
//	}
func (a *App) parseAudit(d *caddyfile.Dispenser) error {
	p := newParser(d)
	if err := p.flag(); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if !slices.Contains([]string{"file"}, name) {
			return p.unknown("audit", []string{"file"}, auditLaterLines)
		}
		if err := p.once(); err != nil {
			return err
		}
		sink, err := caddyfile.UnmarshalModule(d, auditNamespace+"."+name)
		if err != nil {
			return err
		}
		a.AuditRaw = append(a.AuditRaw, caddyconfig.JSONModuleObject(sink, "sink", name, nil))
	}
	return nil
}
