package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"
)

// answer is the outcome of a request that runs beside a test.
type answer struct {
	status int
	body   string
	err    error
}

func (g *gateway) startSlowSearch(token string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		status, body, err := g.search(context.Background(), token, "slow")
		done <- answer{status, body, err}
	}()
	<-g.arrived
	return done
}

func TestARequestThatRunsAcrossAReloadIsAnsweredAndTheNewPolicyBitesAtOnce(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	token := g.token()
	slow := g.startSlowSearch(token)
	g.mustLoad(policyOf{users: "group nobody"})
	if status, body, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("after the reload: %d %q %v, want 401", status, body, err)
	}
	close(g.slow)
	if got := <-slow; got.err != nil || got.status != http.StatusOK {
		t.Errorf("the request from before the reload: %+v", got)
	}
}

func TestAReloadForgivesNobodyWhoIsOverALimit(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	old := g.app()
	before := old.running.Load().runtime.limits
	g.mustLoad(policyOf{users: "group nobody"})
	if g.app() == old {
		t.Fatal("the configuration was not replaced")
	}
	if after := g.app().running.Load().runtime.limits; before == nil || after != before {
		t.Error("the new configuration counts from zero")
	}
}

func TestAReloadToAnotherStoreClosesTheOldOneOnlyAfterItsLastRequest(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	token := g.token()
	old := g.app()
	slow := g.startSlowSearch(token)
	g.mustLoad(policyOf{store: "other.db"})
	// The token is not in the other store.
	if status, _, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("against the other store: %d %v, want 401", status, err)
	}
	if n, open := runtimes.References(old.engine.Identity()); !open || n != 1 {
		t.Errorf("the old store is open %t with %d users while a request runs", open, n)
	}
	close(g.slow)
	if got := <-slow; got.err != nil || got.status != http.StatusOK {
		t.Errorf("the request from before the reload: %+v", got)
	}
	waitFor(t, "the old store is closed", func() bool {
		_, open := runtimes.References(old.engine.Identity())
		return !open
	})
}

func TestAReloadThatIsRefusedLeavesTheOldConfigurationInService(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	token := g.token()
	app := g.app()
	for name, caddyfile := range map[string]string{
		"while it is provisioned": strings.Replace(g.caddyfile(policyOf{}), "{env.TEST_IDP_SECRET}", "{env.TEST_NOT_SET}", 1),
		"while it starts":         g.caddyfile(policyOf{store: "caddy"}), // a folder is no database
		"because of another app":  strings.Replace(g.caddyfile(policyOf{}), "http://"+g.api+" {", "http://"+g.api+" {\n\tbind 192.0.2.1\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if err := g.load(caddyfile); err == nil {
				t.Fatal("the configuration was accepted")
			}
			if status, body, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusOK {
				t.Errorf("%d %q %v, want 200", status, body, err)
			}
			if g.app() != app {
				t.Error("another configuration is active")
			}
			if n, _ := runtimes.References(app.engine.Identity()); n != 1 {
				t.Errorf("the store has %d users, want 1", n)
			}
		})
	}
}

func TestTenReloadsUnderLoadFailNoRequest(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	token := g.token()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	var served, failed int
	var mu sync.Mutex
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				status, body, err := g.search(context.Background(), token, "x")
				if isDial(err) {
					// It waited at a listener that was being closed, and the system reset
					// it: nothing was sent, and every client connects again.
					continue
				}
				mu.Lock()
				served++
				if err != nil || status != http.StatusOK {
					failed++
					t.Logf("%d %q %v", status, body, err)
				}
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return served
	}
	for i := range 10 {
		before := count()
		clients := "claude"
		if i%2 == 0 {
			clients = "claude chatgpt"
		}
		g.mustLoad(policyOf{clients: clients})
		waitFor(t, "requests are served after the reload", func() bool { return count() >= before+40 })
	}
	stop()
	callers.Wait()
	if failed > 0 {
		t.Errorf("%d of %d requests failed", failed, served)
	}
}

func TestReloadsAndStopLeaveNothingBehind(t *testing.T) {
	g := newGateway(t)
	ignored := goleak.IgnoreCurrent()
	g.mustLoad(policyOf{})
	identity, sink := g.app().engine.Identity(), g.app().sinks[0].Identity()
	token := g.token()
	for range 3 {
		g.mustLoad(policyOf{})
		if status, _, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v", status, err)
		}
		if n, _ := runtimes.References(identity); n != 1 {
			t.Errorf("the store has %d users, want 1", n)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, open := runtimes.References(identity); open {
		t.Error("the store is still open")
	}
	if _, open := sinks.References(sink); open {
		t.Error("the audit trail is still open")
	}
	g.client.CloseIdleConnections()
	g.backend.CloseClientConnections()
	goleak.VerifyNone(t, ignored,
		// Of Caddy and net/http: they end by themselves, after a while.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp.(*App).stop.func2"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp.(*App).stop.func4"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
	)
	trail, err := os.ReadFile(g.path("audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(trail), `"event_name":"config_applied"`); n != 4 {
		t.Errorf("the audit trail has %d config_applied events, want 4", n)
	}
}

// waitFor polls until done or until the test's patience ends.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.Done():
			t.Fatal(errors.New("waited in vain until " + what))
		}
	}
}
