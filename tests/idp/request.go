package idp

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// How long a person may take to sign in, how long a code may wait for its
// redemption, and how long the tokens live.
const (
	requestLifetime     = 10 * time.Minute
	codeLifetime        = time.Minute
	idTokenLifetime     = 5 * time.Minute
	accessTokenLifetime = 5 * time.Minute
)

// authRequest is one authorization from /authorize to the redemption of its
// code. The storage hands out copies, so a value never changes under a reader.
type authRequest struct {
	id          string
	clientID    string
	redirectURI string
	state       string
	nonce       string
	challenge   oidc.CodeChallenge
	scopes      []string
	loginHint   string
	expires     time.Time

	// Set by the sign-in.
	subject  string
	session  string
	authTime time.Time
	code     string
}

var _ op.AuthRequest = (*authRequest)(nil)

func (a *authRequest) GetID() string                         { return a.id }
func (a *authRequest) GetACR() string                        { return "" }
func (a *authRequest) GetAMR() []string                      { return []string{"pwd"} }
func (a *authRequest) GetAudience() []string                 { return []string{a.clientID} }
func (a *authRequest) GetAuthTime() time.Time                { return a.authTime }
func (a *authRequest) GetClientID() string                   { return a.clientID }
func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge { return &a.challenge }
func (a *authRequest) GetNonce() string                      { return a.nonce }
func (a *authRequest) GetRedirectURI() string                { return a.redirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType    { return oidc.ResponseTypeCode }
func (a *authRequest) GetResponseMode() oidc.ResponseMode    { return oidc.ResponseModeQuery }
func (a *authRequest) GetScopes() []string                   { return a.scopes }
func (a *authRequest) GetState() string                      { return a.state }
func (a *authRequest) GetSubject() string                    { return a.subject }
func (a *authRequest) Done() bool                            { return a.subject != "" }

// newAuthRequest checks what this provider asks for beyond the library: PKCE
// with S256 (RFC 7636 section 4.3) and a nonce always, although OpenID Connect
// Core leaves both optional in the code flow. A product that forgets one of
// them is found out here.
func newAuthRequest(r *oidc.AuthRequest) (*authRequest, error) {
	if len(r.Prompt) == 1 && r.Prompt[0] == oidc.PromptNone {
		return nil, oidc.ErrLoginRequired().WithDescription("nobody is ever signed in already")
	}
	if r.ResponseMode != "" && r.ResponseMode != oidc.ResponseModeQuery {
		return nil, oidc.ErrInvalidRequest().WithDescription("response_mode must be query")
	}
	if !slices.Contains(r.Scopes, oidc.ScopeOpenID) {
		return nil, oidc.ErrInvalidScope().WithDescription("scope must contain openid")
	}
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with method S256 is required")
	}
	if r.Nonce == "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("nonce is required")
	}
	return &authRequest{
		clientID:    r.ClientID,
		redirectURI: r.RedirectURI,
		state:       r.State,
		nonce:       r.Nonce,
		challenge:   oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod},
		scopes:      slices.Clone(r.Scopes),
		loginHint:   r.LoginHint,
	}, nil
}
