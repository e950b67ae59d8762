package idp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// scopeGroups may be asked for, as some providers want it. The groups claim is
// issued with and without it.
const scopeGroups = "groups"

var (
	errUnknownRequest = errors.New("this sign-in is unknown, finished or too old")
	errUnknownCode    = errors.New("this code is unknown, used or too old")
	errUnknownClient  = errors.New("unknown client or wrong secret")
	errUnsupported    = errors.New("not supported by this provider")
)

// storage is what the library asks for, in memory.
type storage struct {
	clientID     string
	clientSecret string
	key          signingKey
	people       *directory
	faults       *Faults

	mu           sync.Mutex
	redirectURIs []string
	requests     map[string]*authRequest // by id
	tokens       map[string]accessToken  // by id
	sessions     map[string]string       // the last one, by subject
}

type accessToken struct {
	scopes  []string
	expires time.Time
}

var (
	_ op.Storage                   = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest = (*storage)(nil)
)

func (s *storage) setRedirectURIs(uris []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirectURIs = slices.Clone(uris)
}

// CreateAuthRequest keeps an authorization until the person has signed in.
func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	request, err := newAuthRequest(r)
	if err != nil {
		return nil, err
	}
	now := clock.System.Now()
	request.id = rand.Text()
	request.expires = now.Add(requestLifetime)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.requests[request.id] = request
	return new(*request), nil
}

// sweep forgets what is too old. The caller holds the lock.
func (s *storage) sweep(now time.Time) {
	for id, r := range s.requests {
		if now.After(r.expires) {
			delete(s.requests, id)
		}
	}
	for id, t := range s.tokens {
		if now.After(t.expires) {
			delete(s.tokens, id)
		}
	}
}

// AuthRequestByID returns an authorization that nobody has signed in to yet.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	r, err := s.pending(id)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *storage) pending(id string) (*authRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok || r.Done() || clock.System.Now().After(r.expires) {
		return nil, errUnknownRequest
	}
	return new(*r), nil
}

// signIn binds a person to an authorization. It works once, so one sign-in
// gives one code.
func (s *storage) signIn(id, subject string) (*authRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock.System.Now()
	r, ok := s.requests[id]
	if !ok || r.Done() || now.After(r.expires) {
		return nil, errUnknownRequest
	}
	r.subject, r.session, r.authTime, r.expires = subject, rand.Text(), now, now.Add(codeLifetime)
	s.sessions[subject] = r.session
	return new(*r), nil
}

// SaveAuthCode remembers the code of a finished sign-in.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok || r.code != "" {
		return errUnknownRequest
	}
	r.code = code
	return nil
}

// AuthRequestByCode takes the authorization out, so that a code is used at most
// once (RFC 6749 section 4.1.2) even by two redemptions at the same time.
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.requests {
		if r.code == "" || subtle.ConstantTimeCompare([]byte(r.code), []byte(code)) != 1 {
			continue
		}
		delete(s.requests, id)
		if clock.System.Now().After(r.expires) {
			return nil, errUnknownCode
		}
		return r, nil
	}
	return nil, errUnknownCode
}

// DeleteAuthRequest forgets an authorization.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// CreateAccessToken issues the token that the userinfo endpoint takes.
func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	id := rand.Text()
	expires := clock.System.Now().Add(accessTokenLifetime)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = accessToken{scopes: r.GetScopes(), expires: expires}
	return id, expires, nil
}

// GetClientByClientID returns the product.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != s.clientID {
		return nil, errUnknownClient
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return client{id: s.clientID, redirectURIs: slices.Clone(s.redirectURIs)}, nil
}

// AuthorizeClientIDSecret checks the product's secret.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != s.clientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.clientSecret)) != 1 {
		return oidc.ErrInvalidClient().WithParent(errUnknownClient)
	}
	return nil
}

// SetUserinfoFromScopes does nothing: SetUserinfoFromRequest replaces it.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest fills the ID token.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	if request, ok := r.(*authRequest); ok {
		info.AppendClaims("sid", request.session)
	}
	return s.describe(info, r.GetSubject(), scopes)
}

// SetUserinfoFromToken fills the userinfo response.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, subject, _ string) error {
	s.mu.Lock()
	token, ok := s.tokens[tokenID]
	s.mu.Unlock()
	if !ok || clock.System.Now().After(token.expires) {
		return oidc.ErrAccessDenied().WithDescription("access token unknown or expired")
	}
	return s.describe(info, subject, token.scopes)
}

// describe writes the claims of a person: OpenID Connect Core section 5.4 for
// the standard scopes, and groups always.
func (s *storage) describe(info *oidc.UserInfo, subject string, scopes []string) error {
	u, err := s.people.bySubject(subject)
	if err != nil {
		return err
	}
	info.Subject = u.Subject
	info.AppendClaims("groups", append([]string{}, u.Groups...)) // [] rather than null
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name = u.Name
		info.PreferredUsername = u.Email
	}
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email = u.Email
		if !s.faults.OmitEmailVerified.Load() {
			// Not through the field of that name, which leaves false out.
			info.AppendClaims("email_verified", u.EmailVerified)
		}
	}
	return nil
}

// SigningKey returns the key that signs ID tokens.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

// SignatureAlgorithms returns the one algorithm in use.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

// KeySet returns the public keys.
func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.key}}, nil
}

// Health reports nothing wrong: there is nothing that could fail.
func (s *storage) Health(context.Context) error { return nil }
