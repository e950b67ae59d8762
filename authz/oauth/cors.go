package oauth

import (
	"net/http"
	"strings"
)

// The one list of headers for pages of other origins. Authorization carries
// client_secret_basic, DPoP a proof (RFC 9449 §4) that clients send unasked.
const (
	corsRequestHeaders = "Authorization, Content-Type, MCP-Protocol-Version, DPoP"
	corsExposedHeaders = "WWW-Authenticate, Retry-After"
	corsMaxAge         = "600" // seconds
)

// AllowAnyOrigin lets a client that runs in a browser read the answer, whatever
// its origin (Fetch standard, CORS protocol). It is for endpoints that read no
// cookie: there is nothing of a person that a page could use.
func AllowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", corsExposedHeaders)
}

// Preflight answers the OPTIONS request that a browser sends before one with
// other headers, for an endpoint that answers methods.
func Preflight(w http.ResponseWriter, methods ...string) {
	h := w.Header()
	AllowAnyOrigin(h)
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", corsRequestHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
}
