package hostile_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/idp"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// logout posts a logout token to the gateway.
func (w *world) logout(t testing.TB, domain, token string) assistant.Answer {
	t.Helper()
	return w.send(t, http.MethodPost, w.issuer+"/backchannel-logout/"+domain, form("logout_token", token), "Content-Type", formType)
}

func (w *world) logoutToken(t testing.TB, l idp.Logout) string {
	t.Helper()
	return must(t, func() (string, error) { return w.Stack.IdP.LogoutToken(l) })
}

// TestLogoutTokens sends every bad logout token at the endpoint: none may end
// anything. Then the good one ends it, once.
func TestLogoutTokens(t *testing.T) {
	w := start(t)
	a := w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	member := w.Stack.User("member")
	session := w.Stack.IdP.Session(member.Subject)
	now := time.Now().Unix()

	// The provider of another customer, whose keys are good for its own.
	foreign := must(t, func() (*idp.Server, error) {
		return idp.Start(t.Context(), idp.Config{ClientID: stack.IdPClientID, ClientSecret: "x"})
	})
	defer func() { _ = foreign.Close() }()

	change := func(claims map[string]any) string {
		return w.logoutToken(t, idp.Logout{Subject: member.Subject, Session: session, Change: claims})
	}
	header := func(members map[string]any) string {
		return w.logoutToken(t, idp.Logout{Subject: member.Subject, Header: members})
	}
	good := w.logoutToken(t, idp.Logout{Subject: member.Subject, Session: session})
	parts := strings.Split(good, ".")
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	public, err := x509.MarshalPKIXPublicKey(w.Stack.IdP.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(key []byte) string {
		payload := must(t, func() ([]byte, error) { return w.Stack.IdP.LogoutClaims(idp.Logout{Subject: member.Subject}) })
		signer := must(t, func() (jose.Signer, error) {
			return jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, (&jose.SignerOptions{}).WithType("logout+jwt"))
		})
		return must(t, func() (string, error) {
			signed, err := signer.Sign(payload)
			if err != nil {
				return "", err
			}
			return signed.CompactSerialize()
		})
	}
	event := func(name string, value any) map[string]any {
		return map[string]any{"events": map[string]any{name: value}}
	}
	for name, token := range map[string]string{
		"of another type":                       header(map[string]any{"typ": "at+jwt"}),
		"typed as an ID token of another kind":  header(map[string]any{"typ": "id+jwt"}),
		"alg none":                              part(`{"alg":"none","typ":"logout+jwt"}`) + "." + parts[1] + ".",
		"alg none, in capitals":                 part(`{"alg":"NONE"}`) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key as PEM":      hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"HS256 with the public key as DER":      hmac(public),
		"HS256 with our secret at the provider": hmac([]byte("demo-identity-provider-secret---")),
		"of another issuer":                     change(map[string]any{"iss": "https://evil.example"}),
		"of our own issuer":                     change(map[string]any{"iss": w.issuer}),
		"for another client":                    change(map[string]any{"aud": "another-client"}),
		"for nobody":                            change(map[string]any{"aud": []string{}}),
		"without events":                        change(map[string]any{"events": nil}),
		"of another event":                      change(event("http://schemas.openid.net/event/other", map[string]any{})),
		"of an event that is text":              change(event("http://schemas.openid.net/event/backchannel-logout", "yes")),
		"with a nonce":                          change(map[string]any{"nonce": "n"}),
		"without jti":                           change(map[string]any{"jti": nil}),
		"expired":                               change(map[string]any{"exp": now - 61}),
		"ten minutes old":                       change(map[string]any{"iat": now - 601, "exp": now + 3600}),
		"of the future":                         change(map[string]any{"iat": now + 120, "exp": now + 240}),
		"of nobody and no session":              change(map[string]any{"sub": nil, "sid": nil}),
		"of another customer's provider":        must(t, func() (string, error) { return foreign.LogoutToken(idp.Logout{Subject: member.Subject}) }),
		"of another's, which calls itself ours": must(t, func() (string, error) {
			return foreign.LogoutToken(idp.Logout{Subject: member.Subject, Change: map[string]any{"iss": w.Stack.IdP.Issuer()}})
		}),
		"about another, under a good signature": parts[0] + "." + part(`{"sub":"x"}`) + "." + parts[2],
		"that is an access token":               tokens.AccessToken,
		"that is no token":                      "hello",
		"with a NUL":                            good + "\x00",
		"that is very long":                     good + strings.Repeat("A", 17<<10),
		"that brings its own key":               header(map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}, "typ": "x"}),
	} {
		t.Run("a token "+name, func(t *testing.T) {
			refused(t, w.logout(t, stack.Domain, token), http.StatusBadRequest, "invalid_request")
		})
	}
	t.Run("a good token at another domain", func(t *testing.T) {
		for _, domain := range []string{"other.example", "", stack.Domain + "/", "DEMO.EXAMPLE", "%2e%2e/token"} {
			if answer := w.logout(t, domain, good); answer.Status != http.StatusBadRequest && answer.Status != http.StatusNotFound {
				t.Errorf("%q: %d %s", domain, answer.Status, answer.Body)
			}
		}
	})
	t.Run("a good token in the wrong place", func(t *testing.T) {
		address := w.issuer + "/backchannel-logout/" + stack.Domain
		body := form("logout_token", good)
		refused(t, w.send(t, http.MethodGet, address+"?"+body, ""), http.StatusMethodNotAllowed, "invalid_request")
		refused(t, w.send(t, http.MethodPost, address+"?"+body, "", "Content-Type", formType), http.StatusBadRequest, "invalid_request")
		refused(t, w.send(t, http.MethodPost, address, body, "Content-Type", jsonType), http.StatusBadRequest, "invalid_request")
		refused(t, w.send(t, http.MethodPost, address, body+"&"+body, "Content-Type", formType), http.StatusBadRequest, "invalid_request")
		refused(t, w.send(t, http.MethodPost, address, "", "Authorization", "Bearer "+good, "Content-Type", formType), http.StatusBadRequest, "invalid_request")
	})
	t.Run("a logout of somebody who was never here is done and ends nothing", func(t *testing.T) {
		for _, l := range []idp.Logout{{Subject: "nobody"}, {Session: "no session"}} {
			if answer := w.logout(t, stack.Domain, w.logoutToken(t, l)); answer.Status != http.StatusOK || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
	})
	w.alive(t, "the token, after all that", tokens.AccessToken)

	t.Run("while the provider is down", func(t *testing.T) {
		// With another key id, so that the keys are asked for; within a minute of the
		// last time they are not, and the token is as good as made up.
		w.Stack.IdP.Faults().Down.Store(true)
		defer w.Stack.IdP.Faults().Down.Store(false)
		if answer := w.logout(t, stack.Domain, part(`{"alg":"RS256","kid":"other"}`)+"."+parts[1]+"."+parts[2]); answer.Status != http.StatusBadRequest && answer.Status != http.StatusServiceUnavailable {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	})

	// Twenty of the same at once: one does it.
	done := 0
	for _, answer := range parallel(t, 20, func(int) assistant.Answer { return w.logout(t, stack.Domain, good) }) {
		switch answer.Status {
		case http.StatusOK:
			done++
			if len(answer.Body) != 0 || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", answer.Header, answer.Body)
			}
		default:
			refused(t, answer, http.StatusBadRequest, "invalid_request")
		}
	}
	if done != 1 {
		t.Errorf("%d of 20 were done", done)
	}
	w.dead(t, "the token, after the logout", tokens.AccessToken)
	refused(t, w.refresh(t, a, tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
	w.audited(t, map[string]any{"event_name": "person_signed_out", "reason": "idp_logout"})
	w.audited(t, map[string]any{"event_name": "logout_refused", "reason": "backend/idp_bad_answer"})

	// The person comes back; neither the same process nor the next one takes the
	// token again.
	again := w.connect(t, a, "member", readScope)
	refused(t, w.logout(t, stack.Domain, good), http.StatusBadRequest, "invalid_request")
	w.Kill()
	w.Run()
	refused(t, w.logout(t, stack.Domain, good), http.StatusBadRequest, "invalid_request")
	w.alive(t, "what was approved after the logout", again.AccessToken)
	if text := strings.Join(w.AuditLines(), "\n") + w.Log(); strings.Contains(text, parts[1]) || strings.Contains(text, parts[2]) {
		t.Error("a logout token was written down")
	}
	var metadata map[string]any
	if err := json.Unmarshal(w.send(t, http.MethodGet, w.issuer+"/.well-known/openid-configuration", "").Body, &metadata); err != nil {
		t.Fatal(err)
	}
	for name := range metadata {
		if strings.Contains(name, "logout") {
			t.Errorf("the metadata says %s: that is for servers that send logouts", name)
		}
	}
}
