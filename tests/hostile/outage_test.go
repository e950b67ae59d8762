package hostile_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"

	_ "modernc.org/sqlite" // to hold the lock of the gateway's database

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/robot"
)

// TestAStoreThatCannotWriteIsAnOutageAndNoRefusal holds the write lock of the
// database, as a backup that hangs would. Answers must be 503 with Retry-After:
// any other error makes assistants throw their registration or their grant away
// (RFC 7009 §2.2.1; FastMCP issue 1919).
func TestAStoreThatCannotWriteIsAnOutageAndNoRefusal(t *testing.T) {
	w := start(t)
	a := w.register(t)
	tokens := w.connect(t, a, "member", readScope)
	revoked := w.connect(t, a, "member", readScope)
	code := w.approve(t, a)
	browser := w.person("member")
	address, _ := a.AuthorizationURL(readScope, nil)
	consent := choices(t, consentPage(t, browser, address))

	release := w.holdWrites(t)
	for _, c := range []struct {
		name string
		send func() assistant.Answer
	}{
		{"a refresh", func() assistant.Answer { return w.refresh(t, a, tokens.RefreshToken) }},
		{"a redemption", func() assistant.Answer { return w.post(t, "/token", redemption(a, code)) }},
		{"a revocation", func() assistant.Answer { return w.revoke(t, a, revoked.RefreshToken) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := c.send()
			refused(t, answer, http.StatusServiceUnavailable, "temporarily_unavailable")
			retryAfter(t, answer.Header)
		})
	}
	t.Run("an approval", func(t *testing.T) {
		page := must(t, func() (*robot.Page, error) { return browser.Submit(t.Context(), consent, approveIt) })
		if page.Status != http.StatusServiceUnavailable || page.Next != "" {
			t.Errorf("got %d, on to %q", page.Status, page.Next)
		}
		retryAfter(t, page.Header)
	})
	t.Run("a sign-in", func(t *testing.T) {
		callback, err := w.person("admin").Authorize(t.Context(), address)
		if err == nil {
			t.Errorf("the client was told %v", callback)
		}
	})
	t.Run("a call reads and goes on", func(t *testing.T) { w.alive(t, "the access token", tokens.AccessToken) })
	release()

	t.Run("nothing was lost", func(t *testing.T) {
		if answer := w.refresh(t, a, tokens.RefreshToken); answer.Status != http.StatusOK {
			t.Errorf("the refresh token: %d %s", answer.Status, answer.Body)
		}
		if answer := w.post(t, "/token", redemption(a, code)); answer.Status != http.StatusOK {
			t.Errorf("the code: %d %s", answer.Status, answer.Body)
		}
		w.alive(t, "the token that was not revoked", revoked.AccessToken)
		if answer := w.revoke(t, a, revoked.RefreshToken); answer.Status != http.StatusOK {
			t.Errorf("the revocation: %d %s", answer.Status, answer.Body)
		}
		w.dead(t, "the token that is revoked now", revoked.AccessToken)
		if codeOf(t, must(t, func() (*robot.Page, error) { return browser.Submit(t.Context(), consent, approveIt) })) == "" {
			t.Error("the approval is gone")
		}
	})
}

var approveIt = url.Values{"decision": {"approve"}}

func retryAfter(t testing.TB, h http.Header) {
	t.Helper()
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After: %q", h.Get("Retry-After"))
	}
}

// holdWrites takes the write lock of the gateway's database until release.
func (w *world) holdWrites(t *testing.T) (release func()) {
	t.Helper()
	path := filepath.Join(w.Stack.Data, "edge.db")
	db := must(t, func() (*sql.DB, error) {
		return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw&_pragma=busy_timeout(5000)"}).String())
	})
	db.SetMaxOpenConns(1)
	ctx := context.WithoutCancel(t.Context())
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := db.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
