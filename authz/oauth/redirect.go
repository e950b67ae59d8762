package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// MaxRedirectURI is the longest redirect URI that is accepted, in bytes.
const MaxRedirectURI = 2 << 10

// loopbackHosts are the hosts whose port may differ between registration and
// authorization request. RFC 8252 §7.3 gives the two addresses; "localhost" is
// admitted too because widely used assistants register it.
var loopbackHosts = []string{"127.0.0.1", "[::1]", "localhost"}

// forbiddenSchemes run code or read files instead of leading to a client.
var forbiddenSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "mailto", "ws", "wss", "ftp", "view-source", "filesystem"}

// ParseRedirectURI checks the form of a redirect URI (OAuth 2.1 §2.3.1): an
// absolute URI without fragment, user information, backslash, white space or
// control characters. http is for loopback only. A private-use scheme passes
// here; whether one is admitted is the host profile's matter.
func ParseRedirectURI(s string) (*url.URL, error) {
	if s == "" || len(s) > MaxRedirectURI {
		return nil, fmt.Errorf("a redirect URI has 1 to %d bytes", MaxRedirectURI)
	}
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' || c == '`' {
			return nil, errors.New("a redirect URI holds only visible ASCII characters that need no quoting")
		}
	}
	if strings.Contains(s, "#") {
		return nil, errors.New("a redirect URI has no fragment")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("a redirect URI is an absolute URI")
	}
	if slices.Contains(forbiddenSchemes, u.Scheme) {
		return nil, fmt.Errorf("the scheme %q leads to no client", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("a redirect URI has no user information")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return nil, errors.New("an https redirect URI has a host")
		}
	case "http":
		if !isLoopbackHost(u) {
			return nil, errors.New("an http redirect URI leads to localhost, 127.0.0.1 or [::1]")
		}
	}
	return u, nil
}

// IsLoopbackRedirect says whether s leads to an app on the person's computer.
func IsLoopbackRedirect(s string) bool {
	u, err := ParseRedirectURI(s)
	return err == nil && u.Scheme == "http"
}

func isLoopbackHost(u *url.URL) bool {
	host, _ := splitPort(u.Host)
	return slices.Contains(loopbackHosts, host)
}

// MatchRedirectURI compares a presented redirect URI with a registered one:
// by simple string comparison, but for the port of loopback URIs (OAuth 2.1
// §8.4.2, RFC 8252 §7.3). Scheme, spelling of the host, path and query of a
// loopback URI must still be the same bytes; localhost is not 127.0.0.1.
func MatchRedirectURI(registered, presented string) bool {
	if registered == presented {
		_, err := ParseRedirectURI(presented)
		return err == nil
	}
	a, okA := cutLoopbackPort(registered)
	b, okB := cutLoopbackPort(presented)
	return okA && okB && a == b
}

// WithoutLoopbackPort returns a redirect URI without the port that does not count,
// and any other as it is.
func WithoutLoopbackPort(s string) string {
	if cut, ok := cutLoopbackPort(s); ok {
		return cut
	}
	return s
}

// cutLoopbackPort returns a loopback URI without its port.
func cutLoopbackPort(s string) (string, bool) {
	if !IsLoopbackRedirect(s) {
		return "", false
	}
	const scheme = "http://"
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok { // the scheme in another spelling is not the same string
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, port := splitPort(rest[:end])
	if !validPort(port) {
		return "", false
	}
	return scheme + host + rest[end:], true
}

// splitPort cuts ":port" off a host, leaving the brackets of an IPv6 literal.
func splitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, ""
	}
	return host[:i], host[i:]
}

// validPort accepts "" and ":1" to ":65535" without leading zeros.
func validPort(port string) bool {
	if port == "" {
		return true
	}
	digits := port[1:]
	if len(digits) == 0 || len(digits) > 5 || digits[0] == '0' {
		return false
	}
	n := 0
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}
