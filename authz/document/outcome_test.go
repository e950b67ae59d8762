package document_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestEveryFetchIsToldOnceWithItsOutcome(t *testing.T) {
	var (
		mu   sync.Mutex
		told []document.Outcome
	)
	f := newFixture(t, func(f *fixture) {
		f.cfg.Observe = func(o document.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, o)
		}
	})
	later := func() { // no copy is fresh for longer than a day
		f.clock.Advance(25 * time.Hour)
		f.Refresh(t.Context())
	}
	f.host.publish(f.text(callback))
	f.client(t)
	f.client(t) // from the copy: no fetch
	later()
	f.host.publish(f.text(callback, "https://agent.example/second"))
	later()
	f.host.fail(http.StatusBadGateway)
	later()
	f.Refresh(t.Context()) // inside the minute in which it is not tried again
	f.host.publish(strings.Replace(f.text(callback), `"none"`, `"client_secret_post"`, 1))
	later()
	f.host.publish(f.text(callback))
	f.store.do(func(m *memory) { m.failing = store.ErrUnavailable })
	later()
	f.store.do(func(m *memory) { m.failing = nil })
	f.audit.Fail(errors.New("disk full"))
	later()

	want := []document.Outcome{
		document.First, document.Unchanged, document.Changed, document.Unreachable, document.Refused, document.Unavailable, document.Unavailable,
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	seen := map[document.Outcome]bool{}
	for _, o := range told {
		seen[o] = true
	}
	for _, o := range document.Outcomes() {
		if !seen[o] {
			t.Errorf("%s is listed and was not seen", o)
		}
	}
	if len(seen) != len(document.Outcomes()) {
		t.Errorf("%d outcomes were seen, %d are listed", len(seen), len(document.Outcomes()))
	}
}
