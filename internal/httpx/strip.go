package httpx

import (
	"net/http"
	"strings"
)

// identityHeaders are names by which backends and proxies tell each other who
// a person is. In the form of canonical: lower case, one separator.
var identityHeaders = map[string]bool{
	"remote-user": true, "remote-groups": true, "remote-email": true, "remote-name": true,
	"txn-token": true, "signature": true, "signature-input": true, "content-digest": true, "dpop": true,
	"forwarded": true, "x-real-ip": true, "x-request-id": true, "x-client-cert": true,
	"cf-access-jwt-assertion": true, "x-goog-iap-jwt-assertion": true, "x-pomerium-jwt-assertion": true,
	"x-amzn-oidc-data": true, "x-amzn-oidc-identity": true, "x-amzn-oidc-accesstoken": true,
}

// identityPrefixes are families of such names.
var identityPrefixes = []string{"x-lumos-", "x-forwarded-", "x-auth-", "x-authenticated-", "x-user-", "x-gateway-", "x-webauth-"}

// StripIdentity deletes every header, trailers too, that could make a handler
// or a backend believe that the request speaks for someone. Names are compared
// with "_", "." and spaces read as "-", because CGI-like backends map X_User
// and X-User to one variable. Names with an underscore are deleted altogether:
// no client of ours needs one.
//
// What Connection names is left alone. RFC 9110 §7.6.1 is about forwarding, and
// nothing is forwarded; whoever could delete Origin or Mcp-Name by naming it
// there would switch off the checks on them.
//
// Authorization and Cookie stay: the authorization server and the resource
// server read them themselves and never forward them.
func StripIdentity(r *http.Request) {
	for name := range r.Header {
		if identifies(name) {
			delete(r.Header, name)
		}
	}
	for name := range r.Trailer {
		if identifies(name) {
			delete(r.Trailer, name)
		}
	}
}

func identifies(name string) bool {
	canonical := strings.NewReplacer("_", "-", ".", "-", " ", "-").Replace(strings.ToLower(name))
	if strings.Contains(name, "_") || identityHeaders[canonical] {
		return true
	}
	for _, prefix := range identityPrefixes {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return false
}
