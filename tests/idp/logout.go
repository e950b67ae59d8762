package idp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// logoutEvent makes a token a logout token (OpenID Connect Back-Channel Logout
// 1.0 section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout says what a logout token is to be about.
type Logout struct {
	// Subject and Session: leave one out as a provider may.
	Subject, Session string
	// Change sets claims of the token to something else; nil values leave a claim
	// out.
	Change map[string]any
	// Header sets members of the header. Default: typ logout+jwt.
	Header map[string]any
}

// Session returns the id of the session in which the person with that subject
// signed in last, or "".
func (s *Server) Session(subject string) string {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	return s.storage.sessions[subject]
}

// PublicKey returns the key by which what the provider signs is checked.
func (s *Server) PublicKey() *rsa.PublicKey { return &s.storage.key.private.PublicKey }

// LogoutClaims returns the claims of a logout token.
func (s *Server) LogoutClaims(l Logout) ([]byte, error) {
	now := clock.System.Now().Unix()
	claims := map[string]any{
		"iss": s.issuer, "aud": s.storage.clientID, "iat": now, "exp": now + 120, "jti": rand.Text(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	if l.Subject != "" {
		claims["sub"] = l.Subject
	}
	if l.Session != "" {
		claims["sid"] = l.Session
	}
	for name, value := range l.Change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return json.Marshal(claims)
}

// LogoutToken signs a logout token with the key of ID tokens.
func (s *Server) LogoutToken(l Logout) (string, error) {
	payload, err := s.LogoutClaims(l)
	if err != nil {
		return "", fmt.Errorf("idp: write logout token: %w", err)
	}
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "logout+jwt"}}
	for name, value := range l.Header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	key := s.storage.key
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: jose.JSONWebKey{Key: key.private, KeyID: key.id}}, options)
	if err != nil {
		return "", fmt.Errorf("idp: sign logout token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("idp: sign logout token: %w", err)
	}
	return signed.CompactSerialize()
}

// SendLogout posts a logout token to the product, as section 2.5 says, and
// returns the answer's status and body.
func SendLogout(ctx context.Context, client *http.Client, address, token string) (status int, body string, err error) {
	form := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return 0, "", fmt.Errorf("idp: send logout: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("idp: send logout: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxForm))
	return resp.StatusCode, string(text), err
}
