package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// DefaultCacheSize is how many client records an Authenticator keeps.
const DefaultCacheSize = 4096

// maxID bounds a presented client id, in bytes.
const maxID = 2 << 10

// Authenticator authenticates clients at the token and revocation endpoints. It
// is safe for concurrent use.
type Authenticator struct {
	reader store.ClientReader
	// Records do not change after registration but for AuthorizedAt, which plays
	// no part here. A client that was deleted has no grant left to use.
	cache *lru.Cache[string, store.Client]
}

// NewAuthenticator returns an Authenticator that reads through a cache of
// cacheSize records; zero stands for DefaultCacheSize.
func NewAuthenticator(reader store.ClientReader, cacheSize int) (*Authenticator, error) {
	if reader == nil {
		return nil, errors.New("client authentication: no store")
	}
	if cacheSize == 0 {
		cacheSize = DefaultCacheSize
	}
	cache, err := lru.New[string, store.Client](cacheSize)
	if err != nil {
		return nil, err
	}
	return &Authenticator{reader: reader, cache: cache}, nil
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
// It is authenticated by the one method that it registered. The record is
// shared and must not be changed.
//
// Errors: 400 invalid_request for a request that uses several methods, an
// Authorization header of another scheme than Basic, or is malformed; 401 invalid_client for an unknown client, a wrong secret or a
// method other than the registered one, which needs a WWW-Authenticate header
// when the client used the Authorization header (RFC 6749 §5.2); 503 when the
// store does not answer.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (store.Client, *oauth.Error) {
	presented, e := ReadCredentials(r, p)
	if e != nil {
		return store.Client{}, e
	}
	c, e := a.find(ctx, presented.ID)
	if e != nil {
		return store.Client{}, e
	}
	if presented.Method != c.AuthMethod {
		return store.Client{}, invalidClient(reason.ClientBadSecret, "the client registered another authentication method")
	}
	if c.AuthMethod == AuthNone {
		return c, nil
	}
	hash := opaque.HashOf(presented.Secret)
	if subtle.ConstantTimeCompare(hash[:], c.SecretHash[:]) != 1 {
		return store.Client{}, invalidClient(reason.ClientBadSecret, "the client secret is wrong")
	}
	return c, nil
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
	if c, ok := a.cache.Get(id); ok {
		return c, nil
	}
	if len(id) > maxID {
		return store.Client{}, unknownClient()
	}
	c, err := a.reader.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Client{}, unknownClient()
	}
	if err != nil {
		return store.Client{}, oauth.Unavailable(err) // never invalid_client: the client would register again
	}
	a.cache.Add(id, c)
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
