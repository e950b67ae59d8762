package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptrace"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

func init() { caddy.RegisterModule(new(FreshTransport)) }

// freshProtocol is the name of FreshTransport among the transports of
// reverse_proxy. Bridges use it by themselves, in place of "http".
const freshProtocol = "mcp_edge"

// FreshTransport is the transport "http" of reverse_proxy, with all its settings,
// that gives each delivery of a read a signature of its own. net/http repeats a
// read by itself when a connection that was used before breaks without an answer
// (RFC 9110 §9.2.2): it cannot tell a server that closed an idle connection from
// one that took the request and died. A write has no such second delivery,
// because its body cannot be read again or its method is not safe.
type FreshTransport struct{ reverseproxy.HTTPTransport }

// CaddyModule implements caddy.Module.
func (*FreshTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport." + freshProtocol, New: func() caddy.Module { return new(FreshTransport) }}
}

// RoundTrip implements http.RoundTripper.
func (t *FreshTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if ctx := req.Context(); backend.Renewable(ctx) {
		deliveries := 0
		// It is called before anything is written to a connection, and by net/http
		// only after the writing to the one before has ended.
		req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			if deliveries++; deliveries > 1 {
				backend.Renew(req)
			}
		}}))
	}
	return t.HTTPTransport.RoundTrip(req)
}

// withFreshTransport returns the settings of a reverse_proxy with a transport of
// that kind, where it has the default one or "http".
func withFreshTransport(raw json.RawMessage) (json.RawMessage, error) {
	var proxy, transport map[string]json.RawMessage
	if err := json.Unmarshal(raw, &proxy); err != nil {
		return nil, fmt.Errorf("reading upstream: %w", err)
	}
	if given := proxy["transport"]; given != nil {
		if err := json.Unmarshal(given, &transport); err != nil {
			return nil, fmt.Errorf("reading upstream: transport: %w", err)
		}
	}
	if protocol := string(transport["protocol"]); protocol != "" && protocol != `"http"` {
		return raw, nil
	}
	if transport == nil {
		transport = make(map[string]json.RawMessage, 1)
	}
	transport["protocol"] = json.RawMessage(`"` + freshProtocol + `"`)
	var err error
	if proxy["transport"], err = json.Marshal(transport); err != nil {
		return nil, fmt.Errorf("writing upstream: %w", err)
	}
	return json.Marshal(proxy)
}

// Interface guards: what reverse_proxy asks its transport for.
var (
	_ caddy.Provisioner                                = (*FreshTransport)(nil)
	_ caddy.CleanerUpper                               = (*FreshTransport)(nil)
	_ http.RoundTripper                                = (*FreshTransport)(nil)
	_ reverseproxy.TLSTransport                        = (*FreshTransport)(nil)
	_ reverseproxy.H2CTransport                        = (*FreshTransport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*FreshTransport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*FreshTransport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*FreshTransport)(nil)
)
