package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/authz/discovery"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

func init() { caddy.RegisterModule(Bridge{}) }

// Bridge is one MCP endpoint: it checks who calls and what they may do, and
// translates tool calls into signed REST requests. It answers at exactly one
// path and at the well-known addresses of its host, and passes on all else.
type Bridge struct {
	// The path of the endpoint, like /mcp/appstore. Required.
	Path string `json:"path,omitempty"`

	// The public URL of the endpoint: its resource identifier, to which tokens
	// are bound. Required.
	Resource string `json:"resource,omitempty"`

	// Which tools it offers: appstore, or openapi for those of a document.
	// Required.
	Toolset string `json:"toolset,omitempty"`

	// The tools of the toolset openapi, for which it is required.
	OpenAPI *OpenAPI `json:"openapi,omitempty"`

	// The scopes that assistants are told to ask for first; they ask for others
	// when a call needs them. Default: all that the toolset recommends.
	InitialScopes []string `json:"initial_scopes,omitempty"`

	// The public origin of the backend, for which requests are signed whatever
	// address they are sent to. Required.
	Audience string `json:"audience,omitempty"`

	// How requests are signed: eddsa or es256. Default: eddsa.
	Alg string `json:"alg,omitempty"`

	// A signature beside the assertion, for backends that verify such: rfc9421
	// (HTTP Message Signatures). Default: none; the assertion binds the request.
	Signature string `json:"signature,omitempty"`

	// The backend: the handler reverse_proxy. Required. Retries repeat only what
	// was never sent, whatever is configured.
	UpstreamRaw json.RawMessage `json:"upstream,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	app      *App
	declared *declaredTools // of the toolset openapi
	upstream *upstream
	host     string // of the resource, as clients send it
}

// CaddyModule returns the Caddy module information.
func (Bridge) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.mcp_bridge",
		New: func() caddy.Module { return new(Bridge) },
	}
}

// Provision checks the settings, loads the backend and makes the resource known
// to the app.
func (b *Bridge) Provision(ctx caddy.Context) (err error) {
	if err := b.complete(); err != nil {
		return err
	}
	for _, field := range []*string{&b.Path, &b.Resource, &b.Toolset, &b.Audience, &b.Alg, &b.Signature} {
		if *field, err = resolve(*field); err != nil {
			return fmt.Errorf("mcp_bridge %s: %w", b.Path, err)
		}
	}
	if err := b.check(); err != nil {
		return fmt.Errorf("mcp_bridge %s: %w", b.Path, err)
	}
	u, err := url.Parse(b.Resource)
	if err != nil {
		return fmt.Errorf("mcp_bridge %s: resource: %w", b.Path, err)
	}
	b.host = usualHost(u)
	if b.app, err = configuredApp(ctx); err != nil {
		return err
	}
	// One byte more than the bridge takes, so that it can tell a longer answer.
	if b.upstream, err = loadUpstream(ctx, b, backend.DefaultMaxAnswer+1); err != nil {
		return fmt.Errorf("mcp_bridge %s: %w", b.Path, err)
	}
	return b.app.register(b)
}

func (b *Bridge) check() error {
	if err := checkPath(b.Path); err != nil {
		return err
	}
	if err := checkResource(b.Resource, b.Path); err != nil {
		return err
	}
	if err := b.checkTools(); err != nil {
		return err
	}
	if err := b.checkInitialScopes(); err != nil {
		return err
	}
	if err := checkAudience(b.Audience); err != nil {
		return err
	}
	if b.Alg != "" {
		if err := checkAlg(b.Alg); err != nil {
			return err
		}
	}
	if b.Signature != "" {
		return checkSignature(b.Signature)
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (b *Bridge) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	isEndpoint := r.URL.Path == b.Path
	switch {
	case nearMiss(r.URL.Path, b.Path):
		discovery.NotFound(w, r)
		return nil
	case !isEndpoint && !isDiscoveryPath(r.URL.Path):
		return b.app.passOn(w, r, next)
	case !sameHost(r, b.host) && !isEndpoint:
		return b.app.passOn(w, r, next)
	case !sameHost(r, b.host):
		misdirected(w, rpcFault)
		return nil
	}
	fault := oauthFault
	if isEndpoint {
		fault = rpcFault
	}
	b.app.current().serve(w, r, fault, func(run *running) http.Handler {
		if isEndpoint {
			return run.endpoint(b.Resource)
		}
		return run.wellKnown(b.host, r.URL.Path)
	})
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Bridge)(nil)
	_ caddyhttp.MiddlewareHandler = (*Bridge)(nil)
)
