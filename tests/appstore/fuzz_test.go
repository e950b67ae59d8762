package appstore_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/tests/appstore"
)

// served answers every request with one body.
type served string

func (s served) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}

func keySet(body string) *appstore.KeySet {
	now := clock.NewFake(time.Unix(1_800_000_000, 0))
	return appstore.NewKeySet("https://issuer.example/jwks.json", &http.Client{Transport: served(body)}, now)
}

const oneKey = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func FuzzVerifyRefusesWhatNobodySigned(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer a.b.c", "bearer ..", "Basic x",
		"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiayJ9.e30.",
		"Bearer eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.AAAA",
	} {
		f.Add(seed)
	}
	now := clock.NewFake(time.Unix(1_800_000_000, 0))
	verifier := appstore.NewVerifier("https://issuer.example", audience, keySet(oneKey), now)
	f.Fuzz(func(t *testing.T, authorization string) {
		r := httptest.NewRequest(http.MethodGet, "/users/current", nil)
		r.Header["Authorization"] = []string{authorization}
		if claims, err := verifier.Verify(r, nil); err == nil {
			t.Errorf("accepted %+v", claims)
		}
	})
}

func FuzzKeySetKnowsOnlyTwoKindsOfKey(f *testing.F) {
	for _, seed := range []string{
		oneKey, `{}`, `{"keys":null}`, `{"keys":[1,"x",{}]}`,
		`{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}`,
		`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-384","kid":"k","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		key, err := keySet(body).Key(t.Context(), "k")
		if err != nil {
			return
		}
		switch public := key.Public.(type) {
		case ed25519.PublicKey:
			if key.Algorithm != "EdDSA" || len(public) != ed25519.PublicKeySize {
				t.Errorf("an Ed25519 key of %d bytes is for %s", len(public), key.Algorithm)
			}
		case *ecdsa.PublicKey:
			if key.Algorithm != "ES256" || public.Curve.Params().Name != "P-256" {
				t.Errorf("a %s key is for %s", public.Curve.Params().Name, key.Algorithm)
			}
		default:
			t.Errorf("a key of type %T", public)
		}
	})
}
