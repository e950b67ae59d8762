package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func init() { caddy.RegisterModule(Auth{}) }

// Auth answers at the paths of the authorization server, with /healthz and
// /readyz, and passes on all else. It belongs into the site of the issuer.
// What it needs stands in the app "mcp_edge".
type Auth struct {
	app *App
}

// readyTimeout bounds the read of the store by which /readyz looks at it.
const readyTimeout = 2 * time.Second

// CaddyModule returns the Caddy module information.
func (Auth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.mcp_auth",
		New: func() caddy.Module { return new(Auth) },
	}
}

// Provision finds the app.
func (h *Auth) Provision(ctx caddy.Context) (err error) {
	h.app, err = configuredApp(ctx)
	return err
}

// configuredApp returns the app of the configuration that is being loaded.
func configuredApp(ctx caddy.Context) (*App, error) {
	module, err := ctx.AppIfConfigured(appName)
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errNoApp
	}
	if err != nil {
		return nil, err
	}
	app, ok := module.(*App)
	if !ok {
		return nil, fmt.Errorf("app %s is %T", appName, module)
	}
	return app, nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	app := h.app.current()
	switch {
	case r.URL.Path == "/healthz":
		answerHealth(w, http.StatusOK, "ok")
	case r.URL.Path == "/readyz":
		app.answerReady(w, r)
	case !isAuthPath(r.URL.Path):
		return app.passOn(w, r, next)
	case !sameHost(r, app.host) && strings.HasPrefix(r.URL.Path, "/.well-known/"):
		return app.passOn(w, r, next) // another host of the site may have documents of its own
	case !sameHost(r, app.host):
		misdirected(w, oauthFault)
	default:
		app.serve(w, r, oauthFault, func(run *running) http.Handler { return run.wellKnown(app.host, r.URL.Path) })
	}
	return nil
}

// authPaths are what the authorization server answers, beside /.well-known/.
var authPaths = map[string]bool{
	"/authorize": true, "/token": true, "/register": true, "/revoke": true, "/introspect": true, "/jwks.json": true,
	"/signin": true, "/signout": true, "/consent": true,
}

// isAuthPath says whether a path belongs to the authorization server. Every
// /.well-known/ path does, since a client that probes must get a clear no.
func isAuthPath(path string) bool {
	for _, prefix := range []string{"/callback/", "/backchannel-logout/", "/register/", "/assets/", "/.well-known/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return authPaths[path]
}

// answerReady says whether requests can be decided now: the configuration has
// started and the store answers. It does not wait.
func (a *App) answerReady(w http.ResponseWriter, r *http.Request) {
	if !a.flights.enter() {
		answerHealth(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	defer a.flights.leave()
	run := a.running.Load()
	if run == nil {
		answerHealth(w, http.StatusServiceUnavailable, "starting")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	// No client has an empty id: the answer of a store that works is "not found".
	if _, err := run.runtime.store.Client(ctx, ""); !errors.Is(err, store.ErrNotFound) {
		a.log.Warn("not ready: the store does not answer", "error", err)
		answerHealth(w, http.StatusServiceUnavailable, "store unavailable")
		return
	}
	answerHealth(w, http.StatusOK, "ready")
}

func answerHealth(w http.ResponseWriter, status int, text string) {
	oauth.WriteJSON(w, status, struct {
		Status string `json:"status"`
	}{text})
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Auth)(nil)
	_ caddyhttp.MiddlewareHandler = (*Auth)(nil)
)
