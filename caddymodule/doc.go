// Package caddymodule is the only package of MCP Edge that knows Caddy.
package caddymodule
