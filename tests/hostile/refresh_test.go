package hostile_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestRefreshTokens is about POST /token with a refresh token (RFC 9700 §4.14).
// That grants end after their idle and absolute time is pinned with another
// clock in authz/grant: the shortest times that a Caddyfile takes are hours.
func TestRefreshTokens(t *testing.T) {
	start(t).run(t,
		part{"a refused refresh leaves the token good [F2 M3 M6 M7 H13 K42 K43 E29]", refusedRefreshes},
		part{"of parallel refreshes all get one successor [K45 E30]", refreshRace},
		part{"a refresh never widens [F2]", neverWider},
		part{"a revoked grant is not refreshed [F4 E33]", refreshAfterRevoke},
		part{"a refresh that races a revocation gives nothing that works [E33]", refreshAgainstRevoke},
	)
}

func (w *world) refresh(t testing.TB, a *assistant.Assistant, token string, more ...string) assistant.Answer {
	t.Helper()
	return w.post(t, "/token", form(append([]string{"grant_type", "refresh_token", "refresh_token", token, "client_id", a.ClientID}, more...)...))
}

func refusedRefreshes(t *testing.T, w *world) {
	a, other := w.register(t), w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	foreign := w.connect(t, other, "member", readScope)
	for _, c := range []struct {
		name string
		send func() assistant.Answer
		code string
	}{
		{"another client", func() assistant.Answer { return w.refresh(t, other, tokens.RefreshToken) }, "invalid_grant"},
		{"a wider scope", func() assistant.Answer { return w.refresh(t, a, tokens.RefreshToken, "scope", bothScopes) }, "invalid_scope"},
		{"a malformed scope", func() assistant.Answer { return w.refresh(t, a, tokens.RefreshToken, "scope", `a"b`) }, "invalid_scope"},
		{"another resource", func() assistant.Answer {
			return w.refresh(t, a, tokens.RefreshToken, "resource", "https://"+evil+"/mcp")
		}, "invalid_target"},
		{"an access token in its place", func() assistant.Answer { return w.refresh(t, a, tokens.AccessToken) }, "invalid_grant"},
		{"a made-up token", func() assistant.Answer { return w.refresh(t, a, "lmr_x.made-up") }, "invalid_grant"},
		{"a token with its last letter changed", func() assistant.Answer { return w.refresh(t, a, flip(tokens.RefreshToken)) }, "invalid_grant"},
		{"no token", func() assistant.Answer { return w.refresh(t, a, "") }, "invalid_request"},
		{"two tokens", func() assistant.Answer { return w.refresh(t, a, tokens.RefreshToken, "refresh_token", "x") }, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, c.send(), http.StatusBadRequest, c.code)
			w.alive(t, "the access token", tokens.AccessToken)
		})
	}
	for name, answer := range map[string]assistant.Answer{"the owner": w.refresh(t, a, tokens.RefreshToken), "the other client": w.refresh(t, other, foreign.RefreshToken)} {
		if answer.Status != http.StatusOK || answer.Tokens().RefreshToken == tokens.RefreshToken {
			t.Errorf("%s: %d %s", name, answer.Status, answer.Body)
		}
	}
}

// refreshRace: assistants run as several processes that share one token.
func refreshRace(t *testing.T, w *world) {
	a := w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	for range 3 {
		answers := parallel(t, 50, func(int) assistant.Answer { return w.refresh(t, a, tokens.RefreshToken) })
		first := answers[0].Tokens()
		for _, answer := range answers {
			if got := answer.Tokens(); answer.Status != http.StatusOK || got.RefreshToken != first.RefreshToken || got.AccessToken != first.AccessToken {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
		}
		w.alive(t, "the new access token", first.AccessToken)
		w.alive(t, "the old access token", tokens.AccessToken)
		tokens = first
	}
}

func neverWider(t *testing.T, w *world) {
	a := w.register(t)
	tokens := w.connect(t, a, "member", bothScopes)
	narrow := w.refresh(t, a, tokens.RefreshToken, "scope", readScope)
	if narrow.Tokens().Scope != readScope {
		t.Fatalf("narrowed to %q", narrow.Tokens().Scope)
	}
	write := w.send(t, http.MethodPost, w.resource, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"submit_access_request","arguments":{"app_id":"x","justification":"y"}}}`,
		"Content-Type", jsonType, "Authorization", "Bearer "+narrow.Tokens().AccessToken)
	if write.Status != http.StatusForbidden || !strings.Contains(write.Header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("the narrow token writes: %d %s", write.Status, write.Body)
	}
	// The refresh token keeps what the person approved (OAuth 2.1 §4.3.3).
	if again := w.refresh(t, a, narrow.Tokens().RefreshToken); again.Tokens().Scope != bothScopes {
		t.Errorf("then %q", again.Tokens().Scope)
	}
}

func refreshAfterRevoke(t *testing.T, w *world) {
	a := w.register(t)
	for _, which := range []string{"refresh", "access"} {
		tokens := w.connect(t, a, "member", readScope)
		presented := tokens.RefreshToken
		if which == "access" {
			presented = tokens.AccessToken
		}
		if answer := w.revoke(t, a, presented); answer.Status != http.StatusOK {
			t.Fatalf("revoke: %d %s", answer.Status, answer.Body)
		}
		w.dead(t, "the access token after its revocation by the "+which+" token", tokens.AccessToken)
		if which == "refresh" {
			refused(t, w.refresh(t, a, tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
		}
	}
}

// refreshAgainstRevoke: whichever comes first, after the revocation has returned
// nothing works (Keycloak issue 51312: the two did not take the same lock).
func refreshAgainstRevoke(t *testing.T, w *world) {
	a := w.register(t)
	for range 10 {
		tokens := w.connect(t, a, "member", readScope)
		answers := parallel(t, 8, func(i int) assistant.Answer {
			if i == 3 {
				return w.revoke(t, a, tokens.RefreshToken)
			}
			return w.refresh(t, a, tokens.RefreshToken)
		})
		w.dead(t, "the first access token", tokens.AccessToken)
		for i, answer := range answers {
			switch {
			case i == 3 && answer.Status != http.StatusOK:
				t.Errorf("revoke: %d %s", answer.Status, answer.Body)
			case i == 3:
			case answer.Status == http.StatusOK:
				w.dead(t, "an access token from beside the revocation", answer.Tokens().AccessToken)
				refused(t, w.refresh(t, a, answer.Tokens().RefreshToken), http.StatusBadRequest, "invalid_grant")
			default:
				refused(t, answer, http.StatusBadRequest, "invalid_grant")
			}
		}
	}
}

// TestAReplayedRefreshTokenEndsItsFamily: after the grace a used token is theft,
// and the thief's and the owner's tokens die together (RFC 9700 §4.14.2).
func TestAReplayedRefreshTokenEndsItsFamily(t *testing.T) {
	w := start(t, "rotation_grace 60s", "rotation_grace 1s")
	a := w.register(t)
	for _, c := range []struct {
		name     string
		replayed func(generations []assistant.Tokens) string
	}{
		{"the predecessor", func(g []assistant.Tokens) string { return g[len(g)-2].RefreshToken }},
		{"the grand-predecessor", func(g []assistant.Tokens) string { return g[len(g)-3].RefreshToken }},
		{"the very first", func(g []assistant.Tokens) string { return g[0].RefreshToken }},
	} {
		t.Run(c.name, func(t *testing.T) {
			neighbour := w.connect(t, a, "member", readScope) // the same person and client
			generations := []assistant.Tokens{w.connect(t, a, "member", readScope)}
			for range 4 {
				generations = append(generations, w.refresh(t, a, generations[len(generations)-1].RefreshToken).Tokens())
			}
			newest := generations[len(generations)-1]
			for deadline := time.Now().Add(30 * time.Second); ; {
				answer := w.refresh(t, a, c.replayed(generations))
				if answer.Status == http.StatusBadRequest {
					refused(t, answer, http.StatusBadRequest, "invalid_grant")
					break
				}
				if answer.Status != http.StatusOK || answer.Tokens().RefreshToken != newest.RefreshToken || time.Now().After(deadline) {
					t.Fatalf("inside the grace: %d %s", answer.Status, answer.Body)
				}
			}
			refused(t, w.refresh(t, a, newest.RefreshToken), http.StatusBadRequest, "invalid_grant")
			for _, g := range generations {
				w.dead(t, "an access token of the family", g.AccessToken)
			}
			w.alive(t, "another grant of the same person", neighbour.AccessToken)
		})
	}
	w.audited(t, map[string]any{"event_name": "refresh_reuse_detected"})
}
