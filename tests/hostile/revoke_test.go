package hostile_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestRevocation is about POST /revoke (RFC 7009).
func TestRevocation(t *testing.T) {
	start(t).run(t,
		part{"whatever is not one's own stays alive [V1 V2 H14 E43 E44]", foreignTokens},
		part{"a wrong hint does not save a token [V1 H14 E45]", wrongHints},
		part{"a refresh token takes its access tokens along [V3 E46]", wholeFamily},
		part{"malformed revocations are refused in JSON [M10 V2 H14]", malformedRevocations},
	)
}

func (w *world) revoke(t testing.TB, a *assistant.Assistant, token string, more ...string) assistant.Answer {
	t.Helper()
	return w.post(t, "/revoke", form(append([]string{"token", token, "client_id", a.ClientID}, more...)...))
}

// foreignTokens: a token that is unknown is revoked already, one that belongs to
// another client is none of the caller's business; neither tells anything about
// what exists.
func foreignTokens(t *testing.T, w *world) {
	a, thief := w.register(t), w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	for _, token := range []string{"lma_x.y", "lmr_x.y", "anything", flip(tokens.AccessToken), flip(tokens.RefreshToken), strings.Repeat("t", 10_000)} {
		if answer := w.revoke(t, thief, token); answer.Status != http.StatusOK || len(answer.Body) != 0 {
			t.Errorf("an unknown token: %d %s", answer.Status, answer.Body)
		}
	}
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
		refused(t, w.revoke(t, thief, token), http.StatusBadRequest, "invalid_request")
		w.alive(t, "the owner's access token", tokens.AccessToken)
	}
	if answer := w.refresh(t, a, tokens.RefreshToken); answer.Status != http.StatusOK {
		t.Errorf("the owner's refresh token: %d %s", answer.Status, answer.Body)
	}
}

func wrongHints(t *testing.T, w *world) {
	a := w.register(t)
	for _, hint := range []string{"refresh_token", "access_token", "pizza", `"<b>`} {
		tokens := w.connect(t, a, "member", readScope)
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.RefreshToken} {
			if answer := w.revoke(t, a, token, "token_type_hint", hint); answer.Status != http.StatusOK {
				t.Errorf("hint %s: %d %s", hint, answer.Status, answer.Body)
			}
		}
		w.dead(t, "the access token", tokens.AccessToken)
		refused(t, w.refresh(t, a, tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
	}
}

func wholeFamily(t *testing.T, w *world) {
	a := w.register(t)
	first := w.connect(t, a, "member", readScope)
	second := w.refresh(t, a, first.RefreshToken).Tokens()
	neighbour := w.connect(t, a, "member", readScope)
	// The predecessor still stands for its family.
	if answer := w.revoke(t, a, first.RefreshToken); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	for _, token := range []string{first.AccessToken, second.AccessToken} {
		w.dead(t, "an access token of the family", token)
	}
	for _, token := range []string{first.RefreshToken, second.RefreshToken} {
		refused(t, w.refresh(t, a, token), http.StatusBadRequest, "invalid_grant")
	}
	w.alive(t, "another grant of the same person", neighbour.AccessToken)
}

func malformedRevocations(t *testing.T, w *world) {
	a := w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	for _, c := range []struct {
		name, method, body string
		contentType        string
		status             int
		code               string
	}{
		{"GET", "GET", "", "", 405, "invalid_request"},
		{"no client", "POST", form("token", tokens.RefreshToken), formType, 401, "invalid_client"},
		{"an unknown client", "POST", form("token", tokens.RefreshToken, "client_id", "lmcl_x"), formType, 401, "invalid_client"},
		{"no token", "POST", form("client_id", a.ClientID), formType, 400, "invalid_request"},
		{"two tokens", "POST", form("client_id", a.ClientID, "token", "x", "token", tokens.RefreshToken), formType, 400, "invalid_request"},
		{"a JSON body", "POST", `{"token":"` + tokens.RefreshToken + `"}`, jsonType, 400, "invalid_request"},
		{"a body of 1 MiB", "POST", strings.Repeat("y", 1<<20), formType, 413, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, w.send(t, c.method, w.issuer+"/revoke?token="+tokens.RefreshToken+"&client_id="+a.ClientID, c.body, "Content-Type", c.contentType), c.status, c.code)
		})
	}
	w.alive(t, "the access token", tokens.AccessToken)
}
