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
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

// slow is a backend whose answers take their time.
type slow struct {
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

func (s *slow) CurrentUser(context.Context, backend.Person) (backend.User, error) {
	return backend.User{ID: "me"}, nil
}

func newSlow(t *testing.T, s *slow) *appstore.Set {
	t.Helper()
	s.posts = make(chan time.Duration, 10)
	set, err := appstore.New(appstore.Config{Backend: s, Log: slog.New(slog.DiscardHandler)})
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
		if got.Code != "busy" || got.WriteOutcome != "" || time.Since(began) != 45*time.Second {
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
