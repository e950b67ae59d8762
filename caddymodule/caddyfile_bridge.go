package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

var (
	bridgeLines      = []string{"resource", "toolset", "initial_scopes", "audience", "alg", "signature", "upstream"}
	bridgeLaterLines = []string{"reuse_assertion"}

	// upstreamRefused are lines of reverse_proxy that would change a request
	// after it was signed, send it twice, or give its answer to somebody else.
	upstreamRefused = map[string]string{
		"method":                "the bridge decides the method, and the signature covers it",
		"rewrite":               "the bridge decides the URL, and the signature covers it",
		"lb_retry_match":        "it could send a write twice; lb_retries and lb_try_duration repeat what was never sent",
		"handle_response":       "the bridge reads the backend's answer itself",
		"replace_status":        "the bridge reads the backend's answer itself",
		"copy_response":         "the bridge reads the backend's answer itself",
		"copy_response_headers": "the bridge reads the backend's answer itself",
		"trusted_proxies":       "nothing of the assistant's request is forwarded",
	}
)

// parseAuthDirective makes the route of the authorization server. Syntax:
//
//	mcp_auth
//
// It answers at the paths of the authorization server and passes on all else.
func parseAuthDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	p := newParser(h.Dispenser)
	if err := p.flag(); err != nil {
		return nil, err
	}
	if h.NextBlock(0) {
		return nil, h.Err("mcp_auth has no block: what it needs stands in the global option mcp_edge")
	}
	return h.NewRoute(nil, new(Auth)), nil
}

// parseBridgeDirective makes the route of one MCP endpoint. Syntax:
//
//	mcp_bridge <path> {
//	    resource <url>
//	    toolset  appstore
//	    toolset  openapi <file> {
//	        …                    # see parseOpenAPI
//	    }
//	    audience <url>
//	    alg      eddsa|es256
//	    signature rfc9421
//	    initial_scopes <scopes...>
//	    upstream <addresses...> {
//	        …                    # as in reverse_proxy
//	    }
//	}
//
// The resource may be left out where the site has one address: it is that
// address with the path.
//
// The path is no matcher: the handler also answers at the well-known addresses
// of its resource, and passes on all else.
func parseBridgeDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next()
	start := h.Token()
	bridge := new(Bridge)
	var err error
	if bridge.Path, err = newParser(h.Dispenser).checked(checkPath); err != nil {
		return nil, err
	}
	p := newParser(h.Dispenser)
	scopes := start
	for h.NextBlock(0) {
		if h.Val() == "initial_scopes" {
			scopes = h.Token()
		}
		if err := bridge.parseLine(h, p); err != nil {
			return nil, err
		}
	}
	if bridge.Resource == "" {
		bridge.deriveResource(h)
	}
	if err := bridge.complete(); err != nil {
		return nil, at(start, err)
	}
	if !holdsPlaceholder(bridge.Toolset) {
		if err := bridge.checkInitialScopes(); err != nil {
			return nil, at(scopes, err)
		}
	}
	return h.NewRoute(nil, bridge), nil
}

// deriveResource takes the address of the site. A wildcard or several addresses
// would leave it open which URL is the public one.
func (b *Bridge) deriveResource(h httpcaddyfile.Helper) {
	origin, ok := siteOrigin(h)
	if ok && checkResource(origin+b.Path, b.Path) == nil { // otherwise complete says what is missing
		b.Resource = origin + b.Path
	}
}

func (b *Bridge) parseLine(h httpcaddyfile.Helper, p *parser) (err error) {
	name := h.Val()
	if !slices.Contains(bridgeLines, name) {
		return p.unknown("mcp_bridge", bridgeLines, bridgeLaterLines)
	}
	if err := p.once(); err != nil {
		return err
	}
	switch name {
	case "resource":
		b.Resource, err = p.checked(func(s string) error { return checkResource(s, b.Path) })
	case "toolset":
		err = b.parseToolset(p)
	case "initial_scopes":
		b.InitialScopes, err = p.words()
	case "audience":
		b.Audience, err = p.checked(checkAudience)
	case "alg":
		b.Alg, err = p.checked(checkAlg)
	case "signature":
		b.Signature, err = p.checked(checkSignature)
	case "upstream":
		err = b.parseUpstream(h)
	}
	return err
}

// parseUpstream gives the block to reverse_proxy, after it was read for lines
// that must not be there.
func (b *Bridge) parseUpstream(h httpcaddyfile.Helper) error {
	segment := h.NewFromNextSegment()
	if err := refuseUpstreamLines(segment); err != nil {
		return err
	}
	segment.Reset()
	proxy := new(reverseproxy.Handler)
	if err := proxy.UnmarshalCaddyfile(segment); err != nil {
		return err
	}
	if err := proxy.FinalizeUnmarshalCaddyfile(h); err != nil {
		return err
	}
	b.UpstreamRaw = caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil)
	return nil
}

func refuseUpstreamLines(d *caddyfile.Dispenser) error {
	d.Next()
	d.RemainingArgs()
	for d.NextBlock(0) {
		if why, refused := upstreamRefused[d.Val()]; refused {
			return d.Errf("%s cannot be used in upstream: %s", d.Val(), why)
		}
		if strings.HasPrefix(d.Val(), "@") {
			return d.Errf("response matcher %s cannot be used in upstream: the bridge reads the backend's answer itself", d.Val())
		}
		line := d.Token()
		args := d.RemainingArgs()
		if line.Text == "header_up" && len(args) > 0 {
			if err := checkHeaderUp(args[0]); err != nil {
				return at(line, err)
			}
		}
		for nesting := d.Nesting(); d.NextBlock(nesting); { // what reverse_proxy reads itself
			d.RemainingArgs()
		}
	}
	return nil
}

// checkHeaderUp refuses to change what the signature covers or what says whom
// the request runs as.
func checkHeaderUp(field string) error {
	name := strings.TrimLeft(field, "+-?>")
	if strings.ContainsAny(name, "*{") || protectedHeader(name) {
		return fmt.Errorf("header_up %s cannot be used in upstream: the bridge alone says whom a request runs as", field)
	}
	return nil
}
