package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func init() { caddy.RegisterModule(Memory{}) }

// Memory counts the limits of people and domains in this process. Of several
// nodes each allows the whole limit.
type Memory struct{}

// CaddyModule returns the Caddy module information.
func (Memory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  limiterNamespace + ".memory",
		New: func() caddy.Module { return new(Memory) },
	}
}

// UnmarshalCaddyfile reads the engine. Syntax:
//
//	limiter memory
func (*Memory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	line, args := d.Token(), d.RemainingArgs()
	if len(args) > 0 {
		return at(line, fmt.Errorf("limiter memory takes no value, it has %d", len(args)))
	}
	if d.NextBlock(0) {
		return d.Err("limiter memory has no block")
	}
	return nil
}

// Identity implements LimiterEngine: there is one memory.
func (*Memory) Identity() string { return "memory" }

// CheckSecrets implements LimiterEngine.
func (*Memory) CheckSecrets(bool) error { return nil }

// Open begins to count.
func (*Memory) Open(context.Context, LimiterContext) (limit.Engine, error) {
	return limit.NewLocal(limit.DefaultSize, clock.System)
}

// Interface guards.
var (
	_ LimiterEngine         = (*Memory)(nil)
	_ caddyfile.Unmarshaler = (*Memory)(nil)
)
