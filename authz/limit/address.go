package limit

import "net/netip"

// prefix6 is what one customer of a network gets at least. Whoever has it has
// 2^64 addresses, so that counting those apart would count nothing.
const prefix6 = 64

// Address returns the key by which a client's address is counted: an IPv4
// address alone, also where it is written as IPv6, and an IPv6 address by its
// /64. What is no address is its own key: better one bucket for all that have
// none than no bucket.
func Address(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	switch {
	case addr.Is4():
		return ip // there is one way to write it
	case addr.Is4In6():
		return addr.Unmap().String()
	}
	network, err := addr.WithZone("").Prefix(prefix6)
	if err != nil {
		return ip
	}
	return network.String()
}
