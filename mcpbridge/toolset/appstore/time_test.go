package appstore_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

// slow is a backend whose answers take their time.
type slow struct {
	user  time.Duration // of saying who the person is
	read  time.Duration // of each read
	write time.Duration
	posts chan time.Duration // how long the context of a write still lasts; 0: without end
}

func (s *slow) Do(ctx context.Context, r *backend.Request) ([]byte, error) {
	wait := s.read
	if r.Method != http.MethodGet {
		wait = s.write
		left := time.Duration(0)
		if end, ok := ctx.Deadline(); ok {
			left = time.Until(end)
		}
		s.posts <- left
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, &backend.Error{Kind: backend.Timeout, Cause: ctx.Err()}
	}
	switch path := strings.Join(r.Path, "/"); {
	case strings.HasSuffix(path, "/settings"):
		return []byte(settings("DIRECT_TO_USER", false, `[]`, `null`, `null`).body), nil
	case path == "appstore/access_request":
		return []byte("[" + accessRequest("req-9", "me", "hub", "PENDING") + "]"), nil
	case path == "appstore/access_requests":
		return []byte(page().body), nil
	}
	return []byte(hub), nil
}

func (s *slow) CurrentUser(ctx context.Context, _ backend.Person) (backend.User, error) {
	select {
	case <-time.After(s.user):
	case <-ctx.Done():
		return backend.User{}, &backend.Error{Kind: backend.Timeout, Cause: ctx.Err()}
	}
	return backend.User{ID: "me"}, nil
}

func newSlow(t *testing.T, s *slow) *appstore.Set {
	t.Helper()
	s.posts = make(chan time.Duration, 10)
	set, err := appstore.New(appstore.Config{Backend: s, Ledger: newLedger(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const submission = `{"app_id":"hub","justification":"On call"}`

func TestAllReadsOfACallTogetherTakeAtMostTenSeconds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, tool, arguments string }{
		{"a read tool", "get_app", `{"app_id":"hub"}`},
		{"what a write tool reads first", submit, submission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{read: 9 * time.Second} // each alone would be in time
				set := newSlow(t, s)
				began := time.Now()
				got := run(t.Context(), set, tt.tool, tt.arguments)
				if got.Code != "backend_timeout" || got.WriteOutcome != "" || time.Since(began) != 10*time.Second || len(s.posts) != 0 {
					t.Errorf("%+v after %v and %d writes", got, time.Since(began), len(s.posts))
				}
			})
		})
	}
}

func TestTheWriteItselfHasTheBackendsDeadlineOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{read: 4 * time.Second, write: 29 * time.Second}
		got := run(t.Context(), newSlow(t, s), submit, submission)
		if left := <-s.posts; got.WriteOutcome != "created" || left != 0 {
			t.Errorf("%+v, the write had %v left", got, left)
		}
	})
}

func TestWaitingForAnotherSubmissionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{write: time.Hour}
		set := newSlow(t, s)
		first := make(chan string)
		go func() { first <- run(t.Context(), set, submit, submission).WriteOutcome }()
		synctest.Wait() // the first one is writing
		began := time.Now()
		got := run(t.Context(), set, submit, submission)
		if got.Code != "busy" || got.WriteOutcome != "" || time.Since(began) != 10*time.Second {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
		if other := run(t.Context(), set, submit, `{"app_id":"wiki","justification":"x"}`); other.Code == "busy" {
			t.Error("another app waits too")
		}
		if outcome := <-first; outcome != "created" || len(s.posts) != 2 {
			t.Errorf("%s after %d writes", outcome, len(s.posts))
		}
	})
}

func TestFindingOutWhoAsksIsPartOfWaitingForTheTurn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		user time.Duration
		code string
		took time.Duration
	}{
		{"in time", 9 * time.Second, "", 9 * time.Second},
		{"too late", 11 * time.Second, "backend_timeout", 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{user: tt.user}
				set := newSlow(t, s)
				p := principal()
				p.UserID = ""
				began := time.Now()
				got := set.Call(t.Context(), &toolset.Call{Tool: submit, Arguments: []byte(submission), Principal: p, RequestID: "txn-1"})
				if took := time.Since(began); got.Code != tt.code || took != tt.took {
					t.Errorf("%+v after %v", got, took)
				}
			})
		})
	}
}

// TestNoCallTakesLongerThanMaxCall makes the slowest submission there is: it
// waits almost as long as it may, and so it goes on.
func TestNoCallTakesLongerThanMaxCall(t *testing.T) {
	t.Parallel()
	const nearly = time.Millisecond // less than a limit
	slowest := func() *slow { return &slow{read: 5*time.Second - nearly, write: backend.DefaultWriteDeadline} }
	check := func(t *testing.T, set *appstore.Set, arguments string) {
		t.Helper()
		began := time.Now()
		got := run(t.Context(), set, submit, arguments)
		if took := time.Since(began); got.WriteOutcome != "created" || took > appstore.MaxCall || took < appstore.MaxCall-time.Second {
			t.Errorf("%s %s after %v; no call should take longer than %v", got.WriteOutcome, got.Code, took, appstore.MaxCall)
		}
	}
	t.Run("behind another one of the app", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slowest()
			set := newSlow(t, s)
			first := make(chan string)
			go func() { first <- run(t.Context(), set, submit, submission).WriteOutcome }()
			// It holds its turn for two reads and the write.
			time.Sleep(2*s.read + s.write - (10*time.Second - nearly))
			check(t, set, submission)
			if outcome := <-first; outcome != "created" {
				t.Errorf("the other one: %s", outcome)
			}
		})
	})
	t.Run("behind one under its key that comes to nothing, and another one of the app", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const keyed = `{"app_id":"hub","justification":"On call","idempotency_key":"k"}`
			s := slowest()
			set := newSlow(t, s)
			holds, waits := make(chan string, 1), make(chan string, 1)
			go func() { holds <- run(t.Context(), set, submit, submission).WriteOutcome }()
			time.Sleep(2*s.read + s.write - (10*time.Second + nearly))
			go func() { waits <- run(t.Context(), set, submit, keyed).Code }()
			time.Sleep(2 * nearly)
			check(t, set, keyed)
			if outcome, code := <-holds, <-waits; outcome != "created" || code != "busy" {
				t.Errorf("the others: %s, %s", outcome, code)
			}
		})
	})
}

func TestWaitingForTheFirstCallUnderAKeyEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keyed = `{"app_id":"hub","justification":"On call","idempotency_key":"k"}`
		s := &slow{write: time.Hour}
		set := newSlow(t, s)
		first := make(chan string)
		go func() { first <- run(t.Context(), set, submit, keyed).WriteOutcome }()
		synctest.Wait() // the first one is writing
		began := time.Now()
		got := run(t.Context(), set, submit, keyed)
		if took := time.Since(began); got.Code != "idempotency_key_busy" || got.WriteOutcome != "" || took > appstore.MaxCall {
			t.Errorf("%+v after %v", got, took)
		}
		if outcome := <-first; outcome != "created" || len(s.posts) != 1 {
			t.Errorf("%s after %d writes", outcome, len(s.posts))
		}
	})
}

func TestACallThatWaitedLongForANothingSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keyed = `{"app_id":"hub","justification":"On call","idempotency_key":"k"}`
		s := &slow{user: 9 * time.Second, read: 10 * time.Second} // who asks is found out, then the reads time out
		set := newSlow(t, s)
		call := func() string {
			p := principal()
			p.UserID = ""
			return set.Call(t.Context(), &toolset.Call{Tool: submit, Arguments: []byte(keyed), Principal: p, RequestID: "txn-1"}).Code
		}
		first := make(chan string)
		go func() { first <- call() }()
		synctest.Wait()
		if code := call(); code != "idempotency_key_busy" || len(s.posts) != 0 {
			t.Errorf("%s after %d writes", code, len(s.posts))
		}
		if code := <-first; code != "backend_timeout" {
			t.Errorf("the first one: %s", code)
		}
	})
}
