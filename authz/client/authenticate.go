package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// maxID bounds a presented client id, in bytes.
const maxID = 2 << 10

// FailureCounter counts failed authentications; *limit.Memory is one.
type FailureCounter interface {
	Peek(key string, r limit.Rate, now time.Time) limit.Verdict
	Take(key string, r limit.Rate, now time.Time) limit.Verdict
}

// AuthenticatorConfig is what an Authenticator needs.
type AuthenticatorConfig struct {
	// Store has the clients; required.
	Store store.ClientReader
	// Failures counts failed authentications by address and client. Nil counts
	// none.
	Failures FailureCounter
	// FailureRate is how many of them one address may have at one client.
	FailureRate limit.Rate
	// Clock is clock.System by default.
	Clock clock.Clock
}

// Authenticator authenticates clients at the token and revocation endpoints. It
// is safe for concurrent use.
type Authenticator struct {
	// There is no cache: a client can be changed or ended at any moment, and this
	// is not the hot path.
	cfg AuthenticatorConfig
}

// NewAuthenticator returns an Authenticator over cfg.
func NewAuthenticator(cfg AuthenticatorConfig) (*Authenticator, error) {
	if cfg.Store == nil {
		return nil, errors.New("client authentication: no store")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	return &Authenticator{cfg: cfg}, nil
}

// Credentials are what a request presents (RFC 6749 §2.3). Nothing of them is
// checked yet.
type Credentials struct {
	ID     string
	Secret string
	// Method is AuthNone, AuthPost or AuthBasic: how they came.
	Method string
}

// Authenticate returns the client that makes the request (RFC 6749 §2.3, §3.2.1).
// It is authenticated by the one method that it registered.
//
// Errors: 400 invalid_request for a request that uses several methods, an
// Authorization header of another scheme than Basic, or is malformed; 401
// invalid_client for an unknown client, a wrong secret or a method other than
// the registered one, which needs a WWW-Authenticate header when the client used
// the Authorization header (RFC 6749 §5.2); 429 for a client at which too many
// attempts of the address failed; 503 when the store does not answer.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (store.Client, *oauth.Error) {
	presented, e := ReadCredentials(r, p)
	if e != nil {
		return store.Client{}, e
	}
	c, e := a.find(ctx, presented.ID)
	if e != nil {
		return store.Client{}, e
	}
	if c.AuthMethod == AuthNone && presented.Method == AuthNone {
		return c, nil // there is nothing to guess
	}
	if e := a.prove(ctx, c, presented); e != nil {
		return store.Client{}, e
	}
	return c, nil
}

// prove compares the secret, unless too many attempts failed (RFC 6749 §2.3.1).
// They are counted by address and client: nobody can lock out a client that is
// somewhere else, and a client that fails costs its neighbours nothing.
func (a *Authenticator) prove(ctx context.Context, c store.Client, presented Credentials) *oauth.Error {
	if a.cfg.Failures == nil {
		return compare(c, presented)
	}
	key := limit.Address(httpx.ClientIP(ctx)) + " " + c.ID
	now := a.cfg.Clock.Now()
	// Before the comparison, so that an attempt over the limit finds nothing out.
	if v := a.cfg.Failures.Peek(key, a.cfg.FailureRate, now); !v.OK {
		return tooManyFailures(v)
	}
	refused := compare(c, presented)
	if refused == nil {
		return nil
	}
	if v := a.cfg.Failures.Take(key, a.cfg.FailureRate, now); !v.OK { // others failed meanwhile
		return tooManyFailures(v)
	}
	return refused
}

func compare(c store.Client, presented Credentials) *oauth.Error {
	if presented.Method != c.AuthMethod {
		return invalidClient(reason.ClientBadSecret, "the client registered another authentication method")
	}
	hash := opaque.HashOf(presented.Secret)
	if subtle.ConstantTimeCompare(hash[:], c.SecretHash[:]) != 1 {
		return invalidClient(reason.ClientBadSecret, "the client secret is wrong")
	}
	return nil
}

func tooManyFailures(v limit.Verdict) *oauth.Error {
	return oauth.TooMany(reason.LimitBadSecrets, v.RetryAfter, "too many attempts of this client failed, try again later")
}

// ReadCredentials finds the one method that the request uses. Its errors are
// those of Authenticate about the form of a request.
func ReadCredentials(r *http.Request, p oauth.Params) (Credentials, *oauth.Error) {
	if name := p.Repeated("client_id", "client_secret", "client_assertion", "client_assertion_type"); name != "" {
		return Credentials{}, badRequest(name + " is given more than once")
	}
	headers := r.Header["Authorization"]
	asserted := p.Get("client_assertion") != "" || p.Get("client_assertion_type") != ""
	used := 0
	for _, present := range []bool{len(headers) > 0, p.Get("client_secret") != "", asserted} {
		if present {
			used++
		}
	}
	switch {
	case used > 1 || len(headers) > 1:
		return Credentials{}, badRequest("the client authenticates in more than one way")
	case asserted:
		return Credentials{}, invalidClient(reason.ClientBadSecret, "client assertions are not supported")
	case len(headers) == 1:
		return readBasic(r, p.Get("client_id"))
	case p.Get("client_id") == "":
		return Credentials{}, invalidClient(reason.ClientUnknown, "client_id is missing")
	case p.Get("client_secret") != "":
		return Credentials{ID: p.Get("client_id"), Secret: p.Get("client_secret"), Method: AuthPost}, nil
	}
	return Credentials{ID: p.Get("client_id"), Method: AuthNone}, nil
}

// readBasic reads HTTP Basic credentials, both parts of which are form-encoded
// (RFC 6749 §2.3.1). Some clients repeat their id in the body.
func readBasic(r *http.Request, inBody string) (Credentials, *oauth.Error) {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); !strings.EqualFold(scheme, "Basic") {
		// Some clients send an access token along. Nobody's registration is at
		// fault then, and upon invalid_client they would register anew.
		return Credentials{}, badRequest("use HTTP Basic, client_secret in the body, or no client authentication")
	}
	id, secret, ok := decodeBasic(r)
	if !ok {
		return Credentials{}, invalidClient(reason.ClientBadSecret, "the Authorization header holds no Basic credentials")
	}
	if inBody != "" && inBody != id {
		return Credentials{}, badRequest("the client_id of the body is not that of the Authorization header")
	}
	return Credentials{ID: id, Secret: secret, Method: AuthBasic}, nil
}

func decodeBasic(r *http.Request) (id, secret string, ok bool) {
	rawID, rawSecret, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err := url.QueryUnescape(rawID)
	if err != nil || id == "" {
		return "", "", false
	}
	secret, err = url.QueryUnescape(rawSecret)
	return id, secret, err == nil
}

func (a *Authenticator) find(ctx context.Context, id string) (store.Client, *oauth.Error) {
	if len(id) > maxID {
		return store.Client{}, unknownClient()
	}
	c, err := a.cfg.Store.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Client{}, unknownClient()
	}
	if err != nil {
		return store.Client{}, oauth.Unavailable(err) // never invalid_client: the client would register again
	}
	return c, nil
}

func unknownClient() *oauth.Error {
	return invalidClient(reason.ClientUnknown, "the client is not known here; it has to register again")
}

func invalidClient(why reason.Reason, text string) *oauth.Error {
	return &oauth.Error{Code: oauth.InvalidClient, Description: text, Status: http.StatusUnauthorized, Reason: why}
}

func badRequest(text string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, reason.ClientBadRequest, "%s", text)
}
