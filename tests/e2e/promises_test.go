package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// register returns a fresh client of the gateway.
func register(t *testing.T, g *gateway.Gateway) *assistant.Assistant {
	t.Helper()
	a, err := assistant.Register(t.Context(), g.Stack.Client(), g.Stack.Issuer, g.Stack.Resource)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// connect returns tokens of the person with that role.
func connect(t *testing.T, g *gateway.Gateway, a *assistant.Assistant, role, scope string) assistant.Tokens {
	t.Helper()
	tokens, err := a.Connect(t.Context(), newRobot(g.Stack, role), scope)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// must fails the test on a transport error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTwoPeopleOverOneConnectionPoolAreNeverMixedUp(t *testing.T) {
	const calls = 1000
	// The caller's mark travels as the search text, so that the backend can tell
	// whose call each request was without trusting what the gateway says.
	var mu sync.Mutex
	seen := map[string]map[string]int{}
	g := gateway.Start(t, stack.Options{OnRequest: func(r appstore.Request) {
		for _, mark := range []string{"mark-member", "mark-admin"} {
			if strings.Contains(r.Query, mark) {
				mu.Lock()
				if seen[mark] == nil {
					seen[mark] = map[string]int{}
				}
				seen[mark][r.PersonEmail]++
				mu.Unlock()
			}
		}
	}}, "")
	a := register(t, g)
	tokens := map[string]string{
		"member": connect(t, g, a, "member", "").AccessToken,
		"admin":  connect(t, g, a, "admin", "").AccessToken,
	}
	var wg sync.WaitGroup
	for role, token := range tokens {
		for worker := range 4 {
			wg.Go(func() {
				for i := range calls / 4 {
					r, err := a.Call(t.Context(), token, "search_apps", fmt.Sprintf(`{"query":"mark-%s"}`, role))
					if err != nil || r.Status != http.StatusOK || r.Result.IsError {
						t.Errorf("%s, worker %d, call %d: %v, %d %s", role, worker, i, err, r.Status, r.Body)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for role := range tokens {
		email := g.Stack.User(role).Email
		if got := seen["mark-"+role]; got[email] != calls || len(got) != 1 {
			t.Errorf("calls of the %s arrived as %v, want %d as %s only", role, got, calls, email)
		}
	}
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	approval := must[assistant.Approval](t)(a.Approve(t.Context(), newRobot(g.Stack, "member"), ""))
	answers := parallel(t, 50, func(ctx context.Context) (assistant.Answer, error) { return a.Redeem(ctx, approval) })
	won := 0
	for _, answer := range answers {
		switch {
		case answer.Status == http.StatusOK:
			won++
		case answer.Status != http.StatusBadRequest || answer.Error() != "invalid_grant":
			t.Errorf("a loser got %d %s", answer.Status, answer.Body)
		}
	}
	if won != 1 {
		t.Errorf("%d redemptions succeeded, want 1", won)
	}
}

func TestAReplayAfterTheGraceKillsTheFamily(t *testing.T) {
	root := gateway.Root() + "/Caddyfile"
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, root, "rotation_grace 60s", "rotation_grace 1s"))
	a := register(t, g)
	first := connect(t, g, a, "member", "")
	second := must[assistant.Answer](t)(a.Refresh(t.Context(), first.RefreshToken)).Tokens()
	third := must[assistant.Answer](t)(a.Refresh(t.Context(), second.RefreshToken)).Tokens()

	// Retries of the first token are answered with the pair until the grace is over.
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer := must[assistant.Answer](t)(a.Refresh(t.Context(), first.RefreshToken))
		if answer.Status == http.StatusBadRequest && answer.Error() == "invalid_grant" {
			break
		}
		if answer.Status != http.StatusOK || answer.Tokens().RefreshToken != third.RefreshToken {
			t.Fatalf("inside the grace a retry got %d %s", answer.Status, answer.Body)
		}
		if time.Now().After(deadline) {
			t.Fatal("the grace does not end")
		}
	}
	if answer := must[assistant.Answer](t)(a.Refresh(t.Context(), third.RefreshToken)); answer.Status != http.StatusBadRequest || answer.Error() != "invalid_grant" {
		t.Errorf("the newest refresh token lives on: %d %s", answer.Status, answer.Body)
	}
	for name, token := range map[string]string{"first": first.AccessToken, "second": second.AccessToken, "third": third.AccessToken} {
		if r := must[assistant.CallResult](t)(a.Call(t.Context(), token, "search_apps", `{}`)); r.Status != http.StatusUnauthorized {
			t.Errorf("the %s access token lives on: %d", name, r.Status)
		}
	}
	if !audited(g, map[string]any{"event_name": "refresh_reuse_detected"}) {
		t.Error("the reuse is not in the audit trail")
	}
}

func TestRevocationBitesAtOnce(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	for range 20 {
		tokens := connect(t, g, a, "member", "")
		if r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`)); r.Status != http.StatusOK {
			t.Fatalf("before: %d %s", r.Status, r.Body)
		}
		if answer := must[assistant.Answer](t)(a.Revoke(t.Context(), tokens.RefreshToken)); answer.Status != http.StatusOK || len(answer.Body) != 0 {
			t.Fatalf("revoke: %d %s", answer.Status, answer.Body)
		}
		r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`))
		if r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Fatalf("after: %d %s", r.Status, r.Header.Get("WWW-Authenticate"))
		}
		if answer := must[assistant.Answer](t)(a.Refresh(t.Context(), tokens.RefreshToken)); answer.Error() != "invalid_grant" {
			t.Fatalf("refresh after: %d %s", answer.Status, answer.Body)
		}
	}
}

func TestATokenWorksAtItsOwnResourceOnly(t *testing.T) {
	root := gateway.Root() + "/Caddyfile"
	g := gateway.Start(t, stack.Options{}, secondResource(t, root))
	other := strings.TrimSuffix(g.Stack.Resource, "/mcp/appstore") + "/mcp/second"
	a := register(t, g)
	b := *a
	b.Resource = other
	ours, theirs := connect(t, g, a, "member", ""), connect(t, g, &b, "member", "")
	for _, c := range []struct {
		name  string
		at    *assistant.Assistant
		token string
		want  int
	}{
		{"the first token at the first resource", a, ours.AccessToken, 200},
		{"the first token at the second resource", &b, ours.AccessToken, 401},
		{"the second token at the second resource", &b, theirs.AccessToken, 200},
		{"the second token at the first resource", a, theirs.AccessToken, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := must[assistant.CallResult](t)(c.at.Call(t.Context(), c.token, "search_apps", `{}`))
			if r.Status != c.want {
				t.Errorf("got %d %s", r.Status, r.Body)
			}
		})
	}
}

func TestARoleWithoutThePermissionGetsAToolErrorThatIsAudited(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	tokens := connect(t, g, a, "guest", "appstore:read appstore:request")
	r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`))
	if r.Status != http.StatusOK || !r.Result.IsError || r.Header.Get("WWW-Authenticate") != "" {
		t.Fatalf("got %d %v %s", r.Status, r.Header, r.Body)
	}
	want := map[string]any{"event_name": "authorization_failed", "tool_name": "search_apps", "user_email": g.Stack.User("guest").Email, "reason": "role/no_permission"}
	if !audited(g, want) {
		t.Errorf("no audit line has %v in:\n%s", want, strings.Join(g.AuditLines(), "\n"))
	}
	if n := len(g.Stack.Backend.Requests()); n > 1 { // the look-up at sign-in is the only one
		t.Errorf("%d requests reached the backend", n)
	}
}

// parallel runs f n times at once and returns all answers.
func parallel(t *testing.T, n int, f func(context.Context) (assistant.Answer, error)) []assistant.Answer {
	t.Helper()
	answers := make([]assistant.Answer, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answer, err := f(t.Context())
			if err != nil {
				t.Error(err)
			}
			answers[i] = answer
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// audited says whether a line of the audit trail has all fields of want. Read
// events reach the file a moment after the answer, so it looks for a while.
func audited(g *gateway.Gateway, want map[string]any) bool {
	for range 50 {
		for _, line := range g.AuditLines() {
			var event map[string]any
			if json.Unmarshal([]byte(line), &event) == nil && holds(event, want) {
				return true
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

func holds(event, want map[string]any) bool {
	for name, value := range want {
		if event[name] != value {
			return false
		}
	}
	return true
}
