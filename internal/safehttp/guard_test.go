package safehttp_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

func TestOnlyPublicAddressesAtTheHTTPSPortAreDialled(t *testing.T) {
	for _, c := range []struct {
		name, target string
		admitted     bool
	}{
		{"a public IPv4 address is dialled", "93.184.215.14:443", true},
		{"a public IPv6 address is dialled", "[2606:4700::6810:84e5]:443", true},
		{"a public address in IPv6 clothes is dialled", "[::ffff:93.184.215.14]:443", true},
		{"port 80 is not", "93.184.215.14:80", false},
		{"port 22 is not", "93.184.215.14:22", false},
		{"port 8443 is not", "[2606:4700::6810:84e5]:8443", false},
		{"this host is not", "0.0.0.0:443", false},
		{"a network of this host is not", "0.1.2.3:443", false},
		{"loopback is not", "127.0.0.1:443", false},
		{"all of loopback is not", "127.255.255.254:443", false},
		{"10/8 is not", "10.0.0.1:443", false},
		{"172.16/12 is not", "172.31.255.255:443", false},
		{"192.168/16 is not", "192.168.1.1:443", false},
		{"shared address space is not", "100.64.0.1:443", false},
		{"a metadata service in shared address space is not", "100.100.100.200:443", false},
		{"link-local is not", "169.254.1.1:443", false},
		{"the metadata address is not", "169.254.169.254:443", false},
		{"a platform's wire server is not", "168.63.129.16:443", false},
		{"protocol assignments are not", "192.0.0.192:443", false},
		{"documentation addresses are not", "198.51.100.7:443", false},
		{"benchmarking addresses are not", "198.18.0.1:443", false},
		{"6to4 relays are not", "192.88.99.1:443", false},
		{"multicast is not", "224.0.0.1:443", false},
		{"reserved addresses are not", "240.0.0.1:443", false},
		{"broadcast is not", "255.255.255.255:443", false},
		{"the unspecified IPv6 address is not", "[::]:443", false},
		{"IPv6 loopback is not", "[::1]:443", false},
		{"loopback in IPv6 clothes is not", "[::ffff:127.0.0.1]:443", false},
		{"a private address in IPv6 clothes is not", "[::ffff:10.0.0.1]:443", false},
		{"the metadata address in IPv6 clothes is not", "[::ffff:169.254.169.254]:443", false},
		{"an IPv4-compatible address is not", "[::a9fe:a9fe]:443", false},
		{"NAT64 is not", "[64:ff9b::a9fe:a9fe]:443", false},
		{"local NAT64 is not", "[64:ff9b:1::a9fe:a9fe]:443", false},
		{"6to4 is not", "[2002:7f00:1::1]:443", false},
		{"Teredo is not", "[2001:0:4136:e378::1]:443", false},
		{"ORCHID is not", "[2001:20::1]:443", false},
		{"IPv6 documentation is not", "[2001:db8::1]:443", false},
		{"new IPv6 documentation is not", "[3fff::1]:443", false},
		{"unique-local is not", "[fd00:ec2::254]:443", false},
		{"IPv6 link-local is not", "[fe80::1]:443", false},
		{"IPv6 link-local with a zone is not", "[fe80::1%eth0]:443", false},
		{"site-local is not", "[fec0::1]:443", false},
		{"IPv6 multicast is not", "[ff02::1]:443", false},
		{"the discard prefix is not", "[100::1]:443", false},
		{"segment routing is not", "[5f00::1]:443", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := safehttp.Check(safehttp.Config{}, c.target); (err == nil) != c.admitted {
				t.Errorf("%s: %v", c.target, err)
			}
		})
	}
}

func TestWhatTheOperatorListsComesFirst(t *testing.T) {
	cfg := safehttp.Config{
		Allow: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8443"), netip.MustParseAddrPort("10.0.0.2:0")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("93.184.215.0/24")},
	}
	for _, c := range []struct {
		name, target string
		admitted     bool
	}{
		{"a listed address at its port is dialled", "10.0.0.1:8443", true},
		{"a listed address in IPv6 clothes is the same", "[::ffff:10.0.0.1]:8443", true},
		{"a listed address at another port is not", "10.0.0.1:443", false},
		{"the neighbour of a listed address is not", "10.0.0.3:8443", false},
		{"port 0 stands for any port", "10.0.0.2:22", true},
		{"a denied public address is not dialled", "93.184.215.14:443", false},
		{"a denied address in IPv6 clothes is the same", "[::ffff:93.184.215.14]:443", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := safehttp.Check(cfg, c.target); (err == nil) != c.admitted {
				t.Errorf("%s: %v", c.target, err)
			}
		})
	}
}

func TestAddressesOfThisMachineAreNotDialled(t *testing.T) {
	own := []net.Addr{
		&net.IPNet{IP: net.ParseIP("93.184.215.14"), Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("2606:4700::1"), Mask: net.CIDRMask(64, 128)},
	}
	for target, admitted := range map[string]bool{
		"93.184.215.14:443": false, "[::ffff:93.184.215.14]:443": false, "[2606:4700::1]:443": false,
		"93.184.215.15:443": true, "[2606:4700::2]:443": true,
	} {
		if err := safehttp.Check(safehttp.Config{}, target, own...); (err == nil) != admitted {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestTheDiallerIsAskedAboutTCPOnly(t *testing.T) {
	for _, c := range []struct{ network, address string }{
		{"udp4", "93.184.215.14:443"}, {"unix", "/run/x.sock"}, {"tcp4", "name.example:443"}, {"tcp4", ""},
	} {
		if safehttp.Control(safehttp.Config{}, c.network, c.address) == nil {
			t.Errorf("%s %s is dialled", c.network, c.address)
		}
	}
	if err := safehttp.Control(safehttp.Config{}, "tcp4", "93.184.215.14:443"); err != nil {
		t.Error(err)
	}
}
