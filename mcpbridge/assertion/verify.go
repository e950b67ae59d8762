package assertion

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/httpsig"
)

// Skew is how far the clocks of the two sides may differ.
const Skew = 30 * time.Second

// ReplayWindow is how long an assertion may be accepted: its life and the skew on
// both sides of it. A jti has to be remembered that long.
const ReplayWindow = MaxLifetime + 2*Skew

// maxToken bounds the compact form, in bytes.
const maxToken = 8 << 10

// Why a request is refused. The texts may be logged; none holds anything that the
// request brought.
var (
	ErrNoToken      = errors.New("no bearer token")
	ErrToken        = errors.New("not exactly one bearer token")
	ErrMalformed    = errors.New("not a signed JWT of ours")
	ErrAlgorithm    = errors.New("alg is neither EdDSA nor ES256, or not that of the key")
	ErrType         = errors.New("typ is not at+jwt")
	ErrCritical     = errors.New("crit is not supported")
	ErrUnknownKey   = errors.New("kid is not in the issuer's key set")
	ErrBadSignature = errors.New("the signature does not verify")
	ErrMissingClaim = errors.New("a required claim is missing")
	ErrIssuer       = errors.New("iss is not the trusted issuer")
	ErrAudience     = errors.New("aud is not this API")
	ErrExpired      = errors.New("expired")
	ErrNotYet       = errors.New("issued in the future")
	ErrLifetime     = errors.New("exp is too long after iat")
	ErrMethod       = errors.New("htm is not the method of the request")
	ErrURL          = errors.New("htu is not the URL of the request")
	ErrDigest       = errors.New("content_digest does not fit the body")
	ErrMessage      = errors.New("the HTTP message signature is absent, wrong or covers too little")
	ErrReplayed     = errors.New("jti was seen before")
	// ErrUnavailable says that nothing can be verified now: the issuer's keys
	// cannot be had. It says nothing about the request.
	ErrUnavailable = errors.New("the issuer's key set cannot be read")
)

// PublicKeys finds the issuer's keys; *KeySet is one.
type PublicKeys interface {
	// PublicKey returns the key of that id and the one JOSE algorithm that it is
	// for. Errors are ErrUnknownKey and ErrUnavailable.
	PublicKey(ctx context.Context, kid string) (alg string, key crypto.PublicKey, err error)
}

// VerifierConfig is what a Verifier needs.
type VerifierConfig struct {
	Issuer   string     // required: exact issuer identifier
	Audience string     // required: public origin of the API, no trailing slash
	Keys     PublicKeys // required
	// Replay remembers what was accepted. nil: the same assertion is accepted
	// again until it expires.
	Replay *Replay
	// RequireMessage wants an HTTP Message Signature (RFC 9421) beside the
	// assertion, over MessageComponents.
	RequireMessage bool
	Clock          clock.Clock // default clock.System
}

// Verifier checks that a request carries an assertion that the issuer made for
// exactly this request. It is safe for concurrent use.
type Verifier struct {
	cfg    VerifierConfig
	parser *jwt.Parser
}

// NewVerifier returns a Verifier. It fails if a required field is missing.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if cfg.Issuer == "" || cfg.Audience == "" || cfg.Keys == nil {
		return nil, errors.New("assertion: issuer, audience and keys are required")
	}
	if strings.HasSuffix(cfg.Audience, "/") {
		return nil, errors.New("assertion: the audience ends with a slash")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	return &Verifier{cfg: cfg, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{EdDSA, ES256}), // RFC 8725 §3.1; none and shared secrets are refused by name
		jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(Skew),
		jwt.WithTimeFunc(cfg.Clock.Now), jwt.WithStrictDecoding(),
	)}, nil
}

// Verify returns the claims of r's assertion, or one of the errors above. r is
// the request as it arrived, with method and URL unchanged, and body is all of
// its body. With Replay the assertion is used up when Verify succeeds.
func (v *Verifier) Verify(r *http.Request, body []byte) (*Claims, error) {
	c, err := v.VerifyHead(r)
	if err != nil {
		return nil, err
	}
	if err := v.VerifyBody(r, c, body); err != nil {
		return nil, err
	}
	return c, nil
}

// VerifyHead is the part of Verify that needs no body, so that a body is read of
// those only who have an assertion. A request is verified when VerifyBody says so.
func (v *Verifier) VerifyHead(r *http.Request) (*Claims, error) {
	raw, err := bearer(r.Header)
	if err != nil {
		return nil, err
	}
	c := &parsedClaims{}
	var keyErr error // as it is: the library would wrap it
	_, err = v.parser.ParseWithClaims(raw, c, func(token *jwt.Token) (key any, err error) {
		key, keyErr = v.key(r.Context(), token)
		return key, keyErr
	})
	if keyErr != nil {
		return nil, keyErr
	}
	if err != nil {
		return nil, reasonOf(err)
	}
	switch {
	case c.ID == "" || c.Subject == "" || c.DomainID == "" || c.Method == "" || c.URL == "" || c.IssuedAt == 0:
		return nil, ErrMissingClaim
	case c.Expires-c.IssuedAt > int64(MaxLifetime/time.Second):
		return nil, ErrLifetime
	case c.Method != r.Method:
		return nil, ErrMethod
	case c.URL != v.cfg.Audience+r.URL.EscapedPath():
		return nil, ErrURL
	}
	return &c.Claims, nil
}

// VerifyBody is the rest of Verify: c are the claims that VerifyHead returned for
// r. Errors are ErrDigest, ErrMessage, ErrReplayed and those of PublicKeys.
func (v *Verifier) VerifyBody(r *http.Request, c *Claims, body []byte) error {
	if c.ContentDigest != ContentDigest(body) {
		return ErrDigest
	}
	if v.cfg.RequireMessage {
		if err := v.verifyMessage(r, body, c); err != nil {
			return err
		}
	}
	// Last, so that a request refused for another reason uses nothing up.
	if v.cfg.Replay != nil && !v.cfg.Replay.firstUse(c.ID, v.cfg.Clock.Now()) {
		return ErrReplayed
	}
	return nil
}

// bearer returns the one token of a request (RFC 6750 §2.1).
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", ErrNoToken
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return "", ErrToken
	}
	return token, nil
}

// key checks the token's header and returns the key for it. The key, not the
// token, decides which algorithm is right; an embedded key is never looked at.
func (v *Verifier) key(ctx context.Context, token *jwt.Token) (any, error) {
	if token.Header["typ"] != Type {
		return nil, ErrType
	}
	if _, there := token.Header["crit"]; there { // RFC 7515 §4.1.11
		return nil, ErrCritical
	}
	kid, _ := token.Header["kid"].(string)
	if kid == "" {
		return nil, ErrUnknownKey
	}
	alg, key, err := v.cfg.Keys.PublicKey(ctx, kid)
	if err != nil {
		return nil, err
	}
	if alg != token.Method.Alg() {
		return nil, ErrAlgorithm
	}
	return key, nil
}

// verifyMessage checks the HTTP Message Signature. Its nonce is the jti, so that
// neither of the two can be put beside another.
func (v *Verifier) verifyMessage(r *http.Request, body []byte, c *Claims) error {
	s, err := httpsig.Find(r.Header, MessageTag)
	if err != nil {
		return ErrMessage
	}
	now := v.cfg.Clock.Now()
	p := s.Params
	switch {
	case !s.Covers(MessageComponents(len(body) > 0)...) || p.Nonce != c.ID || p.KeyID == "":
		return ErrMessage
	case p.Created.IsZero() || p.Created.After(now.Add(Skew)) || p.Expires.IsZero() || !p.Expires.After(now.Add(-Skew)):
		return ErrMessage
	case p.Expires.Sub(p.Created) > MaxLifetime:
		return ErrMessage
	case len(body) > 0 && httpsig.CheckContentDigest(r.Header, body) != nil:
		return ErrMessage
	}
	alg, key, err := v.cfg.Keys.PublicKey(r.Context(), p.KeyID)
	if err != nil {
		return err
	}
	if s.Verify(r, MessageAlgorithm(alg), key) != nil {
		return ErrMessage
	}
	return nil
}

// parsedClaims are Claims in the form that the JWT library validates. They are
// read strictly: no name twice or in another case, no audience but one.
type parsedClaims struct{ Claims }

// UnmarshalJSON implements json.Unmarshaler.
func (c *parsedClaims) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &c.Claims) }

func numericDate(seconds int64) (*jwt.NumericDate, error) {
	if seconds == 0 {
		return nil, nil //nolint:nilnil // how the library wants an absent claim
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0)), nil
}

// GetExpirationTime implements jwt.Claims.
func (c *parsedClaims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.Expires) }

// GetIssuedAt implements jwt.Claims.
func (c *parsedClaims) GetIssuedAt() (*jwt.NumericDate, error) { return numericDate(c.IssuedAt) }

// GetNotBefore implements jwt.Claims.
func (c *parsedClaims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(0) }

// GetIssuer implements jwt.Claims.
func (c *parsedClaims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject implements jwt.Claims.
func (c *parsedClaims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience implements jwt.Claims.
func (c *parsedClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.Audience}, nil
}

// reasonOf turns an error of the JWT library into one of ours.
func reasonOf(err error) error {
	for _, pair := range []struct{ theirs, ours error }{
		{jwt.ErrTokenMalformed, ErrMalformed},
		{jwt.ErrTokenUnverifiable, ErrAlgorithm},
		{jwt.ErrTokenRequiredClaimMissing, ErrMissingClaim},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYet},
	} {
		if errors.Is(err, pair.theirs) {
			return pair.ours
		}
	}
	return ErrBadSignature
}

// Interface guards.
var (
	_ jwt.Claims = (*parsedClaims)(nil)
	_ PublicKeys = (*KeySet)(nil)
)
