// Package caddymodule is the only package of MCP Edge that knows Caddy.
//
// Owns: the app "mcp_edge" with its configuration and life cycle, the handlers
// "mcp_auth" and "mcp_bridge", the guest modules for stores, identity providers
// and audit sinks, the Caddyfile grammar, the metrics, and the adapters by which
// package authz and package mcpbridge meet without knowing each other; and the
// handler "mcp_verify", which needs no app and stands before a backend.
//
// Does not own: any decision about clients, people, tokens or tools. What is
// decided here is which configuration is refused, and when.
//
// Two lives: an App belongs to one configuration and is replaced by a reload;
// the runtime (store, keys, caches, metrics) is pooled and outlives reloads.
// Requests may still run on a configuration that was replaced, so an App gives
// back what it holds only when its last request has ended.
//
// Trust: the configuration, the environment and the files that it names are
// trusted; every request is not. The client address is what Caddy determined
// from the connection and from configured trusted proxies.
package caddymodule
