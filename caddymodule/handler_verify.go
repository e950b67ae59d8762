package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

func init() { caddy.RegisterModule(Verify{}) }

// Verify stands before an API that receives requests of an MCP Edge gateway. It
// lets pass only requests that the gateway signed, exactly as it signed them,
// and tells the API in headers for whom they are. The API itself need not know of
// signatures. It needs nothing else of MCP Edge in its configuration.
//
// The placeholder {http.auth.user.id} holds the person's id afterwards.
type Verify struct {
	// The gateway's issuer, exactly as it stands in the gateway's configuration.
	// Required.
	Issuer string `json:"issuer,omitempty"`

	// Where the issuer's public keys are: a URL or a file. Default: /jwks.json of
	// the issuer. A file is read again like a URL.
	JWKS string `json:"jwks,omitempty"`

	// The origin of this API, exactly as it stands as audience in the gateway's
	// configuration. Required.
	Audience string `json:"audience,omitempty"`

	// Headers that tell the API what the gateway asserts. Whatever a request brings
	// under such a name, in any spelling, is deleted first.
	Headers []IdentityHeader `json:"headers,omitempty"`

	// A signature that must stand beside the assertion: rfc9421 (HTTP Message
	// Signatures), which also binds the query. Default: none.
	RequireSignature string `json:"require_signature,omitempty"`

	// How long an assertion is remembered, so that it is accepted once. Default and
	// least value: 2m, for which one can be accepted. The memory is this process's.
	ReplayWindow caddy.Duration `json:"replay_window,omitempty"`

	// Accept an assertion any number of times until it expires. Default: false.
	AllowReplay bool `json:"allow_replay,omitempty"`

	// The longest body, in bytes; it is held in memory to compare its digest.
	// Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// Leave the assertion in the request, for an API that reads more of it.
	// Default: false.
	KeepAuthorization bool `json:"keep_authorization,omitempty"`

	verifier *assertion.Verifier
	stripped map[string]bool // names in the form of httpx.Canonical
	log      *slog.Logger
	refusals *flood.Gate
	clock    clock.Clock
	held     []func() error
}

// IdentityHeader is a header that gets the value of a claim. It is not set when
// the assertion does not have the claim.
type IdentityHeader struct {
	// The name of the header. Required.
	Name string `json:"name,omitempty"`

	// The claim: email, sub, domain_id, client_id, scope, permissions or txn.
	// permissions are separated by spaces. Required.
	Claim string `json:"claim,omitempty"`
}

// overrides are headers by which some frameworks take another method or path than
// the one of the request, which was verified.
var overrides = []string{
	"x-http-method-override", "x-http-method", "x-method-override", "x-original-method",
	"x-original-url", "x-original-uri", "x-rewrite-url",
}

// CaddyModule returns the Caddy module information.
func (Verify) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.mcp_verify",
		New: func() caddy.Module { return new(Verify) },
	}
}

// Provision checks the settings. It reads no key: the first request does.
func (v *Verify) Provision(ctx caddy.Context) (err error) {
	if err := v.complete(); err != nil {
		return err
	}
	for _, field := range []*string{&v.Issuer, &v.JWKS, &v.Audience} {
		if *field, err = resolve(*field); err != nil {
			return fmt.Errorf("mcp_verify: %w", err)
		}
	}
	if err := v.check(); err != nil {
		return fmt.Errorf("mcp_verify: %w", err)
	}
	if v.JWKS == "" {
		v.JWKS = v.Issuer + "/jwks.json"
	}
	if v.MaxBody == 0 {
		v.MaxBody = defaultVerifiedBody
	}
	if v.clock == nil {
		v.clock = clock.System
	}
	v.log, v.refusals = ctx.Slogger(), new(flood.Gate)
	v.stripped = make(map[string]bool, len(v.Headers)+len(overrides))
	for _, name := range overrides {
		v.stripped[name] = true
	}
	for _, h := range v.Headers {
		v.stripped[httpx.Canonical(h.Name)] = true
	}
	cfg := assertion.VerifierConfig{Issuer: v.Issuer, Audience: v.Audience, RequireMessage: v.RequireSignature != "", Clock: v.clock}
	if cfg.Keys, err = v.acquireKeys(); err != nil {
		return fmt.Errorf("mcp_verify: %w", err)
	}
	if !v.AllowReplay {
		if cfg.Replay, err = v.acquireReplay(); err != nil {
			return fmt.Errorf("mcp_verify: %w", err)
		}
	}
	if v.verifier, err = assertion.NewVerifier(cfg); err != nil {
		return fmt.Errorf("mcp_verify: %w", err)
	}
	return nil
}

// Cleanup gives back what is shared with other configurations.
func (v *Verify) Cleanup() error {
	var errs []error
	for _, giveBack := range v.held {
		errs = append(errs, giveBack())
	}
	v.held = nil
	return errors.Join(errs...)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler. Everything is read from the
// request as it arrived before anything is changed, and everything that could
// pass for a header of ours is deleted before one is set.
func (v *Verify) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	arrived := asArrived(r)
	claims, err := v.verifier.VerifyHead(arrived)
	if err != nil {
		v.refuse(w, r, err)
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.MaxBody))
	if err != nil {
		v.refuseBody(w, r, err)
		return nil
	}
	if err := v.verifier.VerifyBody(arrived, claims, body); err != nil {
		v.refuse(w, r, err)
		return nil
	}
	values, err := v.values(claims)
	if err != nil {
		v.refuse(w, r, err)
		return nil
	}
	httpx.StripNamed(r, v.stripped)
	for name, value := range values {
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if !v.KeepAuthorization {
		r.Header.Del("Authorization")
	}
	// The bytes that were verified, and nothing behind them: no trailer is signed.
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil, nil
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.auth.user.id", claims.Subject)
	}
	return next.ServeHTTP(w, r)
}

// asArrived returns the request with the method and URL that were signed; a
// handler before this one may have rewritten them.
func asArrived(r *http.Request) *http.Request {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || original.URL == nil {
		return r
	}
	arrived := r.WithContext(r.Context())
	arrived.Method, arrived.URL = original.Method, original.URL
	return arrived
}

// errClaimValue says that a claim cannot stand in a header.
var errClaimValue = errors.New("a claim holds a control character")

// values returns the headers to set, by name.
func (v *Verify) values(c *assertion.Claims) (map[string]string, error) {
	values := make(map[string]string, len(v.Headers))
	for _, h := range v.Headers {
		value := claimValues[h.Claim](c)
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, errClaimValue
		}
		if value != "" {
			values[h.Name] = value
		}
	}
	return values, nil
}

// refuse answers a request that is not, or cannot be, verified. Why is for the
// log: a request that was tampered with learns nothing.
func (v *Verify) refuse(w http.ResponseWriter, r *http.Request, why error) {
	if errors.Is(why, assertion.ErrUnavailable) {
		v.report(slog.LevelError, r, why)
		oauth.WriteError(w, &oauth.Error{
			Code: oauth.TemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
			Description: "requests cannot be verified right now",
		})
		return
	}
	v.report(slog.LevelWarn, r, why)
	challenge := `Bearer error="invalid_token"`
	if errors.Is(why, assertion.ErrNoToken) {
		challenge = "Bearer" // RFC 6750 §3.1: no code for a request without a token
	}
	w.Header().Set("WWW-Authenticate", challenge)
	oauth.WriteError(w, &oauth.Error{
		Code: oauth.InvalidToken, Status: http.StatusUnauthorized,
		Description: "this API takes requests that its gateway signed, each once and as it was signed",
	})
}

func (v *Verify) refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	v.report(slog.LevelWarn, r, err)
	answer := &oauth.Error{Code: oauth.InvalidRequest, Status: http.StatusBadRequest, Description: "the body could not be read"}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		answer.Status, answer.Description = http.StatusRequestEntityTooLarge, "the body is longer than this API takes"
	}
	oauth.WriteError(w, answer)
}

// report logs a refusal; of one kind at most one a second, since anyone can cause
// them.
func (v *Verify) report(level slog.Level, r *http.Request, why error) {
	pass, heldBack := v.refusals.Pass(why.Error(), v.clock.Now())
	if !pass {
		return
	}
	v.log.Log(r.Context(), level, "request not verified",
		"reason", why.Error(), "method", r.Method, "path", r.URL.Path, "client_ip", caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey), "more", heldBack)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Verify)(nil)
	_ caddy.CleanerUpper          = (*Verify)(nil)
	_ caddyhttp.MiddlewareHandler = (*Verify)(nil)
)
