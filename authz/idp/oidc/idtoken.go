package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/teamlumos/mcp-edge/authz/idp"
)

// Bounds of what a provider says about a person.
const (
	maxSubject = 255 // OpenID Connect Core 1.0 §2
	maxEmail   = 254
	maxName    = 200
	maxGroups  = 500
	maxGroup   = 256
	maxSession = 512
)

// claims are the members of an ID token that are used beside those that go-oidc
// checks.
type claims struct {
	AuthorizedParty string          `json:"azp"`
	AuthTime        int64           `json:"auth_time"`
	NotBefore       json.Number     `json:"nbf"`
	HostedDomain    string          `json:"hd"`
	Email           string          `json:"email"`
	EmailVerified   json.RawMessage `json:"email_verified"`
	Name            string          `json:"name"`
	Session         json.RawMessage `json:"sid"`
}

// verify checks an ID token as OpenID Connect Core 1.0 §3.1.3.7 says.
func (p *Provider) verify(ctx context.Context, meta *metadata, raw, nonce string) (idp.Identity, error) {
	keys := &observedKeys{KeySet: meta.keys}
	verifier := oidc.NewVerifier(p.cfg.Issuer, keys, &oidc.Config{
		ClientID: p.cfg.ClientID, SupportedSigningAlgs: algorithms,
		SkipExpiryCheck: true, // checkTimes makes it, with one allowance for all times
	})
	token, err := verifier.Verify(ctx, raw)
	if keys.unavailable != nil {
		return idp.Identity{}, keys.unavailable
	}
	if err != nil && !keys.verified {
		return idp.Identity{}, fmt.Errorf("%w: ID token: not signed by the provider", idp.ErrInvalid)
	}
	if err != nil { // names the issuer or audience that does not fit
		return idp.Identity{}, fmt.Errorf("%w: ID token: %w", idp.ErrInvalid, err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return idp.Identity{}, fmt.Errorf("%w: ID token: claims of a wrong type", idp.ErrInvalid)
	}
	if err := p.checkToken(token, c, nonce); err != nil {
		return idp.Identity{}, fmt.Errorf("%w: ID token: %w", idp.ErrInvalid, err)
	}
	groups, err := p.groups(token)
	if errors.Is(err, idp.ErrTooManyGroups) {
		return idp.Identity{}, err
	}
	if err != nil {
		return idp.Identity{}, fmt.Errorf("%w: ID token: %w", idp.ErrInvalid, err)
	}
	id := idp.Identity{
		Issuer: p.cfg.Issuer, Subject: token.Subject, Email: c.Email, Name: c.Name,
		EmailVerified: verified(c.EmailVerified, p.cfg.TrustEmail) && p.authoritative(c), Groups: groups,
	}
	if len(id.Name) > maxName {
		id.Name = "" // shown only; not worth a refusal
	}
	id.Session = sessionID(c.Session)
	if c.AuthTime > 0 {
		id.AuthTime = time.Unix(c.AuthTime, 0)
	}
	return id, nil
}

func (p *Provider) checkToken(token *oidc.IDToken, c claims, nonce string) error {
	switch {
	case token.Issuer != p.cfg.Issuer: // go-oidc lets one provider spell its issuer in two ways
		return errors.New("issuer")
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 || nonce == "":
		return errors.New("nonce")
	case c.AuthorizedParty != "" && c.AuthorizedParty != p.cfg.ClientID:
		return errors.New("authorized party is another client")
	case len(token.Audience) > 1 && c.AuthorizedParty == "":
		return errors.New("several audiences and no authorized party")
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return errors.New("subject is missing or too long")
	case len(c.Email) > maxEmail:
		return errors.New("e-mail address is too long")
	}
	return checkTimes(token, c, p.cfg.Clock.Now())
}

// checkTimes allows for a clock that is skew away from ours, to either side and
// for every time alike (RFC 7519 §4.1.4, §4.1.5).
func checkTimes(token *oidc.IDToken, c claims, now time.Time) error {
	if c.NotBefore != "" {
		seconds, err := c.NotBefore.Float64()
		if err != nil || seconds > float64(now.Add(skew).Unix()) {
			return errors.New("not valid yet")
		}
	}
	switch {
	case token.Expiry.IsZero() || token.Expiry.Unix() == 0:
		return errors.New("exp is missing")
	case !now.Before(token.Expiry.Add(skew)):
		return errors.New("expired")
	case token.IssuedAt.IsZero() || token.IssuedAt.Unix() == 0:
		return errors.New("iat is missing")
	case token.IssuedAt.After(now.Add(skew)):
		return errors.New("issued in the future")
	}
	return nil
}

// googleIssuer is the issuer of Google, for companies and for everyone alike.
const googleIssuer = "https://accounts.google.com"

// authoritative says whether the provider can still speak for an address that it
// once verified. Google verifies the address of a private account when that is
// made, also one of a company that has no account with it; whoever has left the
// company keeps such an account. Only accounts with hd are of a company's own
// Workspace. Google's words on when it is authoritative, as
// https://community.auth0.com/t/168525 has them; examples of the tokens:
// https://jpassing.com/2021/01/27/what-does-the-email_verified-claim-indicate-in-google-idtokens/
func (p *Provider) authoritative(c claims) bool {
	return p.cfg.Issuer != googleIssuer || c.HostedDomain != ""
}

// groups reads the configured claim: a list of strings, or one string. A list
// that is cut would take away rights at random, so a longer one is refused, and
// so is one that the provider keeps elsewhere (OpenID Connect Core 1.0 §5.6.2):
// fetching it would need a credential of the person that we do not keep.
func (p *Provider) groups(token *oidc.IDToken) ([]string, error) {
	var all map[string]json.RawMessage
	if err := token.Claims(&all); err != nil {
		return nil, errors.New("claims")
	}
	raw, ok := all[p.cfg.GroupsClaim]
	if !ok || string(raw) == "null" {
		if p.elsewhere(all) {
			return nil, fmt.Errorf("%w: the claim %q is left out", idp.ErrTooManyGroups, p.cfg.GroupsClaim)
		}
		return nil, nil
	}
	var groups []string
	if err := json.Unmarshal(raw, &groups); err != nil {
		var single string
		if err := json.Unmarshal(raw, &single); err != nil {
			return nil, errors.New("groups claim is no list of strings")
		}
		groups = []string{single}
	}
	if len(groups) > maxGroups {
		return nil, fmt.Errorf("%w: more than %d", idp.ErrTooManyGroups, maxGroups)
	}
	for _, g := range groups {
		if len(g) > maxGroup {
			return nil, fmt.Errorf("a group's name is longer than %d bytes", maxGroup)
		}
	}
	return groups, nil
}

// elsewhere says whether the token names another place for the groups, as that of
// Entra ID does from 200 groups on, in hasgroups or _claim_names. Sources:
// https://github.com/MicrosoftDocs/azure-docs/pull/40705 (_claim_names) and
// https://github.com/MicrosoftDocs/azure-docs/issues/42371 (hasgroups).
func (p *Provider) elsewhere(all map[string]json.RawMessage) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(all["_claim_names"], &names)
	_, named := names[p.cfg.GroupsClaim]
	has := string(all["hasgroups"])
	return named || p.cfg.GroupsClaim == "groups" && (has == "true" || has == `"true"`)
}

// verified reads email_verified: true, also as the string that some providers
// send. Absent is the operator's decision; anything else is no.
func verified(raw json.RawMessage, trust bool) bool {
	switch string(raw) {
	case `true`, `"true"`:
		return true
	case ``, `null`:
		return trust
	}
	return false
}

// sessionID reads sid (OpenID Connect Front-Channel Logout 1.0 §3). One that is
// no text or too long is as good as none: it names a session in a logout, and is
// no reason to refuse a sign-in.
func sessionID(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) != nil || len(id) > maxSession {
		return ""
	}
	return id
}

// observedKeys remembers how the check of the signature ended, which go-oidc
// folds into its error text: a provider that is down must not look like a
// forgery, and what is not signed must not be quoted in an error.
type observedKeys struct {
	oidc.KeySet
	verified    bool
	unavailable error
}

// VerifySignature implements oidc.KeySet.
func (k *observedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.verified = err == nil
	if errors.Is(err, idp.ErrUnavailable) {
		k.unavailable = err
	}
	return payload, err
}
