package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The two races below have no seam outside the package.

func TestATurnThatComesAsItsWaiterGivesUpIsNotLost(t *testing.T) {
	for range 100 {
		var queue turns
		if _, err := queue.await(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		outcome := make(chan error)
		go func() {
			_, err := queue.await(ctx)
			outcome <- err
		}()
		for queued := 0; queued == 0; runtime.Gosched() {
			queue.mu.Lock()
			queued = queue.queue.Len()
			queue.mu.Unlock()
		}
		// The waiter cannot leave before the lock is free, and then it is too late.
		queue.mu.Lock()
		cancel()
		granted := queue.grant(nil)
		queue.mu.Unlock()
		if err := <-outcome; !granted || err != nil {
			t.Fatalf("granted is %v and the waiter left with %v", granted, err)
		}
	}
}

func TestOneMigratesAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db.lock")
	log := slog.New(slog.DiscardHandler)
	unlock, err := lockMigration(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if second, err := lockMigration(ctx, path, log); err == nil {
		second()
		t.Error("two have the lock")
	} else if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("the second did not wait: %v", err)
	}
	unlock()
	third, err := lockMigration(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	third()
}

func TestCountsThatGrowWithTimeUseAnIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, q := range []struct {
		of    *statement
		index string
	}{
		{countLive, "families_by_end"}, {countSealed, "generations_sealed"}, {endedCodes, "codes_by_end"}, {countTokens, "access_tokens_"},
	} {
		var plan strings.Builder
		rows, err := s.open.Load().readers.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.of.text, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(detail + "; ")
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan.String(), q.index) {
			t.Errorf("%s: %s", q.of.op, &plan)
		}
	}
}
