package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// MaxBody is the largest form that is read, in bytes.
const MaxBody = 64 << 10

// Authenticator says which caller, of the kind C, sends a request (RFC 6749
// §2.3). Its errors are invalid_client, invalid_request for two mechanisms at
// once, 429 where too many failed, or a fault.
type Authenticator[C any] interface {
	Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (C, *oauth.Error)
}

// Serve answers a request of an authenticated caller, or returns the refusal
// and has written nothing. It audits its own outcomes.
type Serve[C any] func(w http.ResponseWriter, r *http.Request, p oauth.Params, caller C) *oauth.Error

// Config of a Handler.
type Config[C any] struct {
	// Name of the endpoint in log lines; required.
	Name string
	// Params are the parameters that the endpoint reads beside those of client
	// authentication. None may be repeated.
	Params []string
	// Callers is required.
	Callers Authenticator[C]
	// Unauthenticated records that authentication was refused; required.
	Unauthenticated func(ctx context.Context, refused *oauth.Error)
	// Browsers lets the pages of any origin send requests and read the answers.
	// It is for endpoints that clients in a browser call. Default: false.
	Browsers bool
	// Log is slog.Default() by default.
	Log *slog.Logger
	// Serve is required.
	Serve Serve[C]
	// Refused, when not nil, is told of every request that is answered an error,
	// with its parameters as far as they could be read.
	Refused func(p oauth.Params, e *oauth.Error)
}

// Handler is one form endpoint.
type Handler[C any] struct {
	cfg    Config[C]
	params []string
}

// New returns the handler of cfg.
func New[C any](cfg Config[C]) (*Handler[C], error) {
	switch {
	case cfg.Name == "":
		return nil, errors.New("endpoint: no name")
	case cfg.Callers == nil:
		return nil, errors.New("endpoint: no authentication")
	case cfg.Unauthenticated == nil:
		return nil, errors.New("endpoint: no audit trail")
	case cfg.Serve == nil:
		return nil, errors.New("endpoint: nothing to serve")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Handler[C]{
		cfg:    cfg,
		params: append([]string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}, cfg.Params...),
	}, nil
}

// ServeHTTP answers every request in JSON that no cache may keep.
func (h *Handler[C]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.cfg.Browsers {
		oauth.AllowAnyOrigin(w.Header())
		if r.Method == http.MethodOptions {
			oauth.Preflight(w, http.MethodPost)
			return
		}
	}
	if params, refused := h.serve(w, r); refused != nil {
		if h.cfg.Refused != nil {
			h.cfg.Refused(params, refused)
		}
		h.refuse(w, r, refused)
	}
}

func (h *Handler[C]) serve(w http.ResponseWriter, r *http.Request) (oauth.Params, *oauth.Error) {
	params, refused := oauth.ParseForm(w, r, MaxBody)
	if refused != nil {
		return params, refused
	}
	if name := params.Repeated(h.params...); name != "" {
		return params, Malformed("the parameter %s is given more than once", name)
	}
	caller, refused := h.cfg.Callers.Authenticate(r.Context(), r, params)
	if refused != nil {
		h.cfg.Unauthenticated(r.Context(), refused)
		return params, refused
	}
	return params, h.cfg.Serve(w, r, params, caller)
}

func (h *Handler[C]) refuse(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	if e.Status == http.StatusUnauthorized && usedBasic(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="mcp-edge"`) // RFC 6749 §5.2
	}
	if e.Status >= http.StatusInternalServerError {
		h.cfg.Log.ErrorContext(r.Context(), "cannot answer", "endpoint", h.cfg.Name,
			"request_id", httpx.RequestID(r.Context()), "error", e.Err)
	}
	oauth.WriteError(w, e)
}

func usedBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Basic")
}
