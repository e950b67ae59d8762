package idp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/teamlumos/mcp-edge/tests/idp"
)

const (
	clientID     = "mcp-edge"
	clientSecret = "a client secret: with + & % in it"
	callback     = "https://localhost:8443/callback/demo.example"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relyingParty is a product as others write it: go-oidc and x/oauth2.
type relyingParty struct {
	t        *testing.T
	server   *idp.Server
	ctx      context.Context
	http     *http.Client
	provider *oidc.Provider
	config   oauth2.Config
	verifier string
}

func newRelyingParty(t *testing.T, users ...idp.User) *relyingParty {
	t.Helper()
	server, err := idp.Start(t.Context(), idp.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{callback}, Users: users,
	})
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	ctx := oidc.ClientContext(context.WithoutCancel(t.Context()), client)
	provider, err := oidc.NewProvider(ctx, server.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	return &relyingParty{
		t: t, server: server, ctx: ctx, http: client, provider: provider, verifier: oauth2.GenerateVerifier(),
		config: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callback,
			Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "profile"},
		},
	}
}

// authorizeURL is a good authorization request.
func (p *relyingParty) authorizeURL(extra ...oauth2.AuthCodeOption) string {
	options := append([]oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(p.verifier), oauth2.SetAuthURLParam("nonce", "the-nonce"),
	}, extra...)
	return p.config.AuthCodeURL("the-state", options...)
}

func (p *relyingParty) get(address string) (*http.Response, string) {
	p.t.Helper()
	res, err := p.http.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(res)
}

func (p *relyingParty) post(address string, form url.Values) (*http.Response, string) {
	p.t.Helper()
	res, err := p.http.PostForm(address, form)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(res)
}

func (p *relyingParty) read(res *http.Response) (*http.Response, string) {
	p.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(body)
}

var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]+)"`)

// loginPage follows an authorization request to the login page.
func (p *relyingParty) loginPage(authorizeURL string) (requestID, page string) {
	p.t.Helper()
	res, _ := p.get(authorizeURL)
	location, err := res.Location()
	if err != nil {
		p.t.Fatalf("authorize answered %s without a redirect", res.Status)
	}
	res, page = p.get(location.String())
	found := hiddenRequest.FindStringSubmatch(page)
	if res.StatusCode != http.StatusOK || found == nil {
		p.t.Fatalf("login page: %s\n%s", res.Status, page)
	}
	return found[1], page
}

// signIn walks to the callback and returns its parameters.
func (p *relyingParty) signIn(u idp.User) url.Values {
	p.t.Helper()
	id, _ := p.loginPage(p.authorizeURL())
	res, page := p.post(p.server.Issuer()+"/login", url.Values{"request": {id}, "email": {u.Email}, "password": {u.Password}})
	if res.StatusCode != http.StatusSeeOther {
		p.t.Fatalf("sign-in: %s\n%s", res.Status, page)
	}
	location, err := res.Location()
	if err != nil {
		p.t.Fatal(err)
	}
	if got := strings.SplitN(location.String(), "?", 2)[0]; got != callback {
		p.t.Fatalf("redirected to %s, want %s", got, callback)
	}
	return location.Query()
}

func (p *relyingParty) exchange(code string, options ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	return p.config.Exchange(p.ctx, code, append([]oauth2.AuthCodeOption{oauth2.VerifierOption(p.verifier)}, options...)...)
}

// idToken signs u in and returns the raw and the verified ID token.
func (p *relyingParty) idToken(u idp.User) (*oidc.IDToken, map[string]any, error) {
	p.t.Helper()
	token, err := p.exchange(p.signIn(u).Get("code"))
	if err != nil {
		p.t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := p.provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(p.ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	claims := map[string]any{}
	return verified, claims, verified.Claims(&claims)
}
