package authz_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// sendFrom sends a request without a body from an address.
func sendFrom(server http.Handler, ip, method, path string) *http.Response {
	r := httptest.NewRequest(method, issuer+path, http.NoBody)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r.WithContext(httpx.WithClientIP(r.Context(), ip)))
	return w.Result()
}

func TestOneAddressGetsItsShareOnly(t *testing.T) {
	t.Parallel()
	const flooder, honest = "2001:db8:1:2::1", "2001:db8:1:3::1"
	for _, c := range []struct {
		method, path string
		atLeast      int // requests at once that honest crowds may make
		why          reason.Reason
		page         bool
	}{
		{http.MethodPost, "/token", 10_000, reason.LimitRequests, false},
		{http.MethodPost, "/revoke", 5_000, reason.LimitRequests, false},
		{http.MethodGet, "/authorize", 5_000, reason.LimitRequests, true},
		{http.MethodGet, "/signin", 5_000, reason.LimitSignIns, true},
		{http.MethodGet, "/callback/acme.com", 2_500, reason.LimitSignIns, true},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			now := clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
			trail := new(audittest.Memory)
			server, _ := newServer(t, func(cfg *authz.Config) { cfg.Clock, cfg.Audit = now, trail })
			passed := 0
			var over *http.Response
			for over == nil && passed <= 2*c.atLeast {
				if resp := sendFrom(server, flooder, c.method, c.path); resp.StatusCode == http.StatusTooManyRequests {
					over = resp
				} else {
					passed++
				}
			}
			if over == nil || passed < c.atLeast {
				t.Fatalf("%d passed at once", passed)
			}
			if isPage := strings.HasPrefix(over.Header.Get("Content-Type"), "text/html"); isPage != c.page || over.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Content-Type %q, Cache-Control %q", over.Header.Get("Content-Type"), over.Header.Get("Cache-Control"))
			}
			if cors := over.Header.Get("Access-Control-Allow-Origin"); (cors == "*") == c.page {
				t.Errorf("Access-Control-Allow-Origin: %q", cors)
			}
			wait, err := strconv.Atoi(over.Header.Get("Retry-After"))
			if err != nil || wait < 1 {
				t.Fatalf("Retry-After: %q", over.Header.Get("Retry-After"))
			}
			for _, ip := range []string{"2001:db8:1:2:ffff::9"} { // of the same network
				if resp := sendFrom(server, ip, c.method, c.path); resp.StatusCode != http.StatusTooManyRequests {
					t.Errorf("%s got %d", ip, resp.StatusCode)
				}
			}
			if resp := sendFrom(server, honest, c.method, c.path); resp.StatusCode == http.StatusTooManyRequests {
				t.Error("another network has to wait too")
			}
			if events := trail.Named(audit.LimitHit); len(events) != 1 || events[0].Reason != c.why || events[0].ClientIP != flooder ||
				!strings.Contains(c.path, events[0].Detail) {
				t.Errorf("audit events %+v, want one of them", events)
			}
			now.Advance(time.Duration(wait) * time.Second)
			if resp := sendFrom(server, flooder, c.method, c.path); resp.StatusCode == http.StatusTooManyRequests {
				t.Errorf("refused after waiting %d s", wait)
			}
		})
	}
}

func TestALimitOfOneEndpointLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, nil)
	for sendFrom(server, "192.0.2.1", http.MethodGet, "/callback/acme.com").StatusCode != http.StatusTooManyRequests {
	}
	for _, path := range []string{"/authorize", "/signin", "/token", "/revoke", "/jwks.json", "/.well-known/oauth-authorization-server"} {
		if resp := sendFrom(server, "192.0.2.1", http.MethodGet, path); resp.StatusCode == http.StatusTooManyRequests {
			t.Errorf("%s is refused too", path)
		}
	}
}

func TestPreflightsAreNotCounted(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, nil)
	for sendFrom(server, "192.0.2.1", http.MethodPost, "/revoke").StatusCode != http.StatusTooManyRequests {
	}
	if resp := sendFrom(server, "192.0.2.1", http.MethodOptions, "/revoke"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func TestLimitsOutliveTheServerOfOneConfiguration(t *testing.T) {
	t.Parallel()
	limits, err := authz.NewLimits()
	if err != nil {
		t.Fatal(err)
	}
	now := clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	same := func(cfg *authz.Config) { cfg.Limits, cfg.Clock = limits, now }
	first, _ := newServer(t, same)
	for sendFrom(first, "192.0.2.1", http.MethodPost, "/revoke").StatusCode != http.StatusTooManyRequests {
	}
	second, _ := newServer(t, same)
	if resp := sendFrom(second, "192.0.2.1", http.MethodPost, "/revoke"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a new configuration forgives: %d", resp.StatusCode)
	}
}
