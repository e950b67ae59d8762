package appstore_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/teamlumos/mcp-edge/tests/appstore"
)

const createBody = `{"app_id":"` + appstore.AppDirect + `","business_justification":"on call"}`

func TestVerifyAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*signed)
	}{
		{"an EdDSA token for this request", func(*signed) {}},
		{"an ES256 token for this request", func(s *signed) { s.method, s.kid = jwt.SigningMethodES256, "p256" }},
		{"a subject that is email: and the address", func(s *signed) { s.claims["sub"] = "email:mia@demo.example" }},
		{"an address in another letter case", func(s *signed) { s.claims["email"] = "Mia@Demo.Example" }},
		{"an issuer's clock that is 29 seconds ahead", func(s *signed) { shift(s, 29*time.Second) }},
		{"a token that ended 29 seconds ago", func(s *signed) { shift(s, -89*time.Second) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t)
			s := b.prepare(http.MethodPost, "/appstore/access_request", createBody)
			tt.change(s)
			b.sign(s)
			if status, body := b.send(s.request); status != http.StatusCreated {
				t.Errorf("answered %d %s", status, body)
			}
		})
	}
}

// shift moves the token's life.
func shift(s *signed, by time.Duration) {
	s.claims["iat"] = s.claims["iat"].(int64) + int64(by/time.Second)
	s.claims["exp"] = s.claims["exp"].(int64) + int64(by/time.Second)
}

func TestVerifyRefuses(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*backend, *signed) {
		return func(_ *backend, s *signed) { s.claims[name] = value }
	}
	without := func(name string) func(*backend, *signed) {
		return func(_ *backend, s *signed) { delete(s.claims, name) }
	}
	tests := []struct {
		name   string
		change func(*backend, *signed)
		want   error
	}{
		{"another issuer", claim("iss", "https://issuer.example"), appstore.ErrIssuer},
		{"no issuer", without("iss"), appstore.ErrMissing},
		{"another audience", claim("aud", "https://other.example"), appstore.ErrAudience},
		{"no audience", without("aud"), appstore.ErrMissing},
		{"a second audience", claim("aud", []string{audience, "https://other.example"}), appstore.ErrAudience},
		{"no expiry", without("exp"), appstore.ErrMissing},
		{"no time of issue", without("iat"), appstore.ErrMissing},
		{"no jti", without("jti"), appstore.ErrMissing},
		{"no subject", without("sub"), appstore.ErrMissing},
		{"a token that ended 31 seconds ago", func(_ *backend, s *signed) { shift(s, -91*time.Second) }, appstore.ErrExpired},
		{"a token from 31 seconds ahead", func(_ *backend, s *signed) { shift(s, 31*time.Second) }, appstore.ErrNotYet},
		{"a token not valid before a minute from now", func(b *backend, s *signed) {
			s.claims["nbf"] = b.clock.Now().Add(time.Minute).Unix()
		}, appstore.ErrNotYet},
		{"a life of 61 seconds", func(_ *backend, s *signed) {
			s.claims["exp"] = s.claims["exp"].(int64) + 1
		}, appstore.ErrLifetime},
		{"another method", claim("htm", "GET"), appstore.ErrMethod},
		{"no method", without("htm"), appstore.ErrMethod},
		{"another path", claim("htu", audience+"/appstore/apps"), appstore.ErrURL},
		{"another host", claim("htu", "https://other.example/appstore/access_request"), appstore.ErrURL},
		{"a query in the URL", claim("htu", audience+"/appstore/access_request?a=b"), appstore.ErrURL},
		{"no URL", without("htu"), appstore.ErrURL},
		{"another body", claim("content_digest", digest(createBody+" ")), appstore.ErrDigest},
		{"no digest of the body", without("content_digest"), appstore.ErrDigest},
		{"another digest form", claim("content_digest", strings.Trim(digest(createBody), ":")), appstore.ErrDigest},
		{"a scope that does not cover the route", claim("scope", "appstore:read"), appstore.ErrScope},
		{"a scope that only begins like the right one", claim("scope", "appstore:requests"), appstore.ErrScope},
		{"no scope", without("scope"), appstore.ErrScope},
		{"permissions that do not cover the route", claim("permissions", []string{"appstore.apps.view"}), appstore.ErrPermission},
		{"no permissions", without("permissions"), appstore.ErrPermission},
		{"somebody unknown", claim("email", "nobody@demo.example"), appstore.ErrPerson},
		{"a person of another domain", claim("domain_id", "other.example"), appstore.ErrPerson},
		{"another person's id", claim("sub", appstore.DemoPeople()[1].ID), appstore.ErrSubject},
		{"another person's address as subject", claim("sub", "email:amir@demo.example"), appstore.ErrSubject},
		{"a typ of a plain JWT", func(_ *backend, s *signed) { s.header["typ"] = "JWT" }, appstore.ErrType},
		{"a crit header", func(_ *backend, s *signed) { s.header["crit"] = []string{"b64"} }, appstore.ErrCritical},
		{"an unknown kid", func(b *backend, s *signed) { s.kid, s.key = "unknown", b.issuer.key("ed") }, appstore.ErrKey},
		{"no kid", func(b *backend, s *signed) { s.kid, s.key = "", b.issuer.key("ed") }, appstore.ErrKey},
		{"a known kid over a strange key", func(_ *backend, s *signed) { s.key = crypto.Signer(strange) }, appstore.ErrSignature},
		{"alg none", func(_ *backend, s *signed) {
			s.method, s.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
		}, appstore.ErrAlgorithm},
		{"HS256 with the public key as the secret", func(b *backend, s *signed) {
			public, err := x509.MarshalPKIXPublicKey(b.issuer.key("ed").Public())
			if err != nil {
				b.t.Fatal(err)
			}
			s.method, s.key = jwt.SigningMethodHS256, public
		}, appstore.ErrAlgorithm},
		{"RS256", func(_ *backend, s *signed) { s.method, s.key = jwt.SigningMethodRS256, rsaKey }, appstore.ErrAlgorithm},
		{"ES256 under the kid of an Ed25519 key", func(b *backend, s *signed) {
			s.method, s.key = jwt.SigningMethodES256, b.issuer.key("p256")
		}, appstore.ErrAlgorithm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t)
			s := b.prepare(http.MethodPost, "/appstore/access_request", createBody)
			tt.change(b, s)
			b.sign(s)
			status, body := b.send(s.request)
			if got := detail(t, body); status != http.StatusUnauthorized || got != tt.want.Error() {
				t.Errorf("answered %d %q, want 401 %q", status, got, tt.want)
			}
			if got := b.server.Requests()[0].Refusal; got != tt.want.Error() {
				t.Errorf("recorded %q", got)
			}
		})
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	tests := []struct {
		name   string
		change func(http.Header)
		want   error
	}{
		{"no Authorization", func(h http.Header) { h.Del("Authorization") }, appstore.ErrNoToken},
		{"two Authorization headers", func(h http.Header) { h.Add("Authorization", h.Get("Authorization")) }, appstore.ErrNoToken},
		{"another scheme", func(h http.Header) { h.Set("Authorization", "Basic bWlhOm1pYQ==") }, appstore.ErrNoToken},
		{"an API key in place of a token", func(h http.Header) { h.Set("Authorization", "Bearer lsk_example") }, appstore.ErrMalformed},
		{"a cut token", func(h http.Header) {
			v := h.Get("Authorization")
			h.Set("Authorization", v[:strings.LastIndex(v, ".")])
		}, appstore.ErrMalformed},
		{"a changed payload", func(h http.Header) {
			parts := strings.Split(h.Get("Authorization"), ".")
			parts[1] = strings.Replace(parts[1], parts[1][10:14], "AAAA", 1)
			h.Set("Authorization", strings.Join(parts, "."))
		}, nil}, // malformed or wrongly signed, as the change falls
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t)
			s := b.prepare(http.MethodGet, "/users/current", "")
			b.sign(s)
			tt.change(s.request.Header)
			status, body := b.send(s.request)
			if status != http.StatusUnauthorized || (tt.want != nil && detail(t, body) != tt.want.Error()) {
				t.Errorf("answered %d %s", status, body)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	use := func(b *backend, jti string) (int, string) {
		status, body := b.do(http.MethodGet, "/users/current", "", jwt.MapClaims{"jti": jti})
		if status == http.StatusOK {
			return status, ""
		}
		return status, detail(b.t, body)
	}
	t.Run("a jti is refused for 2 minutes after its first use", func(t *testing.T) {
		b := start(t)
		use(b, "one")
		for range 4 {
			if status, text := use(b, "one"); status != http.StatusUnauthorized || text != appstore.ErrReplay.Error() {
				t.Errorf("answered %d %q at %s", status, text, b.clock.Now())
			}
			b.clock.Advance(30 * time.Second)
		}
	})
	t.Run("a jti is refused across the change of generations", func(t *testing.T) {
		b := start(t)
		b.clock.Advance(119 * time.Second)
		use(b, "late")
		b.clock.Advance(2 * time.Second)
		use(b, "next")
		if status, _ := use(b, "late"); status != http.StatusUnauthorized {
			t.Errorf("answered %d", status)
		}
	})
	t.Run("a jti is forgotten in the end", func(t *testing.T) {
		b := start(t)
		use(b, "one")
		b.clock.Advance(5 * time.Minute)
		if status, text := use(b, "one"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
	t.Run("a jti is taken again where reuse is allowed", func(t *testing.T) {
		b := start(t)
		b.server.SetAllowReuse(true)
		use(b, "one")
		if status, text := use(b, "one"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
	t.Run("a refused request uses no jti up", func(t *testing.T) {
		b := start(t)
		b.do(http.MethodGet, "/users/current", "", jwt.MapClaims{"jti": "one", "htm": "PUT"})
		if status, text := use(b, "one"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
}

func TestKeySet(t *testing.T) {
	call := func(b *backend, kid string) (int, string) {
		s := b.prepare(http.MethodGet, "/users/current", "")
		s.kid = kid
		if b.issuer.key(kid) == nil {
			s.key = b.issuer.key("ed")
		}
		b.sign(s)
		status, body := b.send(s.request)
		if status == http.StatusOK {
			return status, ""
		}
		return status, detail(b.t, body)
	}
	t.Run("is read once for many calls", func(t *testing.T) {
		b := start(t)
		for range 5 {
			if status, text := call(b, "ed"); status != http.StatusOK {
				t.Errorf("answered %d %q", status, text)
			}
		}
		if got := b.issuer.readCount(); got != 1 {
			t.Errorf("read %d times", got)
		}
	})
	t.Run("is read again for a new key after 2 seconds", func(t *testing.T) {
		b := start(t)
		call(b, "ed")
		b.issuer.addEd25519(t, "new")
		b.clock.Advance(2 * time.Second)
		if status, text := call(b, "new"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
	t.Run("is not read again for every made-up kid", func(t *testing.T) {
		b := start(t)
		for range 5 {
			call(b, "made-up")
		}
		if got := b.issuer.readCount(); got != 1 {
			t.Errorf("read %d times", got)
		}
	})
	t.Run("forgets a withdrawn key after 5 minutes", func(t *testing.T) {
		b := start(t)
		withdrawn := b.issuer.key("ed")
		call(b, "ed")
		b.issuer.remove("ed")
		b.clock.Advance(5 * time.Minute)
		s := b.prepare(http.MethodGet, "/users/current", "")
		s.key = withdrawn
		b.sign(s)
		if status, body := b.send(s.request); status != http.StatusUnauthorized || detail(t, body) != appstore.ErrKey.Error() {
			t.Errorf("answered %d %s", status, body)
		}
	})
	t.Run("keeps a known key while the issuer is down", func(t *testing.T) {
		b := start(t)
		call(b, "ed")
		b.issuer.setDown(true)
		b.clock.Advance(time.Hour)
		if status, text := call(b, "ed"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
	t.Run("that cannot be read refuses, and works once it can", func(t *testing.T) {
		b := start(t)
		b.issuer.setDown(true)
		if status, text := call(b, "ed"); status != http.StatusUnauthorized || !strings.HasPrefix(text, appstore.ErrKeySet.Error()) {
			t.Errorf("answered %d %q", status, text)
		}
		b.issuer.setDown(false)
		if status, text := call(b, "ed"); status != http.StatusOK {
			t.Errorf("answered %d %q", status, text)
		}
	})
}
