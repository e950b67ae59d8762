package introspect

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Bounds of a secret. It may be chosen by a person and is kept by a fast hash,
// so that one which could be guessed is not taken at all.
const (
	// MinSecret is the shortest secret, in characters.
	MinSecret = 32
	// minLetters is how many different characters a secret has. Of 32 random hex
	// digits, fewer are seen once in some trillion.
	minLetters = 6
)

// ResourceServer is one service that may ask about tokens.
type ResourceServer struct {
	// Name is what it authenticates by, in the place of a client id.
	Name string
	// SecretHash is opaque.HashOf its secret.
	SecretHash store.Hash
	// Resources are the resource identifiers whose tokens it may ask about, byte
	// for byte as tokens are bound to them.
	Resources []string
}

// CheckSecret refuses a secret that could be guessed, or that clients would
// spell in two ways: RFC 6749 §2.3.1 form-encodes the parts of HTTP Basic, which
// many forget, and then "+" and "%" arrive as something else. Errors never quote
// the secret.
func CheckSecret(secret string) error {
	const remedy = "make one with: openssl rand -hex 32"
	switch letters := distinct(secret); {
	case len(secret) < MinSecret:
		return fmt.Errorf("the secret has %d characters, want at least %d; %s", len(secret), MinSecret, remedy)
	case strings.ContainsFunc(secret, func(c rune) bool { return c <= 0x20 || c >= 0x7f || c == '+' || c == '%' }):
		return errors.New("the secret holds a character that not all clients send alike, want visible ASCII without + and %; " + remedy)
	case letters < minLetters:
		return fmt.Errorf("the secret has too few different characters (%d), want at least %d; %s", letters, minLetters, remedy)
	}
	return nil
}

func distinct(s string) int {
	letters := []rune(s)
	slices.Sort(letters)
	return len(slices.Compact(letters))
}

// servers are the resource servers by name.
type servers map[string]ResourceServer

func newServers(list []ResourceServer) (servers, error) {
	byName := make(servers, len(list))
	for _, server := range list {
		_, twice := byName[server.Name]
		switch {
		case server.Name == "":
			return nil, errors.New("introspect: a resource server has no name")
		case twice:
			return nil, fmt.Errorf("introspect: resource server %s is given twice", server.Name)
		case server.SecretHash == store.Hash{}:
			return nil, fmt.Errorf("introspect: resource server %s has no secret", server.Name)
		case len(server.Resources) == 0:
			return nil, fmt.Errorf("introspect: resource server %s has no resource", server.Name)
		}
		byName[server.Name] = server
	}
	return byName, nil
}

// Authenticate returns the resource server that makes the request, by HTTP
// Basic or by client_id and client_secret in the body (RFC 7662 §2.1, RFC 6749
// §2.3.1). Clients are not looked up: none can pass.
//
// Errors: 400 invalid_request as client.ReadCredentials; 401 invalid_client for
// all else, in the same words for an unknown name and a wrong secret.
func (s servers) Authenticate(_ context.Context, r *http.Request, p oauth.Params) (ResourceServer, *oauth.Error) {
	presented, refused := client.ReadCredentials(r, p)
	if refused != nil {
		return ResourceServer{}, refused
	}
	if presented.Method == client.AuthNone {
		return ResourceServer{}, invalid(reason.ClientUnknown, "authenticate as a resource server: by HTTP Basic, or by client_id and client_secret in the body", nil)
	}
	server, known := s[presented.ID]
	hash := opaque.HashOf(presented.Secret)
	// An unknown name is compared with zeros, so that it takes as long.
	if same := subtle.ConstantTimeCompare(hash[:], server.SecretHash[:]) == 1; same && known {
		return server, nil
	}
	const text = "the resource server is not known here, or its secret is wrong"
	if !known {
		return ResourceServer{}, invalid(reason.ClientUnknown, text, nil)
	}
	return ResourceServer{}, invalid(reason.ClientBadSecret, text, fmt.Errorf("the secret of %s is wrong", server.Name))
}

// invalid is the refusal of a caller; cause is for the audit trail.
func invalid(why reason.Reason, text string, cause error) *oauth.Error {
	return &oauth.Error{Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Reason: why, Description: text, Err: cause}
}
