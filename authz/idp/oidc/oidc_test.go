package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewRefusesAnIssuerThatIsNotProtected(t *testing.T) {
	tests := []struct {
		name, issuer string
		ok           bool
	}{
		{"https is accepted", "https://acme.okta.com", true},
		{"https with a path is accepted", "https://login.example/tenant/v2.0", true},
		{"http on localhost is accepted", "http://localhost:9000", true},
		{"http on a loopback address is accepted", "http://127.0.0.1:9000", true},
		{"http elsewhere is refused", "http://acme.okta.com", false},
		{"http on a host that begins like localhost is refused", "http://localhost.evil.example", false},
		{"a query is refused", "https://acme.okta.com?x=1", false},
		{"a user is refused", "https://user@acme.okta.com", false},
		{"something else than a URL is refused", "acme.okta.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := oidc.New(oidc.Config{Issuer: tt.issuer, ClientID: clientID, RedirectURI: callback})
			if (err == nil) != tt.ok {
				t.Errorf("error %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func TestTheAuthorizationRequest(t *testing.T) {
	o := newOP(t)
	p := o.provider(t, nil)
	if n := o.discoveries.Load(); n != 0 {
		t.Errorf("%d discoveries before the first use", n)
	}
	got, err := p.AuthURL(t.Context(), idp.Request{State: "s&t", Nonce: nonce, Verifier: verifier, LoginHint: "ann@acme.com", ForceLogin: true})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, o.URL+"/authorize?") {
		t.Errorf("leads to %q", got)
	}
	want := map[string][]string{
		"client_id": {clientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile"},
		"state": {"s&t"}, "nonce": {nonce}, "login_hint": {"ann@acme.com"}, "prompt": {"login"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	if diff := cmp.Diff(want, map[string][]string(query(t, got))); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func TestAPersonIsTheOneOfTheIDToken(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		t.Run("signed with "+string(alg), func(t *testing.T) {
			o := newOP(t)
			o.use(t, alg)
			o.token = claims{"auth_time": o.clock.Now().Unix() - 10}
			got, err := exchange(t, o.provider(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			want := idp.Identity{
				Issuer: o.URL, Subject: "ann", Email: "ann@acme.com", Name: "Ann", EmailVerified: true,
				Groups: []string{"staff", "admins"}, AuthTime: o.clock.Now().Add(-10 * time.Second),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			r := o.requests[0]
			if r.Form.Get("code") != "the code" || r.Form.Get("code_verifier") != verifier || r.Form.Get("redirect_uri") != callback {
				t.Errorf("token request %v", r.Form)
			}
			if id, secret, _ := r.BasicAuth(); id != clientID || secret != "the+secret" { // form-encoded, RFC 6749 §2.3.1
				t.Errorf("client authentication %q %q", id, secret)
			}
		})
	}
}

func TestAnIDTokenThatIsNotBelieved(t *testing.T) {
	tests := []struct {
		name   string
		change claims
	}{
		{"of another issuer", claims{"iss": "https://evil.example"}},
		{"without an issuer", claims{"iss": nil}},
		{"for another audience", claims{"aud": "other"}},
		{"for several audiences without an authorized party", claims{"aud": []string{clientID, "other"}}},
		{"for several audiences with another authorized party", claims{"aud": []string{clientID, "other"}, "azp": "other"}},
		{"with another authorized party", claims{"azp": "other"}},
		{"with another nonce", claims{"nonce": "other"}},
		{"without a nonce", claims{"nonce": nil}},
		{"that expired more than a minute ago", claims{"exp": time.Date(2026, 11, 23, 8, 59, 0, 0, time.UTC).Unix()}},
		{"without an expiry", claims{"exp": nil}},
		{"issued more than a minute from now", claims{"iat": time.Date(2026, 11, 23, 9, 1, 1, 0, time.UTC).Unix()}},
		{"without a time of issue", claims{"iat": nil}},
		{"not valid for more than a minute from now", claims{"nbf": time.Date(2026, 11, 23, 9, 1, 1, 0, time.UTC).Unix()}},
		{"valid from a time that is no number", claims{"nbf": "soon"}},
		{"without a subject", claims{"sub": nil}},
		{"with an endless subject", claims{"sub": strings.Repeat("s", 256)}},
		{"with an endless address", claims{"email": strings.Repeat("a", 250) + "@acme.com"}},
		{"with an address that is no string", claims{"email": 7}},
		{"with a group's name longer than is read", claims{"groups": []string{strings.Repeat("g", 257)}}},
		{"with groups that are no strings", claims{"groups": []int{1}}},
		{"with a group claim that is an object", claims{"groups": claims{"a": 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.token = tt.change
			if id, err := exchange(t, o.provider(t, nil)); !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("got %+v, %v; want ErrInvalid", id, err)
			}
		})
	}
}

func TestANonceThatWasNotKeptIsNotMatchedByOneThatIsNotThere(t *testing.T) {
	o := newOP(t)
	o.token = claims{"nonce": nil}
	_, err := o.provider(t, nil).Exchange(t.Context(), idp.Response{Code: "c", Verifier: verifier})
	if !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func TestClaimsWithinTheirLimitsAreAccepted(t *testing.T) {
	tests := []struct {
		name   string
		change claims
		check  func(idp.Identity) bool
	}{
		{"several audiences with us as authorized party", claims{"aud": []string{clientID, "other"}, "azp": clientID}, func(idp.Identity) bool { return true }},
		{"a time of issue within a minute from now", claims{"iat": time.Date(2026, 11, 23, 9, 1, 0, 0, time.UTC).Unix()}, func(idp.Identity) bool { return true }},
		{"a start of validity within a minute from now", claims{"nbf": time.Date(2026, 11, 23, 9, 1, 0, 0, time.UTC).Unix()}, func(idp.Identity) bool { return true }},
		{"an end of validity within the last minute", claims{"exp": time.Date(2026, 11, 23, 8, 59, 1, 0, time.UTC).Unix()}, func(idp.Identity) bool { return true }},
		{"no groups", claims{"groups": nil}, func(i idp.Identity) bool { return i.Groups == nil }},
		{"one group as a string", claims{"groups": "staff"}, func(i idp.Identity) bool { return slices.Equal(i.Groups, []string{"staff"}) }},
		{"a name too long to be shown is left out", claims{"name": strings.Repeat("n", 201)}, func(i idp.Identity) bool { return i.Name == "" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.token = tt.change
			if id, err := exchange(t, o.provider(t, nil)); err != nil || !tt.check(id) {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
}

func TestWhenAnAddressCountsAsVerified(t *testing.T) {
	tests := []struct {
		name  string
		claim any
		trust bool
		want  bool
	}{
		{"the provider says true", true, false, true},
		{"the provider says true as a string", "true", false, true},
		{"the provider says false", false, false, false},
		{"the provider says false and the operator trusts it", false, true, false},
		{"the provider says something odd and the operator trusts it", "yes", true, false},
		{"the provider says nothing", nil, false, false},
		{"the provider says nothing and the operator trusts it", nil, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.token = claims{"email_verified": tt.claim}
			id, err := exchange(t, o.provider(t, func(c *oidc.Config) { c.TrustEmail = tt.trust }))
			if err != nil || id.EmailVerified != tt.want {
				t.Errorf("got %v, %v; want %v", id.EmailVerified, err, tt.want)
			}
		})
	}
}

func TestASignatureThatIsNotBelieved(t *testing.T) {
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name  string
		token func(t *testing.T, o *op) string
	}{
		{"alg none", func(_ *testing.T, o *op) string {
			_, rest, _ := strings.Cut(o.sign(), ".")
			payload, _, _ := strings.Cut(rest, ".")
			return b64(`{"alg":"none"}`) + "." + payload + "."
		}},
		{"a shared secret instead of a key", func(_ *testing.T, o *op) string {
			o.alg, o.key = jose.HS256, []byte(strings.Repeat("k", 32))
			return o.sign()
		}},
		{"an algorithm that is not on our list", func(_ *testing.T, o *op) string {
			o.alg = jose.RS512
			return o.sign()
		}},
		{"a key that the provider does not publish", func(t *testing.T, o *op) string {
			other, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			o.key = other
			return o.sign()
		}},
		{"a key id that the provider does not publish", func(_ *testing.T, o *op) string {
			o.kid = "k2"
			return o.sign()
		}},
		{"an RSA key that is too small", func(t *testing.T, o *op) string {
			small, err := rsa.GenerateKey(rand.Reader, 1024)
			if err != nil {
				t.Fatal(err)
			}
			o.key, o.keys[0].Key = small, small.Public()
			return o.sign()
		}},
		{"a key that is for encryption", func(_ *testing.T, o *op) string {
			o.keys[0].Use = "enc"
			return o.sign()
		}},
		{"a changed payload", func(_ *testing.T, o *op) string {
			parts := strings.Split(o.sign(), ".")
			return parts[0] + "." + b64(`{"sub":"root"}`) + "." + parts[2]
		}},
		{"no token at all", func(*testing.T, *op) string { return "" }},
		{"no token but text", func(*testing.T, *op) string { return "hello" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			raw := tt.token(t, o)
			o.answer = func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, claims{"access_token": "at", "token_type": "Bearer", "id_token": raw})
			}
			if id, err := exchange(t, o.provider(t, nil)); !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("got %+v, %v; want ErrInvalid", id, err)
			}
		})
	}
}

func TestTheIssOfTheAuthorizationResponse(t *testing.T) {
	tests := []struct {
		name      string
		announced bool
		iss       func(o *op) string
		ok        bool
	}{
		{"it may be missing where the provider does not promise it", false, func(*op) string { return "" }, true},
		{"it may not be missing where the provider promises it", true, func(*op) string { return "" }, false},
		{"the provider's own is accepted", true, func(o *op) string { return o.URL }, true},
		{"another issuer's is refused", true, func(*op) string { return "https://evil.example" }, false},
		{"another issuer's is refused even where nothing was promised", false, func(*op) string { return "https://evil.example" }, false},
		{"a slash makes another issuer", false, func(o *op) string { return o.URL + "/" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			o.meta = claims{"authorization_response_iss_parameter_supported": tt.announced}
			_, err := o.provider(t, nil).Exchange(t.Context(), idp.Response{Code: "c", Issuer: tt.iss(o), Nonce: nonce, Verifier: verifier})
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("error %v, want ok %v", err, tt.ok)
			}
			if !tt.ok && len(o.requests) != 0 {
				t.Error("the code was sent to the provider all the same")
			}
		})
	}
}

func TestWhatTheProviderSaysIsARefusalOrAFault(t *testing.T) {
	tests := []struct {
		name    string
		resp    idp.Response
		arrange func(o *op)
		want    error
	}{
		{"an error in the callback is a denial", idp.Response{Error: "access_denied"}, nil, idp.ErrDenied},
		{"an error of its own in the callback is a fault", idp.Response{Error: "temporarily_unavailable"}, nil, idp.ErrUnavailable},
		{"a callback without a code is not valid", idp.Response{}, nil, idp.ErrInvalid},
		{"a refused code is not valid", idp.Response{Code: "c"}, func(o *op) { o.answer = status(400, `{"error":"invalid_grant"}`) }, idp.ErrInvalid},
		{"refused client credentials are our fault and no denial", idp.Response{Code: "c"}, func(o *op) { o.answer = status(401, `{"error":"invalid_client"}`) }, idp.ErrUnavailable},
		{"a 5xx is a fault", idp.Response{Code: "c"}, func(o *op) { o.answer = status(502, "<html>") }, idp.ErrUnavailable},
		{"an answer without an ID token is not valid", idp.Response{Code: "c"}, func(o *op) { o.answer = status(200, `{"access_token":"a","token_type":"Bearer"}`) }, idp.ErrInvalid},
		{"an endless answer is a fault", idp.Response{Code: "c"}, func(o *op) { o.answer = status(200, string(large)) }, idp.ErrUnavailable},
		{"a redirect of the token endpoint is not followed", idp.Response{Code: "c"}, func(o *op) {
			o.answer = func(w http.ResponseWriter, r *http.Request) {
				if !r.URL.Query().Has("again") {
					http.Redirect(w, r, "/token?again", http.StatusTemporaryRedirect)
					return
				}
				writeJSON(w, claims{"access_token": "at", "token_type": "Bearer", "id_token": o.sign()})
			}
		}, idp.ErrUnavailable},
		{"keys that cannot be had are a fault and no forgery", idp.Response{Code: "c"}, func(o *op) { o.jwks = status(503, "") }, idp.ErrUnavailable},
		{"an endless key set is a fault", idp.Response{Code: "c"}, func(o *op) { o.jwks = status(200, string(large)) }, idp.ErrUnavailable},
		{"a key set with too many keys is a fault", idp.Response{Code: "c"}, func(o *op) {
			o.jwks = status(200, `{"keys":[`+strings.Repeat(`{},`, 100)+`{}]}`)
		}, idp.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOP(t)
			if tt.arrange != nil {
				tt.arrange(o)
			}
			tt.resp.Nonce, tt.resp.Verifier = nonce, verifier
			if _, err := o.provider(t, nil).Exchange(t.Context(), tt.resp); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestNoSecretIsInAnError(t *testing.T) {
	o := newOP(t)
	p := o.provider(t, nil)
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) { // a provider that tells everything
			status(400, `{"error":"invalid_grant","error_description":"`+r.Form.Get("code")+r.Header.Get("Authorization")+`"}`)(w, r)
		},
		func(w http.ResponseWriter, r *http.Request) { status(500, r.Form.Encode())(w, r) },
		func(w http.ResponseWriter, r *http.Request) { status(200, r.Form.Encode())(w, r) },
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		o.mu.Lock()
		o.answer = answer
		o.mu.Unlock()
		_, err := p.Exchange(t.Context(), idp.Response{Code: "code-4711", Nonce: nonce, Verifier: verifier})
		if err == nil {
			t.Fatal("no error")
		}
		for _, secret := range []string{"code-4711", verifier, "the secret", "the+secret", "Basic "} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds %q: %v", secret, err)
			}
		}
	}
}
