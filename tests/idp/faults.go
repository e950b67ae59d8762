package idp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Faults makes the provider misbehave. Each knob may be turned while requests
// are running and holds until it is turned back.
type Faults struct {
	// Down answers every request with 503.
	Down atomic.Bool
	// WrongNonce puts another nonce than the requested one in the ID token.
	WrongNonce atomic.Bool
	// WrongAudience issues the ID token for another client only.
	WrongAudience atomic.Bool
	// OmitEmailVerified leaves the email_verified claim out.
	OmitEmailVerified atomic.Bool
	// WrongIss names another issuer in the authorization response (RFC 9207).
	WrongIss atomic.Bool
}

// unavailable answers 503 while the provider is down.
func (f *Faults) unavailable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.Down.Load() {
			http.Error(w, "the identity provider is down", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// spoilToken wraps the token endpoint. The token is made correctly first and
// spoiled afterwards, with a good signature, so that only the spoiled claim can
// be the reason for a refusal.
func (f *Faults) spoilToken(key op.SigningKey, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		changes := map[string]any{}
		if f.WrongNonce.Load() {
			changes["nonce"] = "not-the-nonce-that-was-sent"
		}
		if f.WrongAudience.Load() {
			changes["aud"] = []string{"another-client"}
			changes["azp"] = "another-client"
		}
		if len(changes) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		answer := &heldResponse{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(answer, r)
		body := answer.body.Bytes()
		if answer.status == http.StatusOK {
			spoiled, err := changeIDToken(body, key, changes)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			body = spoiled
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(body)
	})
}

// changeIDToken sets claims in the ID token of a token response and signs it
// again.
func changeIDToken(response []byte, key op.SigningKey, changes map[string]any) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(response, &fields); err != nil {
		return nil, fmt.Errorf("read token response: %w", err)
	}
	raw, _ := fields["id_token"].(string)
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{key.SignatureAlgorithm()})
	if err != nil {
		return nil, fmt.Errorf("read id token: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(token.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return nil, fmt.Errorf("read id token claims: %w", err)
	}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("write id token claims: %w", err)
	}
	signer, err := op.SignerFromKey(key)
	if err != nil {
		return nil, fmt.Errorf("sign id token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("sign id token: %w", err)
	}
	if fields["id_token"], err = signed.CompactSerialize(); err != nil {
		return nil, fmt.Errorf("write id token: %w", err)
	}
	return json.Marshal(fields)
}

// heldResponse keeps an answer back until it has been changed.
type heldResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldResponse) Header() http.Header         { return h.header }
func (h *heldResponse) WriteHeader(status int)      { h.status = status }
func (h *heldResponse) Write(p []byte) (int, error) { return h.body.Write(p) }
