package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// MaxBody is the largest form that is read, in bytes.
const MaxBody = 64 << 10

// Authenticator says which client sends a request (RFC 6749 §2.3). Its errors
// are invalid_client, invalid_request for two mechanisms at once, 429 where too
// many failed, or a fault.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (store.Client, *oauth.Error)
}

// Serve answers a request of an authenticated client, or returns the refusal
// and has written nothing. It audits its own outcomes.
type Serve func(w http.ResponseWriter, r *http.Request, p oauth.Params, c store.Client) *oauth.Error

// Config of a Handler.
type Config struct {
	// Name of the endpoint in log lines; required.
	Name string
	// Params are the parameters that the endpoint reads beside those of client
	// authentication. None may be repeated.
	Params []string
	// Clients is required.
	Clients Authenticator
	// Trail records refusals of client authentication; required.
	Trail *Trail
	// Log is slog.Default() by default.
	Log *slog.Logger
	// Serve is required.
	Serve Serve
	// Refused, when not nil, is told of every request that is answered an error,
	// with its parameters as far as they could be read.
	Refused func(p oauth.Params, e *oauth.Error)
}

// Handler is one form endpoint.
type Handler struct {
	cfg    Config
	params []string
}

// New returns the handler of cfg.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.Name == "":
		return nil, errors.New("endpoint: no name")
	case cfg.Clients == nil:
		return nil, errors.New("endpoint: no client authentication")
	case cfg.Trail == nil:
		return nil, errors.New("endpoint: no audit trail")
	case cfg.Serve == nil:
		return nil, errors.New("endpoint: nothing to serve")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Handler{
		cfg:    cfg,
		params: append([]string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}, cfg.Params...),
	}, nil
}

// ServeHTTP answers every request in JSON that no cache may keep.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	oauth.AllowAnyOrigin(w.Header())
	if r.Method == http.MethodOptions {
		oauth.Preflight(w, http.MethodPost)
		return
	}
	if params, refused := h.serve(w, r); refused != nil {
		if h.cfg.Refused != nil {
			h.cfg.Refused(params, refused)
		}
		h.refuse(w, r, refused)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (oauth.Params, *oauth.Error) {
	params, refused := oauth.ParseForm(w, r, MaxBody)
	if refused != nil {
		return params, refused
	}
	if name := params.Repeated(h.params...); name != "" {
		return params, Malformed("the parameter %s is given more than once", name)
	}
	client, refused := h.cfg.Clients.Authenticate(r.Context(), r, params)
	if refused != nil {
		return params, h.cfg.Trail.Refused(r.Context(), Grant{}, refused)
	}
	return params, h.cfg.Serve(w, r, params, client)
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
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
