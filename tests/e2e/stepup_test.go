package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const readScope = "appstore:read"

// TestAMissingScopeIsChallengedWithTheUnion walks a step-up to its end: what is
// missing is named with what was granted, a person consents to that, and the
// grant from before stays as good, and as narrow, as it was.
func TestAMissingScopeIsChallengedWithTheUnion(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	narrow := connect(t, g, a, "member", readScope)
	if narrow.Scope != readScope {
		t.Fatalf("granted %q", narrow.Scope)
	}
	write := fmt.Sprintf(`{"app_id":%q,"justification":"to test a step-up"}`, anApp(t, a, narrow.AccessToken))

	challenge := challenged(t, a, narrow.AccessToken, write)
	for _, part := range []string{`error="insufficient_scope"`, "resource_metadata="} {
		if !strings.Contains(challenge, part) {
			t.Errorf("the challenge lacks %s: %s", part, challenge)
		}
	}
	_, rest, _ := strings.Cut(challenge, `scope="`)
	union, _, _ := strings.Cut(rest, `"`)
	if union != bothScopes {
		t.Fatalf("the challenge names %q, want %q", union, bothScopes)
	}

	wide := connect(t, g, a, "member", union)
	if wide.Scope != bothScopes {
		t.Errorf("the wider consent gave %q", wide.Scope)
	}
	if r := must[assistant.CallResult](t)(a.Call(t.Context(), wide.AccessToken, "submit_access_request", write)); r.Status != http.StatusOK || r.Result.IsError {
		t.Errorf("the write with the wider token: %d %s", r.Status, r.Body)
	}
	worksFor(t, a, "the old token, for what it could", narrow.AccessToken, http.StatusOK)
	challenged(t, a, narrow.AccessToken, write)

	// Asking for more is refused and costs nothing (OAuth 2.1 §4.3.1) …
	wider := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {narrow.RefreshToken}, "client_id": {a.ClientID}, "scope": {bothScopes}}
	if answer := must[assistant.Answer](t)(a.Token(t.Context(), wider)); answer.Status != http.StatusBadRequest || answer.Error() != "invalid_scope" {
		t.Errorf("a refresh that asks for more: %d %s", answer.Status, answer.Body)
	}
	// … and a refresh that asks for nothing gets what was granted, each time.
	for range 3 {
		answer := must[assistant.Answer](t)(a.Refresh(t.Context(), narrow.RefreshToken))
		narrow = answer.Tokens()
		if answer.Status != http.StatusOK || narrow.Scope != readScope {
			t.Fatalf("the refresh of the old grant: %d %s", answer.Status, answer.Body)
		}
		worksFor(t, a, "the refreshed token", narrow.AccessToken, http.StatusOK)
		challenged(t, a, narrow.AccessToken, write)
	}
	if answer := must[assistant.Answer](t)(a.Refresh(t.Context(), wide.RefreshToken)); answer.Tokens().Scope != bothScopes {
		t.Errorf("the refresh of the wider grant: %d %s", answer.Status, answer.Body)
	}
}

// challenged wants a write to be refused for its scope, and returns the
// challenge.
func challenged(t *testing.T, a *assistant.Assistant, token, write string) string {
	t.Helper()
	r := must[assistant.CallResult](t)(a.Call(t.Context(), token, "submit_access_request", write))
	challenge := r.Header.Get("WWW-Authenticate")
	if r.Status != http.StatusForbidden || !strings.Contains(challenge, "insufficient_scope") {
		t.Errorf("the write with a narrow token: %d %q %s", r.Status, challenge, r.Body)
	}
	return challenge
}

// anApp is the id of an app that a person finds.
func anApp(t *testing.T, a *assistant.Assistant, token string) string {
	t.Helper()
	r := must[assistant.CallResult](t)(a.Call(t.Context(), token, "search_apps", `{}`))
	var found struct {
		Apps []struct {
			ID string `json:"id"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(r.Result.StructuredContent, &found); err != nil || len(found.Apps) == 0 {
		t.Fatalf("search_apps: %d %s", r.Status, r.Body)
	}
	return found.Apps[0].ID
}

// TestAPersonConnectsOneClientTwice is an assistant in two windows, which share
// one registration: signing in again in one must not end the other, and what
// one revokes (RFC 7009) is its own.
func TestAPersonConnectsOneClientTwice(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	for name, presented := range map[string]func(assistant.Tokens) string{
		"by its refresh token": func(tokens assistant.Tokens) string { return tokens.RefreshToken },
		"by its access token":  func(tokens assistant.Tokens) string { return tokens.AccessToken },
	} {
		t.Run("one session is revoked "+name, func(t *testing.T) {
			a := register(t, g)
			// The same browser, then: the person is signed in already.
			browser := newRobot(g.Stack, "member")
			one := must[assistant.Tokens](t)(a.Connect(t.Context(), browser, ""))
			two := must[assistant.Tokens](t)(a.Connect(t.Context(), browser, ""))
			if one.RefreshToken == two.RefreshToken || one.AccessToken == two.AccessToken {
				t.Fatal("two sessions share a token")
			}
			for range 2 {
				for what, tokens := range map[string]*assistant.Tokens{"the first session": &one, "the second session": &two} {
					worksFor(t, a, what, tokens.AccessToken, http.StatusOK)
					answer := must[assistant.Answer](t)(a.Refresh(t.Context(), tokens.RefreshToken))
					if answer.Status != http.StatusOK {
						t.Fatalf("the refresh of %s: %d %s", what, answer.Status, answer.Body)
					}
					*tokens = answer.Tokens()
				}
			}
			if answer := must[assistant.Answer](t)(a.Revoke(t.Context(), presented(one))); answer.Status != http.StatusOK {
				t.Fatalf("revoke: %d %s", answer.Status, answer.Body)
			}
			worksFor(t, a, "the revoked session", one.AccessToken, http.StatusUnauthorized)
			worksFor(t, a, "the other session", two.AccessToken, http.StatusOK)
			answer := must[assistant.Answer](t)(a.Refresh(t.Context(), two.RefreshToken))
			if answer.Status != http.StatusOK {
				t.Fatalf("the refresh of the other session: %d %s", answer.Status, answer.Body)
			}
			worksFor(t, a, "the other session, refreshed", answer.Tokens().AccessToken, http.StatusOK)
		})
	}
}
