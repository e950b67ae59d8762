package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

func init() { caddy.RegisterModule(OIDC{}) }

// OIDC signs people in through an OpenID provider by the authorization code
// flow with PKCE. Nothing is fetched before the first sign-in.
type OIDC struct {
	// The issuer, as its discovery document names it. Required.
	Issuer string `json:"issuer,omitempty"`
	// The client id of the gateway at the provider. Required.
	ClientID string `json:"client_id,omitempty"`
	// The client secret, as {env.NAME} or {file./path}. Required.
	ClientSecret string `json:"client_secret,omitempty"`
	// The claim that lists the groups of a person. Default: groups.
	GroupsClaim string `json:"groups_claim,omitempty"`
	// The scopes that are asked for. Default: openid, email, profile.
	Scopes []string `json:"scopes,omitempty"`
	// Whether an e-mail address counts as verified although the provider does
	// not say so. One that it calls unverified never does, nor that of a private
	// account at Google. Default: false.
	TrustEmail bool `json:"trust_email,omitempty"`
}

var oidcLines = []string{"client_id", "client_secret", "groups_claim", "scopes", "trust_email"}

// idpTimeout bounds one request to an identity provider.
const idpTimeout = 10 * time.Second

// CaddyModule returns the Caddy module information.
func (OIDC) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  idpNamespace + ".oidc",
		New: func() caddy.Module { return new(OIDC) },
	}
}

// UnmarshalCaddyfile reads the provider. Syntax:
//
//	idp oidc <issuer> {
//	    client_id     <id>
//	    client_secret {env.NAME}|{file./path}
//	    groups_claim  <claim>
//	    scopes        <scopes...>
//	    trust_email
//	}
func (o *OIDC) UnmarshalCaddyfile(d *caddyfile.Dispenser) (err error) {
	d.Next()
	start := d.Token()
	p := newParser(d)
	if o.Issuer, err = p.checked(checkIDPIssuer); err != nil {
		return err
	}
	for d.NextBlock(0) {
		if err := p.once(); err != nil {
			return err
		}
		switch d.Val() {
		case "client_id":
			o.ClientID, err = p.word()
		case "client_secret":
			o.ClientSecret, err = p.word()
		case "groups_claim":
			o.GroupsClaim, err = p.word()
		case "scopes":
			o.Scopes, err = p.words()
		case "trust_email":
			o.TrustEmail, err = true, p.flag()
		default:
			err = p.unknown("idp oidc", oidcLines, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := o.Validate(); err != nil {
		return at(start, err)
	}
	return nil
}

// Validate refuses a provider without an account for the gateway.
func (o *OIDC) Validate() error {
	switch {
	case o.Issuer == "":
		return errors.New("idp oidc needs an issuer URL")
	case manyTenants.MatchString(o.Issuer): // its template looks like a placeholder, which is checked too late
		return checkIDPIssuer(o.Issuer)
	case o.ClientID == "":
		return errors.New("idp oidc needs a line client_id ID")
	case o.ClientSecret == "":
		return errors.New("idp oidc needs a line client_secret {env.NAME}")
	}
	return nil
}

// CheckSecrets implements IdentityProvider.
func (o *OIDC) CheckSecrets(allowLiteral bool) error {
	if err := checkSecret(o.ClientSecret, allowLiteral); err != nil {
		return fmt.Errorf("client_secret: %w", err)
	}
	return nil
}

// Configure resolves the secret and prepares the provider.
func (o *OIDC) Configure(c IDPContext) (idp.Provider, error) {
	issuer, err := resolve(o.Issuer)
	if err != nil {
		return nil, err
	}
	if err := checkIDPIssuer(issuer); err != nil {
		return nil, err
	}
	clientID, err := resolve(o.ClientID)
	if err != nil {
		return nil, err
	}
	secret, err := resolveSecret(o.ClientSecret, c.AllowLiteralSecrets)
	if err != nil {
		return nil, fmt.Errorf("client_secret: %w", err)
	}
	address, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return oidc.New(oidc.Config{
		Issuer:       issuer,
		ClientID:     clientID,
		ClientSecret: secret,
		RedirectURI:  c.RedirectURI,
		GroupsClaim:  o.GroupsClaim,
		Scopes:       o.Scopes,
		TrustEmail:   o.TrustEmail,
		HTTPClient:   safehttp.ForOperator(idpTimeout, address.Hostname()),
		Clock:        clock.System,
	})
}

// Interface guards.
var (
	_ IdentityProvider      = (*OIDC)(nil)
	_ caddy.Validator       = (*OIDC)(nil)
	_ caddyfile.Unmarshaler = (*OIDC)(nil)
)
