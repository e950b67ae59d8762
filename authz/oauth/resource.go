package oauth

import (
	"errors"
	"net/url"
	"strings"
)

// CanonicalResource checks a resource parameter (RFC 8707 §2: an absolute URI
// without fragment) and returns its canonical form: scheme and host in lower
// case, no default port, and a path without one slash at its end. Clients add
// or drop that slash as their URL library does; no configured resource has one.
func CanonicalResource(s string) (string, error) {
	if len(s) > MaxRedirectURI || strings.Contains(s, "#") {
		return "", errors.New("a resource is an absolute URI without fragment")
	}
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '\\' {
			return "", errors.New("a resource holds only visible ASCII characters")
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", errors.New("a resource is an absolute URI with a host")
	}
	scheme := strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", errors.New("a resource is an http or https URI")
	}
	canonical := scheme + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		canonical += "?" + u.RawQuery
	}
	return canonical, nil
}
