package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// loadUpstream loads the reverse_proxy of a bridge. It refuses settings that
// would change a request after it was signed or send it twice; the Caddyfile
// refuses them earlier, with file and line.
func loadUpstream(ctx caddy.Context, b *Bridge, limit int64) (*upstream, error) {
	raw, err := withFreshTransport(b.UpstreamRaw)
	if err != nil {
		return nil, err
	}
	b.UpstreamRaw = raw
	module, err := ctx.LoadModule(b, "UpstreamRaw")
	if err != nil {
		return nil, fmt.Errorf("loading upstream: %w", err)
	}
	proxy, ok := module.(*reverseproxy.Handler)
	if !ok {
		return nil, fmt.Errorf("upstream is %T, want the handler reverse_proxy", module)
	}
	if err := checkUpstream(proxy); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	// A signed request is good for one delivery: reverse_proxy never repeats what
	// may have arrived, not even a read. Without a matcher it would repeat reads;
	// failures to connect are repeated whatever the matcher says.
	proxy.LoadBalancing.RetryMatch = caddyhttp.MatcherSets{{never{}}}
	return &upstream{proxy: proxy, limit: limit}, nil
}

// never matches no request.
type never struct{}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (never) MatchWithError(*http.Request) (bool, error) { return false, nil }

func checkUpstream(proxy *reverseproxy.Handler) error {
	switch {
	case len(proxy.Upstreams) == 0 && proxy.DynamicUpstreams == nil:
		return errors.New("it names no address")
	case proxy.Rewrite != nil:
		return errors.New("rewrite and method cannot be used: the signature covers both")
	case len(proxy.LoadBalancing.RetryMatch) > 0:
		return errors.New("retry_match cannot be used: it could send a write twice")
	case len(proxy.HandleResponse) > 0:
		return errors.New("handle_response cannot be used: the bridge reads the backend's answer itself")
	case proxy.Headers != nil && proxy.Headers.Request != nil:
		return checkHeaderOps(proxy.Headers.Request)
	}
	return nil
}

func checkHeaderOps(ops *headers.HeaderOps) error {
	var names []string
	for _, fields := range []http.Header{ops.Add, ops.Set} {
		for name := range fields {
			names = append(names, name)
		}
	}
	for name := range ops.Replace {
		names = append(names, name)
	}
	for _, name := range append(names, ops.Delete...) {
		if err := checkHeaderUp(name); err != nil {
			return err
		}
	}
	return nil
}

// protectedHeader says whether a request header says whom a request runs as, or
// is bound by its signature.
func protectedHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Idempotency-Key", "X-Idempotency-Key": // net/http repeats a write that has one
		return true
	case "Authorization", "Proxy-Authorization", "Cookie", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Trailer":
		return true
	}
	probe := &http.Request{Header: http.Header{name: {""}}}
	httpx.StripIdentity(probe)
	return len(probe.Header) == 0
}

// Interface guard.
var _ caddyhttp.RequestMatcherWithError = never{}
