package hostile_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestLimits is about what comes too often.
func TestLimits(t *testing.T) {
	start(t).run(t,
		part{"guesses at a secret end, and lock nobody else out [T8 M8]", guessedSecrets},
		part{"a grant that rotates without end is slowed down and lives on [M8 H30]", endlessRotation},
	)
}

// tooMany wants a 429 in JSON and returns how long to wait.
func tooMany(t testing.TB, a assistant.Answer) time.Duration {
	t.Helper()
	refused(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
	retryAfter(t, a.Header)
	seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second
}

// guessedSecrets is RFC 6749 §2.3.1: after some wrong secrets the right one is
// not tried any more, for this client and from this address only.
func guessedSecrets(t *testing.T, w *world) {
	const redirect = inspectorRedirect
	a, registered := w.registerAs(t, redirect, `{"client_name":"MCP Inspector","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"client_secret_basic"}`)
	guesser, owner := w.stranger(t), w.stranger(t)
	try := func(c *http.Client, path, secret string) assistant.Answer {
		t.Helper()
		req := newRequest(t, http.MethodPost, w.issuer+path, form("grant_type", "refresh_token", "refresh_token", "lmr_x.y", "token", "lmr_x.y"),
			"Content-Type", formType, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.ClientID+":"+secret)))
		return must(t, func() (assistant.Answer, error) { return assistant.Do(c, req) })
	}
	const most = 100
	guesses := 0
	for ; guesses < most; guesses++ {
		answer := try(guesser, []string{"/token", "/revoke"}[guesses%2], fmt.Sprintf("lms_%d", guesses))
		if answer.Status == http.StatusTooManyRequests {
			tooMany(t, answer)
			break
		}
		refused(t, answer, http.StatusUnauthorized, "invalid_client")
	}
	if guesses < 10 || guesses == most {
		t.Errorf("%d guesses were answered", guesses)
	}
	for _, path := range []string{"/token", "/revoke"} {
		tooMany(t, try(guesser, path, registered.Secret))
	}
	refused(t, try(owner, "/token", registered.Secret), http.StatusBadRequest, "invalid_grant") // it is the token that is bad
	if answer := try(owner, "/revoke", registered.Secret); answer.Status != http.StatusOK {
		t.Errorf("the owner is locked out: %d %s", answer.Status, answer.Body)
	}
	// A neighbour behind the same address has a client of their own.
	neighbour := w.register(t)
	req := newRequest(t, http.MethodPost, w.issuer+"/revoke", form("token", "lmr_x.y", "client_id", neighbour.ClientID), "Content-Type", formType)
	if answer := must(t, func() (assistant.Answer, error) { return assistant.Do(guesser, req) }); answer.Status != http.StatusOK {
		t.Errorf("the neighbour is locked out: %d %s", answer.Status, answer.Body)
	}
	w.audited(t, map[string]any{"event_name": "limit_hit", "reason": "limit/bad_secrets"})
}

// endlessRotation: a fleet that starts at once passes; a loop does not. The token
// stays good, retries of what was answered go on, and who waits is served.
func endlessRotation(t *testing.T, w *world) {
	a := w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	const fleet, most = 200, 2000
	var previous string
	var over assistant.Answer
	rotations := 0
	for ; rotations < most; rotations++ {
		answer := w.refresh(t, a, tokens.RefreshToken)
		if answer.Status != http.StatusOK {
			over = answer
			break
		}
		previous, tokens = tokens.RefreshToken, answer.Tokens()
	}
	if rotations < fleet || rotations == most {
		t.Fatalf("%d rotations, then %d %s", rotations, over.Status, over.Body)
	}
	wait := tooMany(t, over)
	w.alive(t, "the access token", tokens.AccessToken)
	if again := w.refresh(t, a, previous).Tokens(); again.RefreshToken != tokens.RefreshToken {
		t.Error("a retry inside the grace got something else")
	}
	<-time.After(wait)
	if answer := w.refresh(t, a, tokens.RefreshToken); answer.Status != http.StatusOK {
		t.Errorf("after %v: %d %s", wait, answer.Status, answer.Body)
	}
	w.audited(t, map[string]any{"event_name": "limit_hit", "reason": "limit/rotations"})
}
