package safehttp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// httpsPort is the only port of addresses that are not listed one by one.
const httpsPort = 443

// platformServices are public addresses behind which clouds offer services to
// their machines, among them credentials. No registry of special-purpose
// addresses lists them; those that are link-local or private are denied anyway.
var platformServices = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"), // Azure: wire server, DNS, health
}

// errForbidden is the answer of the guard; the dialler reports it as the reason
// why no connection was made.
var errForbidden = errors.New("not a public address")

// guard decides for each address right before a packet is sent there. A check at
// any time before would be a check of another look-up.
type guard struct {
	public *ssrf.Guardian
	allow  []netip.AddrPort
	deny   []netip.Prefix
	own    func() ([]net.Addr, error)
}

func newGuard(cfg Config) *guard {
	return &guard{
		public: ssrf.New(ssrf.WithNetworks("tcp4", "tcp6"), ssrf.WithPorts(httpsPort)),
		allow:  cfg.Allow,
		deny:   slices.Concat(platformServices, cfg.Deny),
		own:    net.InterfaceAddrs,
	}
}

// control is the net.Dialer.Control of every connection.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", errForbidden, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return g.check(target)
}

// check admits what the operator listed, then public addresses at the https
// port that are not ours.
func (g *guard) check(target netip.AddrPort) error {
	// An IPv4 address in IPv6 clothes reaches the IPv4 host.
	ip := target.Addr().Unmap()
	if g.allows(ip, target.Port()) {
		return nil
	}
	// The registries of IANA, by family: for IPv6 everything outside 2000::/3,
	// thus NAT64, IPv4-compatible, unique-local and link-local addresses, and in it
	// 6to4, Teredo and documentation; for IPv4 all special-purpose blocks (RFC 6890),
	// shared address space (RFC 6598) and multicast.
	if err := g.public.SafeAddrPort(netip.AddrPortFrom(ip, target.Port())); err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	if slices.ContainsFunc(g.deny, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%w: %s is denied", errForbidden, ip)
	}
	return g.checkOwn(ip)
}

func (g *guard) allows(ip netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.allow, func(a netip.AddrPort) bool {
		return a.Addr().Unmap() == ip && (a.Port() == 0 || a.Port() == port)
	})
}

// checkOwn refuses public addresses of this machine: what listens there may
// trust its neighbours. They are read each time because they change, and a
// fetch is rare.
func (g *guard) checkOwn(ip netip.Addr) error {
	addresses, err := g.own()
	if err != nil {
		return fmt.Errorf("%w: own addresses: %w", errForbidden, err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(network.IP); ok && own.Unmap() == ip {
				return fmt.Errorf("%w: %s is an address of this machine", errForbidden, ip)
			}
		}
	}
	return nil
}
