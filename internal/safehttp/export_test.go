package safehttp

import (
	"net"
	"net/netip"
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
