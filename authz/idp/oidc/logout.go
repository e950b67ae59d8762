package oidc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/internal/strictjson"
)

const (
	// MaxLogoutToken is the longest logout token that is read, in bytes.
	MaxLogoutToken = 16 << 10
	maxTokenID     = 512
	// logoutEvent is the event that makes a token a logout token (OpenID Connect
	// Back-Channel Logout 1.0 §2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutAge is how old a logout token may be, whatever its exp says. The
	// specification asks for two minutes at most; a provider that tries again for
	// a while with the same token is heard. Used tokens are remembered for as long.
	logoutAge = 10 * time.Minute
)

// logoutClaims are the members of a logout token that are used, beside the
// issuer and the audience, which go-oidc checks.
type logoutClaims struct {
	Subject  string                     `json:"sub"`
	Session  string                     `json:"sid"`
	TokenID  string                     `json:"jti"`
	IssuedAt json.Number                `json:"iat"`
	Expires  json.Number                `json:"exp"`
	Events   map[string]json.RawMessage `json:"events"`
	Nonce    json.RawMessage            `json:"nonce"`
}

var _ idp.LogoutReader = (*Provider)(nil)

// ReadLogout checks a logout token as OpenID Connect Back-Channel Logout 1.0
// §2.6 says, with the keys and algorithms of ID tokens. That it was not used
// before is for the caller to check.
//
// exp is required since the final text of the specification; providers that
// follow an earlier one leave it out, and their tokens end logoutAge after iat,
// as all do.
func (p *Provider) ReadLogout(ctx context.Context, raw string) (idp.Logout, error) {
	// Cheap checks first: a stranger's token must not make us call the provider.
	if err := checkLogoutHeader(raw); err != nil {
		return idp.Logout{}, fmt.Errorf("%w: logout token: %w", idp.ErrInvalid, err)
	}
	meta, err := p.metadata(ctx)
	if err != nil {
		return idp.Logout{}, err
	}
	keys := &observedKeys{KeySet: meta.keys}
	verifier := oidc.NewVerifier(p.cfg.Issuer, keys, &oidc.Config{
		ClientID: p.cfg.ClientID, SupportedSigningAlgs: algorithms, Now: p.cfg.Clock.Now,
		SkipExpiryCheck: true, // checked below, with skew, and where it is said
	})
	token, err := verifier.Verify(ctx, raw)
	if keys.unavailable != nil {
		return idp.Logout{}, keys.unavailable
	}
	if err != nil && !keys.verified {
		return idp.Logout{}, fmt.Errorf("%w: logout token: not signed by the provider", idp.ErrInvalid)
	}
	if err != nil { // names the issuer or audience that does not fit
		return idp.Logout{}, fmt.Errorf("%w: logout token: %w", idp.ErrInvalid, err)
	}
	if token.Issuer != p.cfg.Issuer { // go-oidc lets one provider spell its issuer in two ways
		return idp.Logout{}, fmt.Errorf("%w: logout token: issuer", idp.ErrInvalid)
	}
	payload, err := payloadOf(raw)
	if err != nil {
		return idp.Logout{}, fmt.Errorf("%w: logout token: %w", idp.ErrInvalid, err)
	}
	out, err := readLogoutClaims(payload, p.cfg.Clock.Now())
	if err != nil {
		return idp.Logout{}, fmt.Errorf("%w: logout token: %w", idp.ErrInvalid, err)
	}
	out.Issuer = p.cfg.Issuer
	return out, nil
}

// checkLogoutHeader looks at what a token says about itself before anything is
// fetched for it. typ is explicit typing (§2.4): recommended, and where it is
// said it must be this type, so that no other token of the provider serves.
func checkLogoutHeader(raw string) error {
	if len(raw) > MaxLogoutToken {
		return errors.New("too long")
	}
	if strings.Count(raw, ".") != 2 {
		return errors.New("not a signed JWT")
	}
	first, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return errors.New("malformed header")
	}
	var header struct {
		Type      string          `json:"typ"`
		Algorithm string          `json:"alg"`
		Critical  json.RawMessage `json:"crit"`
	}
	if strictjson.TooDeep(text, 4) || json.Unmarshal(text, &header) != nil {
		return errors.New("malformed header")
	}
	switch typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/"); {
	case typ != "" && typ != "logout+jwt" && typ != "jwt":
		return errors.New("typ is not logout+jwt")
	case !slices.Contains(algorithms, header.Algorithm):
		return errors.New("alg is not one of ID tokens")
	case header.Critical != nil:
		return errors.New("a critical header is not understood")
	}
	return nil
}

func payloadOf(raw string) ([]byte, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a signed JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("malformed payload")
	}
	return payload, nil
}

// readLogoutClaims applies the rules that concern the claims alone (§2.6, steps
// 4 to 7).
func readLogoutClaims(payload []byte, now time.Time) (idp.Logout, error) {
	if strictjson.TooDeep(payload, 16) {
		return idp.Logout{}, errors.New("claims are nested too deep")
	}
	var c logoutClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return idp.Logout{}, errors.New("claims of a wrong type")
	}
	issued, err := moment(c.IssuedAt)
	if err != nil {
		return idp.Logout{}, errors.New("iat is missing or no number")
	}
	until := issued.Add(logoutAge)
	if c.Expires != "" {
		expires, err := moment(c.Expires)
		if err != nil {
			return idp.Logout{}, errors.New("exp is no number")
		}
		if end := expires.Add(skew); end.Before(until) {
			until = end
		}
	}
	event, isLogout := c.Events[logoutEvent]
	switch {
	case issued.After(now.Add(skew)):
		return idp.Logout{}, errors.New("issued in the future")
	case !now.Before(until):
		return idp.Logout{}, errors.New("expired")
	case !isLogout:
		return idp.Logout{}, errors.New("it is no logout event")
	case !bytes.HasPrefix(bytes.TrimLeft(event, " \t\r\n"), []byte("{")):
		return idp.Logout{}, errors.New("the logout event is no object")
	case c.Nonce != nil: // §2.4: what has a nonce could be an ID token
		return idp.Logout{}, errors.New("it has a nonce")
	case c.TokenID == "" || len(c.TokenID) > maxTokenID:
		return idp.Logout{}, errors.New("jti is missing or too long")
	case c.Subject == "" && c.Session == "":
		return idp.Logout{}, errors.New("it names neither a person nor a session")
	case len(c.Subject) > maxSubject || len(c.Session) > maxSession:
		return idp.Logout{}, errors.New("sub or sid is too long")
	}
	return idp.Logout{Subject: c.Subject, Session: c.Session, TokenID: c.TokenID, Until: until}, nil
}

// moment reads a NumericDate (RFC 7519 §2), which may have a fraction.
func moment(n json.Number) (time.Time, error) {
	seconds, err := n.Float64()
	if err != nil {
		return time.Time{}, err
	}
	const last = 1 << 40 // some ten thousand years from now, so that nothing overflows
	if seconds <= 0 || seconds > last {
		return time.Time{}, errors.New("out of range")
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}
