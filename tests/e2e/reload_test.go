package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// TestReloadsUnderLoadFailNoRequest reloads ten times while 200 requests per
// second arrive over HTTP/2, at least a hundred between one reload and the next.
func TestReloadsUnderLoadFailNoRequest(t *testing.T) {
	const rate, reloads = 200, 10
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	token := connect(t, g, a, "member", "").AccessToken

	ctx, stop := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	var wg sync.WaitGroup
	load := func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			wg.Go(func() {
				sent.Add(1)
				r, err := a.Call(t.Context(), token, "search_apps", `{"page_size":1}`)
				if err != nil || r.Status != http.StatusOK || r.Result.IsError {
					failed.Add(1)
					t.Errorf("a request failed: %v, %d %s", err, r.Status, r.Body)
				}
			})
		}
	}
	loading := make(chan struct{})
	go func() { defer close(loading); load() }()

	for i := range reloads {
		for sent.Load() < int64(i*100) {
			time.Sleep(time.Millisecond)
		}
		// Each generation differs, since Caddy ignores an unchanged configuration.
		path := g.Variant("groups_claim groups", "groups_claim groups\n\t\t\t\tscopes openid email profile extra"+fmt.Sprint(i))
		if err := g.Reload(path); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	stop()
	<-loading
	wg.Wait()
	t.Logf("%d reloads, %d requests, %d failed", reloads, sent.Load(), failed.Load())
}

// TestPolicyChangesBiteAtTheNextRequest takes things away by reload, one after
// the other, and gives them back.
func TestPolicyChangesBiteAtTheNextRequest(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	tokens := connect(t, g, a, "member", "")
	status := func() assistant.CallResult {
		return must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`))
	}
	if r := status(); r.Status != http.StatusOK || r.Result.IsError {
		t.Fatalf("before: %d %s", r.Status, r.Body)
	}
	for _, c := range []struct {
		name     string
		old, new string
		want     func(assistant.CallResult) bool
	}{
		{"the domain is turned off", "\t\t\tenabled\n", "\n", func(r assistant.CallResult) bool { return r.Status == http.StatusUnauthorized }},
		{"the client leaves the allowlist", "mcp-inspector", "", func(r assistant.CallResult) bool { return r.Status == http.StatusUnauthorized }},
		{"the person is not admitted any more", "users everyone", "users group it-admins", func(r assistant.CallResult) bool { return r.Status == http.StatusUnauthorized }},
		{"the role loses the permission", "allow appstore.apps.view", "allow", func(r assistant.CallResult) bool { return r.Status == http.StatusOK && r.Result.IsError }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := g.Reload(g.Variant(c.old, c.new)); err != nil {
				t.Fatal(err)
			}
			if r := status(); !c.want(r) {
				t.Errorf("after the reload: %d %s", r.Status, r.Body)
			}
			if err := g.Reload(g.Caddyfile); err != nil {
				t.Fatal(err)
			}
			if r := status(); r.Status != http.StatusOK || r.Result.IsError {
				t.Errorf("after the way back: %d %s", r.Status, r.Body)
			}
		})
	}
}

func TestARefusedReloadLeavesTheOldConfigurationServing(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	tokens := connect(t, g, a, "member", "")
	if err := g.Reload(g.Variant("users everyone", "users nobody-knows-this")); err == nil {
		t.Fatal("a wrong Caddyfile was accepted")
	}
	if r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`)); r.Status != http.StatusOK {
		t.Errorf("after the refused reload: %d %s", r.Status, r.Body)
	}
}
