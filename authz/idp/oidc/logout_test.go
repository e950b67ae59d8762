package oidc_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken makes a logout token like those of the specification, with changes
// of its claims; nil values leave a claim out. An empty typ leaves typ out.
func (o *op) logoutToken(t testing.TB, typ string, change claims) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	return signed(t, jose.SigningKey{Algorithm: o.alg, Key: jose.JSONWebKey{Key: o.key, KeyID: o.kid}}, typ, o.logoutClaims(change))
}

func (o *op) logoutClaims(change claims) claims {
	now := o.clock.Now().Unix()
	return merge(claims{
		"iss": o.URL, "sub": "ann", "aud": clientID, "iat": now, "exp": now + 120, "jti": "j1", "sid": "s1",
		"events": claims{logoutEvent: claims{}},
	}, change)
}

func signed(t testing.TB, key jose.SigningKey, typ string, body claims) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestALogoutTokenIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		typ    string
		change claims
		want   idp.Logout
		life   time.Duration
	}{
		"as the specification has it":    {"logout+jwt", nil, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"with the media type in full":    {"application/logout+jwt", nil, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"of a provider without typ":      {"", nil, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"of an older provider":           {"JWT", claims{"exp": nil}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 10 * time.Minute},
		"of a person alone":              {"logout+jwt", claims{"sid": nil}, idp.Logout{Subject: "ann", TokenID: "j1"}, 3 * time.Minute},
		"of a session alone":             {"logout+jwt", claims{"sub": nil}, idp.Logout{Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"for several audiences":          {"logout+jwt", claims{"aud": []string{"other", clientID}}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"with claims of other worlds":    {"logout+jwt", claims{"trace": 7, "events": claims{logoutEvent: claims{"x": 1}, "urn:other": 1}}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 3 * time.Minute},
		"with an end that is far away":   {"logout+jwt", claims{"exp": 4102444800}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 10 * time.Minute},
		"with a fraction in its times":   {"logout+jwt", claims{"exp": nil, "iat": 1795424400.5}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 10*time.Minute + 500*time.Millisecond},
		"of a clock a minute ahead":      {"logout+jwt", claims{"exp": nil, "iat": 1795424460}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, 11 * time.Minute},
		"that ended within a minute":     {"logout+jwt", claims{"exp": 1795424400 - 59}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, time.Second},
		"nine minutes after it was made": {"logout+jwt", claims{"exp": nil, "iat": 1795424400 - 540}, idp.Logout{Subject: "ann", Session: "s1", TokenID: "j1"}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			if o.clock.Now().Unix() != 1795424400 {
				t.Fatalf("the clock shows %d", o.clock.Now().Unix())
			}
			got, err := o.provider(t, nil).ReadLogout(t.Context(), o.logoutToken(t, c.typ, c.change))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.Until = o.URL, o.clock.Now().Add(c.life)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALogoutTokenIsRefused(t *testing.T) {
	const now = 1795424400
	for name, c := range map[string]struct {
		typ    string
		change claims
	}{
		"of another type":                     {"at+jwt", nil},
		"typed as another event":              {"secevent+jwt", nil},
		"of another issuer":                   {"logout+jwt", claims{"iss": "https://other.example"}},
		"without issuer":                      {"logout+jwt", claims{"iss": nil}},
		"for another client":                  {"logout+jwt", claims{"aud": "other"}},
		"without audience":                    {"logout+jwt", claims{"aud": nil}},
		"without events":                      {"logout+jwt", claims{"events": nil}},
		"with events that are no object":      {"logout+jwt", claims{"events": []string{logoutEvent}}},
		"of another event":                    {"logout+jwt", claims{"events": claims{"http://schemas.openid.net/event/other": claims{}}}},
		"with an event that is no object":     {"logout+jwt", claims{"events": claims{logoutEvent: true}}},
		"with an event that is null":          {"logout+jwt", claims{"events": claims{logoutEvent: nil}}},
		"with a nonce":                        {"logout+jwt", claims{"nonce": "n"}},
		"with a nonce that is empty":          {"logout+jwt", claims{"nonce": ""}},
		"without jti":                         {"logout+jwt", claims{"jti": nil}},
		"with an empty jti":                   {"logout+jwt", claims{"jti": ""}},
		"with a jti without end":              {"logout+jwt", claims{"jti": strings.Repeat("j", 600)}},
		"without iat":                         {"logout+jwt", claims{"iat": nil}},
		"with an iat that is text":            {"logout+jwt", claims{"iat": "yesterday"}},
		"issued in the future":                {"logout+jwt", claims{"iat": now + 61, "exp": now + 600}},
		"expired":                             {"logout+jwt", claims{"exp": now - 60}},
		"expired by its age":                  {"logout+jwt", claims{"iat": now - 600, "exp": now + 600}},
		"with an exp that is text":            {"logout+jwt", claims{"exp": "never"}},
		"with an exp that is negative":        {"logout+jwt", claims{"exp": -1}},
		"naming neither a person nor session": {"logout+jwt", claims{"sub": nil, "sid": nil}},
		"with a sub that is a list":           {"logout+jwt", claims{"sub": []string{"ann"}}},
		"with a sub without end":              {"logout+jwt", claims{"sub": strings.Repeat("s", 300)}},
		"with a sid without end":              {"logout+jwt", claims{"sid": strings.Repeat("s", 600)}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			wantInvalidLogout(t, o, o.logoutToken(t, c.typ, c.change))
		})
	}
}

func wantInvalidLogout(t *testing.T, o *op, token string) {
	t.Helper()
	got, err := o.provider(t, nil).ReadLogout(t.Context(), token)
	if !errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrUnavailable) || got != (idp.Logout{}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if token != "" && strings.Contains(err.Error(), token) {
		t.Error("the error holds the token")
	}
}

func TestALogoutTokenIsSignedByTheProvidersKeys(t *testing.T) {
	o := newOP(t)
	public, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	asText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := o.logoutToken(t, "logout+jwt", nil)
	parts := strings.Split(good, ".")
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	stranger := newOP(t)
	stranger.use(t, jose.ES256)
	for name, token := range map[string]string{
		"alg none":                              part(claims{"alg": "none", "typ": "logout+jwt"}) + "." + parts[1] + ".",
		"alg None":                              part(claims{"alg": "None"}) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key as PEM":      signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: asText}, "logout+jwt", o.logoutClaims(nil)),
		"HS256 with the public key as DER":      signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: public}, "logout+jwt", o.logoutClaims(nil)),
		"another key under the same id":         signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger.key, KeyID: o.kid}}, "logout+jwt", o.logoutClaims(nil)),
		"another payload under the signature":   parts[0] + "." + part(o.logoutClaims(claims{"sub": "bob"})) + "." + parts[2],
		"a critical header":                     part(claims{"alg": "RS256", "crit": []string{"x"}, "x": 1}) + "." + parts[1] + "." + parts[2],
		"no signature":                          parts[0] + "." + parts[1] + ".",
		"two parts":                             parts[0] + "." + parts[1],
		"an encrypted one":                      good + ".a.b",
		"the JSON serialization":                `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"nothing":                               "",
		"a header nested a thousand times deep": base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 1000))) + "." + parts[1] + "." + parts[2],
		"one without end":                       good + strings.Repeat("A", 20000),
	} {
		t.Run(name, func(t *testing.T) { wantInvalidLogout(t, o, token) })
	}
	if _, err := o.provider(t, nil).ReadLogout(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestAnIDTokenIsNoLogoutToken(t *testing.T) {
	o := newOP(t)
	o.mu.Lock()
	token := o.sign()
	o.mu.Unlock()
	wantInvalidLogout(t, o, token)
}

func TestALogoutTokenIsNoIDToken(t *testing.T) {
	o := newOP(t)
	token := o.logoutToken(t, "logout+jwt", nil)
	o.answer = func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, claims{"access_token": "at", "token_type": "Bearer", "id_token": token})
	}
	if _, err := exchange(t, o.provider(t, nil)); !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("signed in by a logout token: %v", err)
	}
}

func TestAProviderThatIsDownIsNoBadLogoutToken(t *testing.T) {
	for name, breakIt := range map[string]func(*op){
		"discovery": func(o *op) { o.down.Store(1000) },
		"keys":      func(o *op) { o.jwks = status(http.StatusServiceUnavailable, "{}") },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			breakIt(o)
			_, err := o.provider(t, nil).ReadLogout(t.Context(), o.logoutToken(t, "logout+jwt", nil))
			if !errors.Is(err, idp.ErrUnavailable) || errors.Is(err, idp.ErrInvalid) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAStrangersTokenFetchesNothing(t *testing.T) {
	o := newOP(t)
	p := o.provider(t, nil)
	for _, token := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("x", 20000)} {
		if _, err := p.ReadLogout(t.Context(), token); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%.20q: %v", token, err)
		}
	}
	if n := o.discoveries.Load() + o.keyFetches.Load(); n != 0 {
		t.Errorf("%d requests to the provider", n)
	}
}

func TestTheSessionOfASignInIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		sid  any
		want string
	}{
		"said":        {"s1", "s1"},
		"not said":    {nil, ""},
		"a number":    {7, ""},
		"without end": {strings.Repeat("s", 600), ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t)
			o.token = claims{"sid": c.sid}
			id, err := exchange(t, o.provider(t, nil))
			if err != nil || id.Session != c.want {
				t.Errorf("%q, %v", id.Session, err)
			}
		})
	}
}

func FuzzLogoutToken(f *testing.F) {
	for _, seed := range [][2]string{
		{"eyJhbGciOiJSUzI1NiIsInR5cCI6ImxvZ291dCtqd3QifQ.e30.c2ln", `{"sub":"ann","jti":"j","iat":1795424400,"events":{"` + logoutEvent + `":{}}}`},
		{"eyJhbGciOiJub25lIn0.e30.", `{"sid":"s","jti":"j","iat":1795424400,"exp":1795510920,"events":{"` + logoutEvent + `":{}},"nonce":null}`},
		{"..", `{"iat":1e400}`},
		{"W1tb.e30.c2ln", `{"iat":"1795424400","events":{"` + logoutEvent + `":[]}}`},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	now := time.Unix(1795424400, 0)
	f.Fuzz(func(t *testing.T, token string, payload []byte) {
		if oidc.CheckLogoutHeader(token) == nil && (len(token) > oidc.MaxLogoutToken || strings.Count(token, ".") != 2) {
			t.Errorf("a header was accepted of %q", token)
		}
		got, err := oidc.ReadLogoutClaims(payload, now)
		if err != nil {
			if got != (idp.Logout{}) {
				t.Errorf("%+v with %v", got, err)
			}
			return
		}
		if got.TokenID == "" || got.Subject == "" && got.Session == "" || !got.Until.After(now) || got.Until.After(now.Add(11*time.Minute)) {
			t.Errorf("accepted as %+v: %s", got, payload)
		}
		if !strings.Contains(string(payload), "events") && !strings.Contains(strings.ToLower(string(payload)), "event") && !strings.Contains(string(payload), `\u`) {
			t.Errorf("accepted without events: %s", payload)
		}
	})
}
