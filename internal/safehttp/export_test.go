package safehttp

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Check asks the guard about an address; own are the addresses of the machine.
func Check(cfg Config, target string, own ...net.Addr) error {
	g := newGuard(cfg)
	if len(own) > 0 {
		g.own = func() ([]net.Addr, error) { return own, nil }
	}
	return g.check(netip.MustParseAddrPort(target))
}

// Control is the guard at the dialler.
func Control(cfg Config, network, address string) error {
	return newGuard(cfg).control(network, address, nil)
}

// ForOperatorThrough is ForOperator with the proxy that the environment would
// name; nil = none.
func ForOperatorThrough(proxy *url.URL, timeout time.Duration, hosts ...string) *http.Client {
	return forOperator(http.ProxyURL(proxy), timeout, hosts...)
}
