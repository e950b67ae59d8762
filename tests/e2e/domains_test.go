package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// past is one call as it was: when it began and ended, on the one monotonic
// clock of this process, and whether it succeeded.
type past struct {
	began, ended time.Time
	ok           bool
	status       int
	err          error
}

// TestADomainThatIsOffServesNoCallThatBeganAfterTheReload turns a domain off and
// on while its people work.
func TestADomainThatIsOffServesNoCallThatBeganAfterTheReload(t *testing.T) {
	const rounds, workers, during = 3, 6, 60
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	off := g.Variant("\t\t\tenabled\n", "\n")
	kept := connect(t, g, a, "member", "")

	var (
		mu      sync.Mutex
		history []past
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for range workers {
		load.Go(func() {
			for ctx.Err() == nil {
				p := past{began: time.Now()}
				r, err := a.Call(t.Context(), kept.AccessToken, "search_apps", `{"page_size":1}`)
				p.ended, p.err, p.status = time.Now(), err, r.Status
				p.ok = err == nil && r.Status == http.StatusOK && !r.Result.IsError
				mu.Lock()
				history = append(history, p)
				mu.Unlock()
			}
		})
	}
	// more waits until so many further calls have begun and ended.
	more := func(n int) {
		t.Helper()
		mu.Lock()
		want := len(history) + workers + n
		mu.Unlock()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			mu.Lock()
			have := len(history)
			mu.Unlock()
			if have >= want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d calls in a minute", n)
			}
		}
	}
	type span struct{ from, to time.Time }
	var offs, ons []span
	ons = append(ons, span{from: time.Now()})
	more(during)
	for range rounds {
		revoked := connect(t, g, a, "admin", "")
		ons[len(ons)-1].to = time.Now()
		if err := g.Reload(off); err != nil {
			t.Fatal(err)
		}
		offs = append(offs, span{from: time.Now()})
		more(during)
		whileOff(t, g, a, kept, revoked)
		offs[len(offs)-1].to = time.Now()
		if err := g.Reload(g.Caddyfile); err != nil {
			t.Fatal(err)
		}
		ons = append(ons, span{from: time.Now()})
		more(during)
		if r := must[assistant.CallResult](t)(a.Call(t.Context(), revoked.AccessToken, "search_apps", `{}`)); r.Status != http.StatusUnauthorized {
			t.Errorf("what was revoked while the domain was off: %d %s", r.Status, r.Body)
		}
		if r := must[assistant.Answer](t)(a.Refresh(t.Context(), revoked.RefreshToken)); r.Error() != "invalid_grant" {
			t.Errorf("its refresh token: %d %s", r.Status, r.Body)
		}
	}
	ons[len(ons)-1].to = time.Now()
	stop()
	load.Wait()
	if r := must[assistant.Answer](t)(a.Refresh(t.Context(), kept.RefreshToken)); r.Status != http.StatusOK {
		t.Errorf("the refresh token that was refused while the domain was off: %d %s", r.Status, r.Body)
	}

	refused, served, between := 0, 0, 0
	within := func(p past, spans []span, whole bool) bool {
		for _, s := range spans {
			if p.began.After(s.from) && (p.began.Before(s.to) && !whole || whole && p.ended.Before(s.to)) {
				return true
			}
		}
		return false
	}
	for _, p := range history {
		if p.err != nil || !p.ok && p.status != http.StatusUnauthorized {
			t.Errorf("neither served nor refused: %d, %v", p.status, p.err)
		}
		switch {
		case within(p, offs, false) && p.ok:
			// The way back on had not begun when this call did; whether it ended before
			// that is looked at too, since a slow call may be decided after it.
			if within(p, offs, true) {
				t.Errorf("a call succeeded that began and ended while the domain was off, %v after %v", p.ended.Sub(p.began), p.began)
			} else {
				between++
			}
		case within(p, offs, true):
			refused++
		case within(p, ons, true):
			if served++; !p.ok {
				t.Errorf("while the domain was on: %d, %v", p.status, p.err)
			}
		default:
			between++
		}
	}
	if refused < rounds*during || served < rounds*during {
		t.Errorf("too few to show anything: %d while off, %d while on", refused, served)
	}
	t.Logf("%d calls: %d while the domain was off, of which 0 succeeded; %d while it was on; %d while a reload was under way", len(history), refused, served, between)
}

// whileOff looks at the other doors of a domain that is off, and revokes one of
// two grants.
func whileOff(t *testing.T, g *gateway.Gateway, a *assistant.Assistant, kept, revoked assistant.Tokens) {
	t.Helper()
	if r := must[assistant.Answer](t)(a.Refresh(t.Context(), kept.RefreshToken)); r.Status == http.StatusOK {
		t.Errorf("a refresh while the domain was off: %d %s", r.Status, r.Body)
	}
	if _, err := a.Approve(t.Context(), newRobot(g.Stack, "member"), ""); err == nil || strings.Contains(err.Error(), "no code") {
		t.Errorf("a sign-in while the domain was off: %v", err)
	}
	if r := must[assistant.Answer](t)(a.Revoke(t.Context(), revoked.RefreshToken)); r.Status != http.StatusOK {
		t.Errorf("a revocation while the domain was off: %d %s", r.Status, r.Body)
	}
}
