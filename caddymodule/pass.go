package caddymodule

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// passOn gives a request that is not for this handler to the site's next one,
// which often is the proxy to the rest of the API. A credential of ours never
// goes that way: a backend that saw it could use it, and whoever sent it there
// meant the MCP endpoint.
func (a *App) passOn(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if carriesOurCredential(r) && !a.answers(r) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		oauth.WriteError(w, &oauth.Error{
			Code: "invalid_token", Status: http.StatusUnauthorized, Reason: reason.ResourceWrong,
			Description: "this token is for an MCP endpoint of this gateway, at exactly its address, and for nothing else",
		})
		return nil
	}
	return next.ServeHTTP(w, r)
}

// answers says whether some handler of ours may wait further on in the site: it
// reads credentials of ours and passes nothing to a backend.
func (a *App) answers(r *http.Request) bool {
	if isAuthPath(r.URL.Path) {
		return sameHost(r, a.host)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.bridges, func(b *Bridge) bool { return b.Path == r.URL.Path && sameHost(r, b.host) })
}

// carriesOurCredential says whether any Authorization header holds an opaque
// credential of the authorization server.
func carriesOurCredential(r *http.Request) bool {
	for _, value := range r.Header["Authorization"] {
		_, credential, _ := strings.Cut(strings.TrimSpace(value), " ")
		credential = strings.TrimLeft(credential, " \t")
		for _, kind := range []opaque.Kind{opaque.Access, opaque.Refresh, opaque.Code, opaque.ClientSecret, opaque.Registration, opaque.Session} {
			if strings.HasPrefix(credential, string(kind)) {
				return true
			}
		}
	}
	return false
}

// nearMiss says whether a path is another spelling of the endpoint's. Such a
// request must not fall through to a handler that asks for no token.
func nearMiss(requested, endpoint string) bool {
	if requested == endpoint {
		return false
	}
	requested, _, _ = strings.Cut(requested, ";")
	return strings.EqualFold(path.Clean("/"+requested), endpoint)
}
