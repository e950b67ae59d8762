package oidc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
)

func TestADiscoveryDocumentThatIsNotBelieved(t *testing.T) {
	tests := []struct {
		name   string
		change claims
	}{
		{"of another issuer", claims{"issuer": "https://evil.example"}},
		{"with a slash behind the issuer", claims{"issuer": "http://127.0.0.1/"}},
		{"with a plain token endpoint elsewhere", claims{"token_endpoint": "http://evil.example/token"}},
		{"with a plain key set elsewhere", claims{"jwks_uri": "http://evil.example/keys"}},
		{"with an authorization endpoint that is a script", claims{"authorization_endpoint": "javascript:alert(1)"}},
		{"without a token endpoint", claims{"token_endpoint": nil}},
		{"with a user in an endpoint", claims{"token_endpoint": "https://a@evil.example/token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.meta = tt.change
			if _, err := o.provider(t, nil).AuthURL(t.Context(), idp.Request{Verifier: verifier}); !errors.Is(err, idp.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	ask := func(t *testing.T, p *oidc.Provider) error {
		_, err := p.AuthURL(t.Context(), idp.Request{Verifier: verifier})
		return err
	}
	t.Run("is tried again at once", func(t *testing.T) {
		o := newOP(t)
		o.down.Store(1)
		if err := ask(t, o.provider(t, nil)); err != nil || o.discoveries.Load() != 2 {
			t.Errorf("error %v after %d tries", err, o.discoveries.Load())
		}
	})
	t.Run("is tried again by the next sign-in after a failure", func(t *testing.T) {
		o := newOP(t)
		o.down.Store(2)
		p := o.provider(t, nil)
		if err := ask(t, p); !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if err := ask(t, p); err != nil {
			t.Errorf("got %v, want none", err)
		}
	})
	t.Run("is done once for many sign-ins at once", func(t *testing.T) {
		o := newOP(t)
		p := o.provider(t, nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := ask(t, p); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := o.discoveries.Load(); n != 1 {
			t.Errorf("%d discoveries, want 1", n)
		}
	})
	t.Run("is done again after an hour, and the old document is kept while the provider is down", func(t *testing.T) {
		o := newOP(t)
		p := o.provider(t, nil)
		for i, wantErr := range []bool{false, false, false} {
			if err := ask(t, p); (err != nil) != wantErr {
				t.Errorf("round %d: %v", i, err)
			}
			o.clock.Advance(time.Hour)
			o.down.Store(2)
		}
		if n := o.discoveries.Load(); n != 5 {
			t.Errorf("%d discoveries, want 5: one, and two tries in each later hour", n)
		}
	})
	t.Run("does not hold up a person who has left", func(t *testing.T) {
		o := newOP(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := o.provider(t, nil).AuthURL(ctx, idp.Request{Verifier: verifier}); err != nil && !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	})
}

func TestKeysAreFetchedAgainForANewKeyAndNotMoreThanOnceAMinute(t *testing.T) {
	o := newOP(t)
	p := o.provider(t, nil)
	sign := func(kid string, published bool) error {
		o.mu.Lock()
		o.kid = kid
		if published {
			o.keys = append(o.keys, jose.JSONWebKey{Key: rsaKey().Public(), KeyID: kid})
		}
		o.mu.Unlock()
		_, err := exchange(t, p)
		return err
	}
	steps := []struct {
		name      string
		kid       string
		published bool
		after     time.Duration
		ok        bool
		fetches   int32
	}{
		{"the first sign-in fetches", "k1", false, 0, true, 1},
		{"the next one does not", "k1", false, 0, true, 1},
		{"an unknown key is not looked for within a minute", "k2", true, 59 * time.Second, false, 1},
		{"after a minute it is", "k2", false, time.Second, true, 2},
		{"and once only if it is not there", "k3", false, time.Minute, false, 3},
		{"so that forgeries cost the provider nothing", "k4", false, 0, false, 3},
	}
	for _, s := range steps {
		o.clock.Advance(s.after)
		err := sign(s.kid, s.published)
		if (err == nil) != s.ok || o.keyFetches.Load() != s.fetches {
			t.Errorf("%s: error %v, %d fetches; want ok %v, %d", s.name, err, o.keyFetches.Load(), s.ok, s.fetches)
		}
	}
}

func TestHowWeAuthenticateAtTheTokenEndpoint(t *testing.T) {
	tests := []struct {
		name    string
		methods any
		secret  string
		basic   bool
	}{
		{"by default with Basic", nil, "s", true},
		{"with Basic where both are offered", []string{"client_secret_post", "client_secret_basic"}, "s", true},
		{"in the body where only that is offered", []string{"client_secret_post"}, "s", false},
		{"not at all as a public client", nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.meta = claims{"token_endpoint_auth_methods_supported": tt.methods}
			if _, err := exchange(t, o.provider(t, func(c *oidc.Config) { c.ClientSecret = tt.secret })); err != nil {
				t.Fatal(err)
			}
			_, _, basic := o.requests[0].BasicAuth()
			if basic != tt.basic || !tt.basic && o.requests[0].Form.Get("client_id") != clientID || o.requests[0].Form.Get("client_secret") != "" && tt.basic {
				t.Errorf("Basic %v, form %v", basic, o.requests[0].Form)
			}
			if len(o.requests) != 1 {
				t.Errorf("%d requests: a code is not tried twice", len(o.requests))
			}
		})
	}
}
