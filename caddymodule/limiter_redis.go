package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/limit/redis"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func init() { caddy.RegisterModule(Redis{}) }

// Redis counts the limits of people and domains in a Redis or Valkey server
// that several nodes share. While it does not answer, each node counts by
// itself.
type Redis struct {
	// The server, as redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… over TLS,
	// or unix:///PATH; or a placeholder for all of it, {env.NAME} or {file./path},
	// which one with a password must be. Required.
	URL string `json:"url,omitempty"`

	url string // with its placeholder replaced
}

// CaddyModule returns the Caddy module information.
func (Redis) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  limiterNamespace + ".redis",
		New: func() caddy.Module { return new(Redis) },
	}
}

// UnmarshalCaddyfile reads the engine. Syntax:
//
//	limiter redis <url>|{env.NAME}|{file./path}
func (r *Redis) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	line, args := d.Token(), d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return at(line, fmt.Errorf("limiter redis takes one address, it has %d: write limiter redis {env.MCP_EDGE_REDIS}", len(args)))
	}
	if d.NextBlock(0) {
		return d.Err("limiter redis has no block")
	}
	r.URL = args[0]
	if !secretPlaceholder.MatchString(r.URL) {
		if err := checkLimiterURL(r.URL); err != nil {
			return at(line, err)
		}
	}
	return nil
}

// checkLimiterURL never quotes the address, which may hold a password.
func checkLimiterURL(s string) error {
	if _, err := redis.ParseURL(s); err != nil {
		return fmt.Errorf("the address of limiter redis is not understood: %w; or give all of it as {env.NAME} or {file./path}", err)
	}
	return nil
}

// Provision finds out which server is meant; it contacts none.
func (r *Redis) Provision(caddy.Context) (err error) {
	r.url = r.URL
	if secretPlaceholder.MatchString(r.URL) {
		if r.url, err = resolveSecret(r.URL, false); err != nil {
			return fmt.Errorf("limiter redis: %w", err)
		}
	}
	return checkLimiterURL(r.url)
}

// CheckSecrets implements LimiterEngine. An address without a password is none.
func (r *Redis) CheckSecrets(allowLiteral bool) error {
	if u, err := url.Parse(r.URL); err == nil { // else nothing but a placeholder is accepted
		if _, has := u.User.Password(); has {
			if err := checkSecret(r.URL, allowLiteral); err != nil {
				return fmt.Errorf("limiter redis: %w", err)
			}
		}
	}
	return nil
}

// Identity names the server, the account and the database: a password that was
// changed is a new connection.
func (r *Redis) Identity() string {
	sum := sha256.Sum256([]byte(r.url))
	return "redis:" + hex.EncodeToString(sum[:])
}

// Open connects to the server, if it is there.
func (r *Redis) Open(ctx context.Context, c LimiterContext) (limit.Engine, error) {
	return redis.New(ctx, redis.Config{URL: r.url, Observer: c.Observer, Clock: clock.System, Log: c.Log})
}

// Interface guards.
var (
	_ LimiterEngine         = (*Redis)(nil)
	_ caddy.Provisioner     = (*Redis)(nil)
	_ caddyfile.Unmarshaler = (*Redis)(nil)
)
