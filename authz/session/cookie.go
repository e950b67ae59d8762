package session

import (
	"net/http"
	"time"
)

// Cookie names. The __Host- prefix makes a browser insist on Secure, Path=/ and
// no Domain (RFC 6265bis §4.1.3.2).
const (
	sessionCookie     = "__Host-mcp_edge_session"
	transactionPrefix = "__Host-mcp_edge_tx_"
	upstreamPrefix    = "__Host-mcp_edge_idp_"
)

func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		// Lax, not Strict: a person arrives from the assistant and comes back from
		// the identity provider by a cross-site link.
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
