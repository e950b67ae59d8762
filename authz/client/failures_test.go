package client_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// bounded is an authenticator that takes three failures, and one more each
// minute.
func bounded(t testing.TB) (try func(ip, id, secret string) *oauth.Error, c *clock.Fake, secret string) {
	t.Helper()
	_, rows, secret := authenticator(t)
	failures, err := limit.NewMemory(100)
	if err != nil {
		t.Fatal(err)
	}
	c = clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	a, err := client.NewAuthenticator(client.AuthenticatorConfig{
		Store: rows, Failures: failures, FailureRate: limit.Rate{Events: 1, Per: time.Minute, Burst: 3}, Clock: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(ip, id, secret string) *oauth.Error {
		r, p := tokenRequest(t, url.Values{"client_id": {id}, "client_secret": {secret}})
		_, e := a.Authenticate(httpx.WithClientIP(context.Background(), ip), r, p)
		return e
	}, c, secret
}

func wantFailure(t *testing.T, e *oauth.Error, status int, why reason.Reason) {
	t.Helper()
	if e == nil || e.Status != status || e.Reason != why {
		t.Fatalf("got %v, want %d %s", e, status, why)
	}
}

func TestAfterTooManyFailuresNotEvenTheSecretIsCompared(t *testing.T) {
	t.Parallel()
	try, c, secret := bounded(t)
	for range 3 {
		wantFailure(t, try("192.0.2.1", post, "wrong"), http.StatusUnauthorized, reason.ClientBadSecret)
	}
	for _, presented := range []string{"wrong", secret, ""} {
		e := try("192.0.2.1", post, presented)
		wantFailure(t, e, http.StatusTooManyRequests, reason.LimitBadSecrets)
		if e.RetryAfter != time.Minute || e.Code == oauth.InvalidClient {
			t.Errorf("%s after %v", e.Code, e.RetryAfter)
		}
	}
	c.Advance(time.Minute)
	if e := try("192.0.2.1", post, secret); e != nil {
		t.Errorf("after the time to wait: %v", e)
	}
}

func TestFailuresLockOutNobodyElse(t *testing.T) {
	t.Parallel()
	try, _, secret := bounded(t)
	for range 10 {
		_ = try("2001:db8:1:2::1", post, "wrong")
	}
	if e := try("2001:db8:1:3::1", post, secret); e != nil {
		t.Errorf("another network: %v", e)
	}
	wantFailure(t, try("2001:db8:1:2:ffff::2", post, secret), http.StatusTooManyRequests, reason.LimitBadSecrets)
	if e := try("2001:db8:1:2::1", public, ""); e != nil {
		t.Errorf("another client of the address: %v", e)
	}
}

func TestSuccessesAreNotCounted(t *testing.T) {
	t.Parallel()
	try, _, secret := bounded(t)
	for range 100 {
		if e := try("192.0.2.1", post, secret); e != nil {
			t.Fatal(e)
		}
	}
	wantFailure(t, try("192.0.2.1", post, "wrong"), http.StatusUnauthorized, reason.ClientBadSecret)
}

func TestClientsThatDoNotExistLeaveNoTrace(t *testing.T) {
	t.Parallel()
	try, _, secret := bounded(t)
	for range 3 {
		_ = try("192.0.2.1", post, "wrong")
	}
	for i := range 1000 { // ten times what the memory holds
		wantFailure(t, try("192.0.2.1", "lmcl_"+strconv.Itoa(i), "wrong"), http.StatusUnauthorized, reason.ClientUnknown)
	}
	wantFailure(t, try("192.0.2.1", post, secret), http.StatusTooManyRequests, reason.LimitBadSecrets)
}

func TestParallelFailuresAreTakenForWhatTheyAre(t *testing.T) {
	t.Parallel()
	try, _, _ := bounded(t)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		counts = map[reason.Reason]int{}
	)
	for range 50 {
		wg.Go(func() {
			e := try("192.0.2.1", post, "wrong")
			mu.Lock()
			defer mu.Unlock()
			counts[e.Reason]++
		})
	}
	wg.Wait()
	if counts[reason.ClientBadSecret] != 3 || counts[reason.LimitBadSecrets] != 47 {
		t.Errorf("%v, want 3 that learnt that they were wrong", counts)
	}
}
