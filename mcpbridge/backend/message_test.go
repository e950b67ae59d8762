package backend_test

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/httpsig"
)

// oneKey is a key that never changes.
type oneKey struct{ ed25519.PrivateKey }

func (k oneKey) SigningKey(string) (string, crypto.Signer, error) {
	if k.PrivateKey == nil {
		return "", nil, errors.New("no key")
	}
	return "key-1", k.PrivateKey, nil
}

func signedMessages(t *testing.T, key oneKey, transport http.RoundTripper) *backend.Client {
	t.Helper()
	signer, err := assertion.New(assertion.Config{
		Issuer: "https://auth.example.com", Audience: "https://api.example.com", Keys: key, Clock: clock.NewFake(now),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := backend.New(backend.Config{
		Base: &url.URL{Scheme: "https", Host: "api.example.com"}, Transport: transport, Clock: clock.NewFake(now),
		Credential: backend.SignedMessage{Issuer: signer, Keys: key, Alg: assertion.EdDSA},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAMessageSignatureCoversAllThatARequestMeans(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	c := signedMessages(t, oneKey{private}, roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r
		return jsonAnswer(200, `{}`), nil
	}))
	nonces := make(map[string]bool)
	query := read()
	query.Query = []backend.Param{{Name: "q", Value: "a b"}}
	for name, tt := range map[string]struct {
		r    *backend.Request
		body bool
	}{"a read": {query, false}, "the same read again": {query, false}, "a read without query": {read(), false}, "a write": {write(), true}} {
		if _, err := c.Do(t.Context(), tt.r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := httpsig.Find(got.Header, "mcp-edge")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Verify(got, httpsig.Ed25519, public); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := []string{"@method", "@path", "@query", "authorization"}
		if tt.body {
			want = append(want, "content-digest", "content-type")
			if err := httpsig.CheckContentDigest(got.Header, tt.r.Body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !slices.Equal(s.Components, want) {
			t.Errorf("%s covers %v, want %v", name, s.Components, want)
		}
		if p := s.Params; !p.Created.Equal(now) || p.Expires.Sub(p.Created) != time.Minute || p.KeyID != "key-1" || p.Alg != "ed25519" || p.Tag != "mcp-edge" {
			t.Errorf("%s: parameters %+v", name, p)
		}
		if nonces[s.Params.Nonce] || len(s.Params.Nonce) < 20 {
			t.Errorf("%s: nonce %q", name, s.Params.Nonce)
		}
		nonces[s.Params.Nonce] = true
		if !strings.HasPrefix(got.Header.Get("Authorization"), "Bearer ey") {
			t.Errorf("%s: no assertion beside it", name)
		}
	}
}

func TestWithoutAKeyNothingIsSent(t *testing.T) {
	t.Parallel()
	c := signedMessages(t, oneKey{}, roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("sent")
	}))
	_, err := c.Do(t.Context(), read())
	if e := asError(t, err); e.Kind != backend.Internal {
		t.Errorf("error %v", e)
	}
}
