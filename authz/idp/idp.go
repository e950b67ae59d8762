package idp

import (
	"context"
	"errors"
	"time"
)

// Errors of a Provider.
var (
	// ErrUnavailable says that the provider could not be asked. It is a fault and
	// must not be shown as a refusal.
	ErrUnavailable = errors.New("identity provider unavailable")
	// ErrDenied says that the provider or the person ended the sign-in.
	ErrDenied = errors.New("identity provider did not sign the person in")
	// ErrInvalid says that an answer failed a check: nobody is signed in.
	ErrInvalid = errors.New("identity provider's answer is not valid")
	// ErrTooManyGroups says that the provider vouches for the person and does not
	// tell all their groups. Nobody is signed in: without them a role could be
	// missing, and the person would be told that they never had it.
	ErrTooManyGroups = errors.New("identity provider does not tell all groups of the person")
)

// Request is one sign-in. State, Nonce and Verifier are random and new.
type Request struct {
	State     string
	Nonce     string
	Verifier  string // PKCE code verifier (RFC 7636)
	LoginHint string // e-mail address, or ""
	// ForceLogin asks the provider to authenticate the person again.
	ForceLogin bool
}

// Response is what a provider's redirect brought, and what was kept since the
// Request.
type Response struct {
	Code     string
	Error    string
	Issuer   string // the iss parameter (RFC 9207), or ""
	Nonce    string
	Verifier string
}

// Identity is a person as the provider describes them.
type Identity struct {
	Issuer, Subject string
	Email, Name     string
	// EmailVerified says that the provider, or the operator for this provider,
	// vouches for the address.
	EmailVerified bool
	Groups        []string
	// AuthTime is when the provider authenticated the person; zero = not said.
	AuthTime time.Time
	// Session is the provider's id of the session in which it did (sid); "" = not
	// said.
	Session string
}

// Logout is what a provider says when somebody's session at it ended.
type Logout struct {
	Issuer string
	// Subject and Session: at least one is set.
	Subject, Session string
	// TokenID is unique for each logout at its issuer.
	TokenID string
	// Until is the moment from which the token is not accepted any more.
	Until time.Time
}

// LogoutReader is what providers have that tell of logouts by themselves.
type LogoutReader interface {
	// ReadLogout checks a logout token. The error is ErrUnavailable or ErrInvalid,
	// and quotes nothing of a token that the provider did not sign.
	ReadLogout(ctx context.Context, token string) (Logout, error)
}

// Provider signs people in by redirects.
type Provider interface {
	// AuthURL returns where to send the browser. The error is ErrUnavailable.
	AuthURL(ctx context.Context, req Request) (string, error)
	// Exchange turns an authorization response into an identity. The error is
	// ErrUnavailable, ErrDenied, ErrInvalid or ErrTooManyGroups, and holds no secret.
	Exchange(ctx context.Context, resp Response) (Identity, error)
}
