package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Config is one connection to an OpenID provider.
type Config struct {
	// Issuer is the provider's issuer identifier; required. https, or http on a
	// loopback host.
	Issuer string
	// ClientID is ours at the provider; required.
	ClientID string
	// ClientSecret is ours at the provider; "" makes us a public client.
	ClientSecret string
	// RedirectURI is our callback for this connection alone; required. One for
	// each connection keeps providers from being mixed up (OAuth 2.1 §7.15).
	RedirectURI string
	// GroupsClaim names the claim with the person's groups; default "groups".
	GroupsClaim string
	// Scopes are asked for; default openid, email, profile. openid is added.
	Scopes []string
	// TrustEmail takes the e-mail address as verified where the provider says
	// nothing about it. A provider that says "not verified" is believed anyway.
	TrustEmail bool
	// HTTPClient reaches the provider; default one with a 10 s timeout.
	HTTPClient *http.Client
	// Clock tells the time; default clock.System.
	Clock clock.Clock
}

// Provider is a connection to an OpenID provider; it is an idp.Provider. It is
// safe for concurrent use.
type Provider struct {
	cfg      Config
	loopback bool // issuer is http on a loopback host
	fetch    fetcher
	discovery
}

var _ idp.Provider = (*Provider)(nil)

// New checks cfg and returns a Provider. It does not reach for the network: a
// provider that is down must not keep the gateway from starting.
func New(cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" || issuer.User != nil || issuer.RawQuery != "" || issuer.Fragment != "" {
		return nil, fmt.Errorf("oidc: issuer %q: want an absolute URL without user, query and fragment", cfg.Issuer)
	}
	if strings.ContainsAny(cfg.Issuer, "{}") {
		return nil, fmt.Errorf("oidc: issuer %q is a template: name one tenant", cfg.Issuer)
	}
	loopback := issuer.Scheme == "http" && isLoopback(issuer.Hostname())
	if issuer.Scheme != "https" && !loopback {
		return nil, fmt.Errorf("oidc: issuer %q: want https; http is for loopback hosts only", cfg.Issuer)
	}
	if cfg.ClientID == "" || cfg.RedirectURI == "" {
		return nil, errors.New("oidc: a client id and a redirect URI are required")
	}
	if cfg.GroupsClaim == "" {
		cfg.GroupsClaim = "groups"
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{"openid", "email", "profile"}
	}
	if !slices.Contains(cfg.Scopes, "openid") { // without it the provider is no OpenID provider
		cfg.Scopes = append([]string{"openid"}, cfg.Scopes...)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	p := &Provider{cfg: cfg, loopback: loopback, fetch: newFetcher(cfg.HTTPClient)}
	return p, nil
}

// AuthURL returns the authorization request at the provider: code flow with
// PKCE S256 and a nonce.
func (p *Provider) AuthURL(ctx context.Context, req idp.Request) (string, error) {
	meta, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(req.Verifier),
		oauth2.SetAuthURLParam("nonce", req.Nonce),
	}
	if req.LoginHint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", req.LoginHint))
	}
	if req.ForceLogin {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	return p.oauth2(meta).AuthCodeURL(req.State, options...), nil
}

// Exchange checks the authorization response, redeems the code and checks the
// ID token.
func (p *Provider) Exchange(ctx context.Context, resp idp.Response) (idp.Identity, error) {
	meta, err := p.metadata(ctx)
	if err != nil {
		return idp.Identity{}, err
	}
	// The issuer is checked before anything else is believed, errors included
	// (RFC 9207 §2.4).
	if resp.Issuer != p.cfg.Issuer && (resp.Issuer != "" || meta.IssParameter) {
		return idp.Identity{}, fmt.Errorf("%w: iss of the authorization response is missing or names another issuer", idp.ErrInvalid)
	}
	switch {
	case resp.Error == "temporarily_unavailable" || resp.Error == "server_error":
		return idp.Identity{}, fmt.Errorf("%w: it answered %s", idp.ErrUnavailable, resp.Error)
	case resp.Error != "":
		return idp.Identity{}, fmt.Errorf("%w: authorization error", idp.ErrDenied)
	case resp.Code == "":
		return idp.Identity{}, fmt.Errorf("%w: no authorization code", idp.ErrInvalid)
	}
	rawIDToken, err := p.redeem(ctx, meta, resp)
	if err != nil {
		return idp.Identity{}, err
	}
	return p.verify(ctx, meta, rawIDToken, resp.Nonce)
}

// redeem exchanges the code. Errors say a status and a code from a closed list,
// never what the provider wrote: its text may hold what we sent.
func (p *Provider) redeem(ctx context.Context, meta *metadata, resp idp.Response) (string, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.fetch.client)
	token, err := p.oauth2(meta).Exchange(ctx, resp.Code, oauth2.VerifierOption(resp.Verifier))
	if refusal := (*oauth2.RetrieveError)(nil); errors.As(err, &refusal) {
		status := refusal.Response.StatusCode
		switch {
		case refusal.ErrorCode == "invalid_grant" && status < http.StatusInternalServerError:
			return "", fmt.Errorf("%w: it refused the authorization code", idp.ErrInvalid)
		case refusal.ErrorCode == "invalid_client" || refusal.ErrorCode == "unauthorized_client":
			// Our own configuration is wrong: no person was denied.
			return "", fmt.Errorf("%w: it refused our client credentials (status %d)", idp.ErrUnavailable, status)
		}
		return "", fmt.Errorf("%w: token endpoint answered status %d", idp.ErrUnavailable, status)
	}
	if err != nil {
		return "", fmt.Errorf("%w: token endpoint: %w", idp.ErrUnavailable, cause(err))
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return "", fmt.Errorf("%w: no ID token", idp.ErrInvalid)
	}
	return raw, nil
}

func (p *Provider) oauth2(meta *metadata) *oauth2.Config {
	endpoint := oauth2.Endpoint{AuthURL: meta.AuthorizationEndpoint, TokenURL: meta.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader}
	methods := meta.TokenAuthMethods
	postOnly := slices.Contains(methods, "client_secret_post") && !slices.Contains(methods, "client_secret_basic")
	if p.cfg.ClientSecret == "" || postOnly {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret,
		Endpoint: endpoint, RedirectURL: p.cfg.RedirectURI, Scopes: p.cfg.Scopes,
	}
}

// cause strips the request from a transport error, since its URL and text are
// not ours to write into logs, and keeps what is told apart by type.
func cause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errTooLarge} {
		if errors.Is(err, known) {
			return known
		}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return errors.New("not JSON")
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return network
	}
	return errors.New("transport failed")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// skew is how far a provider's clock may be from ours.
const skew = 60 * time.Second
