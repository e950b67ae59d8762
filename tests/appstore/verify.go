package appstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// The bounds on a token's life: it is good for 60 seconds, and the clocks of
// the two sides may differ by 30.
const (
	maxLifetime = 60 * time.Second
	maxSkew     = 30 * time.Second
)

// Why a request is refused. The text is the detail of the 401 answer.
var (
	ErrNoToken    = errors.New("authorization: exactly one bearer token is required")
	ErrMalformed  = errors.New("token: not a signed JWT")
	ErrAlgorithm  = errors.New("token: alg must be EdDSA or ES256 and fit the key")
	ErrType       = errors.New("token: typ must be at+jwt")
	ErrCritical   = errors.New("token: crit is not supported")
	ErrKey        = errors.New("token: kid is not in the issuer's key set")
	ErrKeySet     = errors.New("token: the issuer's key set cannot be read")
	ErrSignature  = errors.New("token: the signature does not verify")
	ErrMissing    = errors.New("token: a required claim is missing")
	ErrIssuer     = errors.New("token: iss is not the trusted issuer")
	ErrAudience   = errors.New("token: aud is not this API alone")
	ErrExpired    = errors.New("token: expired")
	ErrNotYet     = errors.New("token: not valid yet")
	ErrLifetime   = errors.New("token: exp is more than 60 seconds after iat")
	ErrMethod     = errors.New("token: htm is not the method of this request")
	ErrURL        = errors.New("token: htu is not the URL of this request")
	ErrDigest     = errors.New("token: content_digest does not fit the body")
	ErrReplay     = errors.New("token: jti was seen before")
	ErrScope      = errors.New("token: scope does not cover this route")
	ErrPermission = errors.New("token: permissions do not cover this route")
	ErrPerson     = errors.New("token: email and domain_id name nobody here")
	ErrSubject    = errors.New("token: sub is not the person that email and domain_id name")
)

// Claims is what the token says about one request.
type Claims struct {
	jwt.RegisteredClaims
	Email    string `json:"email"`
	DomainID string `json:"domain_id"`
	ClientID string `json:"client_id"`
	// Actor is who acts for the person (RFC 8693 section 4.1).
	Actor struct {
		Subject string `json:"sub"`
	} `json:"act"`
	Scope       string   `json:"scope"` // space-separated
	Permissions []string `json:"permissions"`
	// Transaction is shared by all requests of one tool call.
	Transaction string `json:"txn"`
	Method      string `json:"htm"` // as in RFC 9449 section 4.2
	URL         string `json:"htu"` // as in RFC 9449 section 4.2: no query
	// ContentDigest has the form of RFC 9530 section 2, sha-256 only.
	ContentDigest string `json:"content_digest"`
}

// Verifier checks that a request carries a token that the issuer signed for
// exactly this request.
type Verifier struct {
	audience string
	keys     *KeySet
	replay   *replayCache
	parser   *jwt.Parser
}

// NewVerifier returns a verifier of tokens from issuer for audience, the public
// base URL of this API.
func NewVerifier(issuer, audience string, keys *KeySet, now clock.Clock) *Verifier {
	return &Verifier{
		audience: audience,
		keys:     keys,
		replay:   newReplayCache(now),
		parser: jwt.NewParser(
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(maxSkew),
			jwt.WithTimeFunc(now.Now), jwt.WithStrictDecoding(),
		),
	}
}

// Verify returns the claims of the request's token, or one of the errors above.
// The body must have been read whole before.
func (v *Verifier) Verify(r *http.Request, body []byte) (*Claims, error) {
	raw, err := bearer(r.Header)
	if err != nil {
		return nil, err
	}
	claims := &Claims{}
	var keyErr error // as it is: the library would wrap it
	_, err = v.parser.ParseWithClaims(raw, claims, func(token *jwt.Token) (key any, err error) {
		key, keyErr = v.findKey(r.Context(), token)
		return key, keyErr
	})
	if keyErr != nil {
		return nil, keyErr
	}
	if err != nil {
		return nil, reason(err)
	}
	switch {
	case claims.IssuedAt == nil || claims.ID == "" || claims.Subject == "":
		return nil, ErrMissing
	case len(claims.Audience) != 1:
		return nil, ErrAudience
	case claims.ExpiresAt.Sub(claims.IssuedAt.Time) > maxLifetime:
		return nil, ErrLifetime
	case claims.Method != r.Method:
		return nil, ErrMethod
	case claims.URL != v.audience+r.URL.EscapedPath():
		return nil, ErrURL
	case (len(body) > 0 || claims.ContentDigest != "") && claims.ContentDigest != digest(body):
		return nil, ErrDigest
	}
	// Last, so that a request refused for another reason uses nothing up.
	if !v.replay.firstUse(claims.ID) {
		return nil, ErrReplay
	}
	return claims, nil
}

// Need is one way to be allowed to call a route.
type Need struct{ Scope, Permission string }

// Cover reports with nil that the token covers one of the needs; no needs means
// that identity is enough. Otherwise it returns ErrScope or ErrPermission.
func (c *Claims) Cover(needs ...Need) error {
	if len(needs) == 0 {
		return nil
	}
	err := ErrScope
	for _, need := range needs {
		if !slices.Contains(strings.Split(c.Scope, " "), need.Scope) {
			continue
		}
		if slices.Contains(c.Permissions, need.Permission) {
			return nil
		}
		err = ErrPermission
	}
	return err
}

// bearer returns the one token of the request (RFC 6750 section 2.1).
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", ErrNoToken
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", ErrNoToken
	}
	return token, nil
}

// findKey checks the token's header and returns the key for it. The key, not
// the token, decides which algorithm is right (RFC 8725 section 3.1).
func (v *Verifier) findKey(ctx context.Context, token *jwt.Token) (any, error) {
	algorithm := token.Method.Alg()
	if algorithm != jwt.SigningMethodEdDSA.Alg() && algorithm != jwt.SigningMethodES256.Alg() {
		return nil, ErrAlgorithm
	}
	if token.Header["typ"] != "at+jwt" { // RFC 9068 section 2.1
		return nil, ErrType
	}
	if _, ok := token.Header["crit"]; ok { // RFC 7515 section 4.1.11
		return nil, ErrCritical
	}
	id, _ := token.Header["kid"].(string)
	key, err := v.keys.Key(ctx, id)
	if err != nil {
		return nil, err
	}
	if key.Algorithm != algorithm {
		return nil, ErrAlgorithm
	}
	return key.Public, nil
}

// digest returns the digest of a body as content_digest carries it.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// reason turns an error of the JWT library into one of ours.
func reason(err error) error {
	for _, pair := range []struct{ theirs, ours error }{
		{jwt.ErrTokenMalformed, ErrMalformed},
		{jwt.ErrTokenUnverifiable, ErrAlgorithm},
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenRequiredClaimMissing, ErrMissing},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYet},
		{jwt.ErrTokenNotValidYet, ErrNotYet},
	} {
		if errors.Is(err, pair.theirs) {
			return pair.ours
		}
	}
	return ErrMalformed
}
