package assertion_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/httpsig"
)

// jwks publishes keys as the issuer does.
func jwks(tb testing.TB, published ...*keys) []byte {
	tb.Helper()
	var set jose.JSONWebKeySet
	for _, k := range published {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), KeyID: k.kid, Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func fixed(raw []byte) assertion.Source {
	return func(context.Context) ([]byte, error) { return raw, nil }
}

func newVerifier(tb testing.TB, source assertion.Source, now clock.Clock, change func(*assertion.VerifierConfig)) *assertion.Verifier {
	tb.Helper()
	replay, err := assertion.NewReplay(assertion.ReplayWindow)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := assertion.VerifierConfig{Issuer: issuer, Audience: audience, Keys: assertion.NewKeySet(source, now), Replay: replay, Clock: now}
	if change != nil {
		change(&cfg)
	}
	v, err := assertion.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

const body = `{"app_id":"a"}`

// arrived is the request of request() as a backend receives it.
func arrived(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://backend.internal/appstore/access_request?x=1", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestARequestOfTheSignerIsVerified(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		k := newKeys(t, alg)
		s, now := newSigner(t, k, alg)
		v := newVerifier(t, fixed(jwks(t, k)), now, nil)
		c, err := v.Verify(arrived(sign(t, s, request())), []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if c.Email != "ada@example.com" || c.DomainID != "example.com" || c.Subject != "user-1" || c.ClientID != "client-1" || c.Transaction != "txn-1" {
			t.Errorf("%s: claims %+v", alg, c)
		}
		read := request()
		read.Method, read.Path, read.Body = http.MethodGet, "/appstore/a%2Fb", nil
		if _, err := v.Verify(withToken(httptest.NewRequest(http.MethodGet, "/appstore/a%2Fb?q=1", nil), sign(t, s, read)), nil); err != nil {
			t.Errorf("%s: a read: %v", alg, err)
		}
	}
}

func withToken(r *http.Request, token string) *http.Request {
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// forged makes a token with a header and claims of the test's choice, signed by
// the real key.
func forged(tb testing.TB, k *keys, header, claims string) string {
	tb.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	signature, err := k.key.Sign(nil, []byte(text), crypto.Hash(0))
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + encode(signature)
}

const goodHeader = `{"alg":"EdDSA","kid":"key-1","typ":"at+jwt"}`

// claimsWith returns the claims of request() with one of them replaced.
func claimsWith(tb testing.TB, replace ...string) string {
	tb.Helper()
	text := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"user-1","email":"ada@example.com","domain_id":"example.com","txn":"t","jti":"j-1","iat":%d,"exp":%d,"htm":"POST","htu":%q,"content_digest":%q}`,
		issuer, audience, start.Unix(), start.Unix()+60, audience+"/appstore/access_request", assertion.ContentDigest([]byte(body)))
	for i := 0; i < len(replace); i += 2 {
		changed := strings.Replace(text, replace[i], replace[i+1], 1)
		if changed == text {
			tb.Fatalf("%s is not in the claims", replace[i])
		}
		text = changed
	}
	return text
}

func TestARequestThatIsNotExactlyTheSignedOneIsRefused(t *testing.T) {
	t.Parallel()
	k, foreign := newKeys(t, assertion.EdDSA), newKeys(t, assertion.EdDSA)
	es := newKeys(t, assertion.ES256)
	es.kid = "es"
	set := jwks(t, k, es)
	good := forged(t, k, goodHeader, claimsWith(t))
	parts := strings.Split(good, ".")
	secret := hmac.New(sha256.New, set)
	hs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"key-1","typ":"at+jwt"}`)) + "." + parts[1]
	_, _ = secret.Write([]byte(hs))
	mutate := func(s string) string { return s[:len(s)-10] + strings.Repeat("A", 10) }
	second := func(n time.Duration) string { return fmt.Sprint(start.Add(n).Unix()) }
	iat := `"iat":` + second(0)
	exp := `"exp":` + second(time.Minute)

	tests := []struct {
		name   string
		token  string
		change func(*http.Request)
		body   string
		want   error
	}{
		{"no token", "", nil, body, assertion.ErrNoToken},
		{"another scheme", good, func(r *http.Request) { r.Header.Set("Authorization", "Basic "+good) }, body, assertion.ErrToken},
		{"two tokens", good, func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+good) }, body, assertion.ErrToken},
		{"an endless token", strings.Repeat("a", 9000), nil, body, assertion.ErrToken},
		{"not a JWT", "lma_abc", nil, body, assertion.ErrMalformed},
		{"no signature", parts[0] + "." + parts[1] + ".", nil, body, assertion.ErrBadSignature},
		{"another signature", mutate(good), nil, body, assertion.ErrBadSignature},
		{"a key of somebody else under our id", forged(t, foreign, goodHeader, claimsWith(t)), nil, body, assertion.ErrBadSignature},
		{"alg none", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"key-1","typ":"at+jwt"}`)) + "." + parts[1] + ".", nil, body, assertion.ErrBadSignature},
		{"a shared secret made of the public keys", hs + "." + base64.RawURLEncoding.EncodeToString(secret.Sum(nil)), nil, body, assertion.ErrBadSignature},
		{"the id of a key for another algorithm", forged(t, k, `{"alg":"EdDSA","kid":"es","typ":"at+jwt"}`, claimsWith(t)), nil, body, assertion.ErrAlgorithm},
		{"an unknown key id", forged(t, k, `{"alg":"EdDSA","kid":"nobody","typ":"at+jwt"}`, claimsWith(t)), nil, body, assertion.ErrUnknownKey},
		{"no key id", forged(t, k, `{"alg":"EdDSA","typ":"at+jwt"}`, claimsWith(t)), nil, body, assertion.ErrUnknownKey},
		{"another kind of JWT", forged(t, k, `{"alg":"EdDSA","kid":"key-1","typ":"JWT"}`, claimsWith(t)), nil, body, assertion.ErrType},
		{"no type", forged(t, k, `{"alg":"EdDSA","kid":"key-1"}`, claimsWith(t)), nil, body, assertion.ErrType},
		{"a critical extension", forged(t, k, `{"alg":"EdDSA","kid":"key-1","typ":"at+jwt","crit":["b64"]}`, claimsWith(t)), nil, body, assertion.ErrCritical},
		{"another issuer", forged(t, k, goodHeader, claimsWith(t, issuer, issuer+"/")), nil, body, assertion.ErrIssuer},
		{"another audience", forged(t, k, goodHeader, claimsWith(t, `"aud":"`+audience, `"aud":"https://other.example`)), nil, body, assertion.ErrAudience},
		{"an audience of several", forged(t, k, goodHeader, claimsWith(t, `"aud":"`+audience+`"`, `"aud":["`+audience+`","x"]`)), nil, body, assertion.ErrMalformed},
		{"a claim twice", forged(t, k, goodHeader, claimsWith(t, `"sub":"user-1"`, `"sub":"user-1","sub":"root"`)), nil, body, assertion.ErrMalformed},
		{"expired, beyond the skew", forged(t, k, goodHeader, claimsWith(t, iat, `"iat":`+second(-91*time.Second), exp, `"exp":`+second(-31*time.Second))), nil, body, assertion.ErrExpired},
		{"from the future, beyond the skew", forged(t, k, goodHeader, claimsWith(t, iat, `"iat":`+second(32*time.Second), exp, `"exp":`+second(92*time.Second))), nil, body, assertion.ErrNotYet},
		{"good for too long", forged(t, k, goodHeader, claimsWith(t, exp, `"exp":`+second(61*time.Second))), nil, body, assertion.ErrLifetime},
		{"without an end", forged(t, k, goodHeader, claimsWith(t, `,`+exp, ``)), nil, body, assertion.ErrMissingClaim},
		{"without a beginning", forged(t, k, goodHeader, claimsWith(t, iat+`,`, ``)), nil, body, assertion.ErrMissingClaim},
		{"without an id", forged(t, k, goodHeader, claimsWith(t, `"jti":"j-1",`, ``)), nil, body, assertion.ErrMissingClaim},
		{"without a person", forged(t, k, goodHeader, claimsWith(t, `"sub":"user-1",`, ``)), nil, body, assertion.ErrMissingClaim},
		{"without a domain", forged(t, k, goodHeader, claimsWith(t, `"domain_id":"example.com",`, ``)), nil, body, assertion.ErrMissingClaim},
		{"another method", good, func(r *http.Request) { r.Method = http.MethodPut }, body, assertion.ErrMethod},
		{"another path", good, func(r *http.Request) { r.URL.Path = "/appstore/apps" }, body, assertion.ErrURL},
		{"the path in another spelling", good, func(r *http.Request) { r.URL.RawPath = "/appstore/access%5Frequest" }, body, assertion.ErrURL},
		{"another body", good, nil, body + " ", assertion.ErrDigest},
		{"no body", good, nil, "", assertion.ErrDigest},
		{"a body that was not signed", forged(t, k, goodHeader, claimsWith(t, `,"content_digest":"`+assertion.ContentDigest([]byte(body))+`"`, ``)), nil, body, assertion.ErrDigest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := clock.NewFake(start)
			v := newVerifier(t, fixed(set), now, nil)
			r := arrived(tt.token)
			if tt.change != nil {
				tt.change(r)
			}
			c, err := v.Verify(r, []byte(tt.body))
			if !errors.Is(err, tt.want) || c != nil {
				t.Fatalf("Verify = %v, %v; want %v", c, err, tt.want)
			}
			if tt.token != "" && strings.Contains(err.Error(), tt.token) {
				t.Error("the error holds the token")
			}
			// What was refused has used nothing up.
			if _, err := v.Verify(arrived(good), []byte(body)); err != nil {
				t.Errorf("the good request afterwards: %v", err)
			}
		})
	}
}

func TestClocksMayDifferByTheSkew(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	good := forged(t, k, goodHeader, claimsWith(t))
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{
		{-30 * time.Second, nil}, {-32 * time.Second, assertion.ErrNotYet},
		{88 * time.Second, nil}, {91 * time.Second, assertion.ErrExpired},
	} {
		now := clock.NewFake(start.Add(tt.after))
		if _, err := newVerifier(t, fixed(jwks(t, k)), now, nil).Verify(arrived(good), []byte(body)); !errors.Is(err, tt.want) {
			t.Errorf("%v after it was made: %v, want %v", tt.after, err, tt.want)
		}
	}
}

func TestAnAssertionIsAcceptedOnceInItsLife(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	s, now := newSigner(t, k, assertion.EdDSA)
	v := newVerifier(t, fixed(jwks(t, k)), now, nil)
	now.Advance(-assertion.Skew) // the verifier's clock is behind: the longest life
	token := forged(t, k, goodHeader, claimsWith(t))
	accepted := 0
	for range int((assertion.ReplayWindow + time.Minute) / time.Second) {
		if _, err := v.Verify(arrived(token), []byte(body)); err == nil {
			accepted++
		}
		now.Advance(time.Second)
	}
	if accepted != 1 {
		t.Errorf("accepted %d times", accepted)
	}

	var group sync.WaitGroup
	var once atomic.Int32
	token = sign(t, s, request())
	for range 32 {
		group.Go(func() {
			if _, err := v.Verify(arrived(token), []byte(body)); err == nil {
				once.Add(1)
			}
		})
	}
	group.Wait()
	if once.Load() != 1 {
		t.Errorf("at one time accepted %d times", once.Load())
	}

	reuse := newVerifier(t, fixed(jwks(t, k)), now, func(c *assertion.VerifierConfig) { c.Replay = nil })
	for range 2 {
		if _, err := reuse.Verify(arrived(token), []byte(body)); err != nil {
			t.Errorf("without a memory: %v", err)
		}
	}
	if _, err := assertion.NewReplay(assertion.ReplayWindow - time.Second); err == nil {
		t.Error("a memory shorter than an assertion's life was accepted")
	}
}

// withMessage signs a request as package backend does.
func withMessage(tb testing.TB, k *keys, s *assertion.Signer, alg string, components []string, change func(*httpsig.Params)) *http.Request {
	tb.Helper()
	issued, err := s.Issue(request())
	if err != nil {
		tb.Fatal(err)
	}
	r := arrived(issued.Token)
	r.Header.Set("Content-Digest", assertion.ContentDigest([]byte(body)))
	p := httpsig.Params{Created: issued.Created, Expires: issued.Expires, Nonce: issued.ID, KeyID: k.kid, Alg: assertion.MessageAlgorithm(alg), Tag: assertion.MessageTag}
	if change != nil {
		change(&p)
	}
	if err := httpsig.Sign(r, "x", components, p, k.key); err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestARequiredMessageSignatureMustCoverEverything(t *testing.T) {
	t.Parallel()
	all := assertion.MessageComponents(true)
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		k := newKeys(t, alg)
		s, now := newSigner(t, k, alg)
		v := newVerifier(t, fixed(jwks(t, k)), now, func(c *assertion.VerifierConfig) { c.RequireMessage = true })
		if _, err := v.Verify(withMessage(t, k, s, alg, all, nil), []byte(body)); err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		for name, r := range map[string]*http.Request{
			"none":                            arrived(sign(t, s, request())),
			"one that leaves the query open":  withMessage(t, k, s, alg, []string{"@method", "@path", "authorization", "content-digest", "content-type"}, nil),
			"one that leaves the person open": withMessage(t, k, s, alg, []string{"@method", "@path", "@query", "content-digest", "content-type"}, nil),
			"one that leaves the body open":   withMessage(t, k, s, alg, []string{"@method", "@path", "@query", "authorization"}, nil),
			"one for somebody else":           withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Tag = "other" }),
			"one of another assertion":        withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Nonce = "other" }),
			"one without a nonce":             withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Nonce = "" }),
			"one without a key id":            withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.KeyID = "" }),
			"an old one":                      withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Expires = start.Add(-time.Minute) }),
			"one from the future":             withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Created = start.Add(40 * time.Second) }),
			"one without an end":              withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Expires = time.Time{} }),
			"one that is good for an hour":    withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.Expires = start.Add(time.Hour) }),
			"another query":                   edited(withMessage(t, k, s, alg, all, nil), func(r *http.Request) { r.URL.RawQuery = "x=2" }),
			"another digest": edited(withMessage(t, k, s, alg, all, nil), func(r *http.Request) {
				r.Header.Set("Content-Digest", assertion.ContentDigest([]byte("other")))
			}),
		} {
			if _, err := v.Verify(r, []byte(body)); !errors.Is(err, assertion.ErrMessage) {
				t.Errorf("%s: %s: %v", alg, name, err)
			}
		}
		if _, err := v.Verify(withMessage(t, k, s, alg, all, func(p *httpsig.Params) { p.KeyID = "nobody" }), []byte(body)); !errors.Is(err, assertion.ErrUnknownKey) {
			t.Errorf("%s: an unknown key: %v", alg, err)
		}
	}
}

func edited(r *http.Request, change func(*http.Request)) *http.Request {
	change(r)
	return r
}

// issuerKeys is a source with faults to order.
type issuerKeys struct {
	mu    sync.Mutex
	raw   []byte
	err   error
	asked int
}

func (i *issuerKeys) read(context.Context) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	return i.raw, i.err
}

func (i *issuerKeys) set(raw []byte, err error) (asked int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	asked, i.asked = i.asked, 0
	i.raw, i.err = raw, err
	return asked
}

func TestTheKeySetIsAskedForRarelyAndKeptWhenTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	first, second := newKeys(t, assertion.EdDSA), newKeys(t, assertion.ES256)
	second.kid = "key-2"
	away := errors.New("connection refused")
	now := clock.NewFake(start)
	from := &issuerKeys{err: away}
	set := assertion.NewKeySet(from.read, now)
	find := func(kid string, want error) {
		t.Helper()
		if _, _, err := set.PublicKey(t.Context(), kid); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", kid, err, want)
		}
	}
	for range 10 {
		find("key-1", assertion.ErrUnavailable)
	}
	if asked := from.set(jwks(t, first), nil); asked != 1 {
		t.Errorf("an issuer that is away was asked %d times at once", asked)
	}
	now.Advance(5 * time.Second)
	find("key-1", nil)
	for range 10 {
		find("made-up", assertion.ErrUnknownKey)
	}
	if asked := from.set(jwks(t, first, second), nil); asked != 1 {
		t.Errorf("asked %d times for unknown keys", asked)
	}
	find("key-2", assertion.ErrUnknownKey) // not a minute yet
	now.Advance(time.Minute)
	find("key-2", nil)
	if asked := from.set(nil, away); asked != 1 {
		t.Errorf("asked %d times for a new key", asked)
	}
	now.Advance(time.Hour)
	find("key-1", nil)
	find("key-2", nil)
	find("made-up", assertion.ErrUnavailable) // it may be a new one
	for name, raw := range map[string]string{"no JSON": "<html>", "no keys": `{"keys":[]}`, "keys of another kind": `{"keys":[{"kty":"oct","kid":"key-1","k":"AAAA"}]}`, "too many": `{"keys":[` + strings.Repeat("{},", 200) + `{}]}`} {
		from.set([]byte(raw), nil)
		now.Advance(time.Hour)
		find("made-up", assertion.ErrUnavailable)
		if alg, _, err := set.PublicKey(t.Context(), "key-2"); err != nil || alg != assertion.ES256 {
			t.Errorf("%s: the last good key: %q, %v", name, alg, err)
		}
	}
	// A key that the issuer withdrew stops working.
	from.set(jwks(t, second), nil)
	now.Advance(time.Hour)
	find("made-up", assertion.ErrUnknownKey)
	find("key-1", assertion.ErrUnknownKey)
	find("key-2", nil)
}

func TestManyRequestsAskForTheKeysOnce(t *testing.T) {
	t.Parallel()
	k := newKeys(t, assertion.EdDSA)
	release := make(chan struct{})
	var asked atomic.Int32
	set := assertion.NewKeySet(func(context.Context) ([]byte, error) {
		asked.Add(1)
		<-release
		return jwks(t, k), nil
	}, clock.NewFake(start))
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, _, err := set.PublicKey(context.Background(), "key-1"); err != nil {
				t.Error(err)
			}
		})
	}
	// One that does not want to wait is told that nothing is known.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := set.PublicKey(ctx, "key-1"); !errors.Is(err, assertion.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	close(release)
	group.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestSourcesAreBoundedAndFollowNoRedirect(t *testing.T) {
	t.Parallel()
	good := jwks(t, newKeys(t, assertion.EdDSA))
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) })
	mux.Handle("/away", http.RedirectHandler("/good", http.StatusFound))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for path, ok := range map[string]bool{"/good": true, "/long": false, "/away": false, "/nowhere": false} {
		raw, err := assertion.FromURL(srv.URL+path, srv.Client())(t.Context())
		if (err == nil) != ok || ok && string(raw) != string(good) {
			t.Errorf("%s: %q, %v", path, raw, err)
		}
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if raw, err := assertion.FromFile(file)(t.Context()); err != nil || string(raw) != string(good) {
		t.Errorf("file: %q, %v", raw, err)
	}
	if _, err := assertion.FromFile(file + "x")(t.Context()); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestAVerifierNeedsItsSettings(t *testing.T) {
	t.Parallel()
	set := assertion.NewKeySet(fixed(nil), clock.System)
	for name, cfg := range map[string]assertion.VerifierConfig{
		"no issuer":                {Audience: audience, Keys: set},
		"no audience":              {Issuer: issuer, Keys: set},
		"no keys":                  {Issuer: issuer, Audience: audience},
		"an audience with a slash": {Issuer: issuer, Audience: audience + "/", Keys: set},
	} {
		if _, err := assertion.NewVerifier(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := newKeys(f, assertion.EdDSA)
	v := newVerifier(f, fixed(jwks(f, k)), clock.NewFake(start), nil)
	f.Add("Bearer "+forged(f, k, goodHeader, claimsWith(f)), "x")
	f.Add("Bearer a.b.c", "")
	good := "Bearer " + forged(f, k, goodHeader, claimsWith(f))
	f.Fuzz(func(t *testing.T, authorization, sent string) {
		r := arrived("")
		r.Header["Authorization"] = []string{authorization}
		c, err := v.Verify(r, []byte(sent))
		if (c == nil) == (err == nil) {
			t.Fatalf("Verify = %v, %v", c, err)
		}
		if err == nil && (authorization[7:] != good[7:] || sent != body) {
			t.Errorf("%q with %q was accepted", authorization, sent)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{assertion.EdDSA, assertion.ES256} {
		b.Run(alg, func(b *testing.B) {
			k := newKeys(b, alg)
			s, now := newSigner(b, k, alg)
			v := newVerifier(b, fixed(jwks(b, k)), now, func(c *assertion.VerifierConfig) { c.Replay = nil })
			r := arrived(sign(b, s, request()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, []byte(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
