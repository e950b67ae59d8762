package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"runtime/debug"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// errNotReady says that a configuration does not serve: it is starting and the
// request did not wait, or it is being taken down.
var errNotReady = errors.New("the configuration is not in service")

// current returns the configuration that serves a request which reached a. Once
// a was replaced, connections that clients keep open still lead here for a
// while; a policy that was changed must bite on them too.
func (a *App) current() *App {
	if !a.stopped.Load() {
		return a
	}
	module, err := caddy.ActiveContext().AppIfConfigured(appName)
	if err != nil {
		return a // the process ends, or MCP Edge was taken out: finish what is there
	}
	if successor, ok := module.(*App); ok {
		return successor
	}
	return a
}

// await returns what serves requests once Start is done.
func (a *App) await(ctx context.Context) (*running, error) {
	if r := a.running.Load(); r != nil {
		return r, nil
	}
	select {
	case <-a.ready:
		return a.running.Load(), nil
	case <-a.gone:
		return nil, errNotReady
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve lets pick choose a handler of the running configuration and runs it.
// Nothing of the configuration is closed before it returns.
func (a *App) serve(w http.ResponseWriter, r *http.Request, fault faultWriter, pick func(*running) http.Handler) {
	if !a.flights.enter() {
		fault(w, oauth.Unavailable(errNotReady))
		return
	}
	defer a.flights.leave()
	run, err := a.await(r.Context())
	if err != nil {
		fault(w, oauth.Unavailable(err))
		return
	}
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// net/http prefers chunked over a Content-Length beside it and hides the
		// latter (RFC 9112 §6.1): a proxy in front may have read another end of the
		// body, so nothing that follows on this connection can be believed.
		w.Header().Set("Connection", "close")
	}
	if a.hsts {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	r = admit(r)
	guarded := &guard{ResponseWriter: w}
	defer a.recovered(guarded, r, fault)
	pick(run).ServeHTTP(guarded, r)
}

// admit prepares a request that this package answers. Headers by which somebody
// could pose as somebody else are deleted before anything is read.
func admit(r *http.Request) *http.Request {
	ctx := r.Context()
	ip, _ := caddyhttp.GetVar(ctx, caddyhttp.ClientIPVarKey).(string)
	ctx = httpx.WithClientIP(ctx, ip)
	if replacer, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		if id, ok := replacer.GetString("http.request.uuid"); ok {
			ctx = httpx.WithRequestID(ctx, id)
		}
	}
	r = r.WithContext(ctx)
	httpx.StripIdentity(r)
	r.Trailer = nil // net/http fills in those of the original, which nobody reads
	return r
}

// recovered turns a panic into an answer without a stack. http.ErrAbortHandler
// is the way to break off an answer on purpose.
func (a *App) recovered(w *guard, r *http.Request, fault faultWriter) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // the identity is what net/http compares too
		panic(p)
	}
	a.log.Error("a handler panicked", "panic", described(p), "request_id", httpx.RequestID(r.Context()), "path", r.URL.Path, "stack", string(debug.Stack()))
	if w.wrote {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	fault(w, &oauth.Error{
		Code: oauth.ServerError, Status: http.StatusInternalServerError,
		Description: "the server failed, see its log for request " + httpx.RequestID(r.Context()),
	})
}

// described names a panic without what it may hold of a request. What the
// runtime says of itself is safe.
func described(p any) string {
	if err, ok := p.(goruntime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", p)
}

// faultWriter answers what went wrong before a handler was reached, in the form
// that the clients of the address read.
type faultWriter func(http.ResponseWriter, *oauth.Error)

// oauthFault writes for clients of the authorization server.
func oauthFault(w http.ResponseWriter, e *oauth.Error) { oauth.WriteError(w, e) }

// rpcFault writes for MCP clients. No request was read, so there is no id.
func rpcFault(w http.ResponseWriter, e *oauth.Error) {
	code := jsonrpc.CodeInvalidRequest
	if e.Status >= http.StatusInternalServerError {
		code = jsonrpc.CodeInternalError
	}
	h := w.Header()
	oauth.SetRetryAfter(h, e.RetryAfter)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	_, _ = w.Write(jsonrpc.AppendError(nil, nil, code, e.Description, nil))
}

// guard remembers whether an answer has begun.
type guard struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (g *guard) WriteHeader(status int) {
	g.wrote = g.wrote || status >= http.StatusOK
	g.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (g *guard) Write(p []byte) (int, error) {
	g.wrote = true
	return g.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the writer underneath.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// sameHost compares the Host of a request with the host of a configured URL.
func sameHost(r *http.Request, want string) bool {
	host := strings.ToLower(r.Host)
	if r.TLS != nil {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return host == want
}

// misdirected answers a request for another host (RFC 9110 §15.5.20). An
// authorization server that answered under two names would have two issuers.
func misdirected(w http.ResponseWriter, fault faultWriter) {
	fault(w, &oauth.Error{
		Code: oauth.InvalidRequest, Status: http.StatusMisdirectedRequest, Reason: reason.ResourceWrong,
		Description: "this host does not serve that; see the configured issuer and resource",
	})
}
