package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
)

// batchOf runs updates that queue up behind each other, in the order given, and
// returns their errors.
func batchOf(t *testing.T, s *sqlite.Store, updates ...func(ctx context.Context, tx store.Tx) error) []error {
	t.Helper()
	release := s.HoldTurn()
	errs := make([]error, len(updates))
	var group sync.WaitGroup
	for i, fn := range updates {
		group.Go(func() {
			errs[i] = s.Update(t.Context(), func(tx store.Tx) error { return fn(t.Context(), tx) })
		})
		for s.Queue()() <= i {
			runtime.Gosched()
		}
	}
	release()
	group.Wait()
	return errs
}

// client returns an update that creates a client.
func client(id string) func(context.Context, store.Tx) error {
	return func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, store.Client{ID: id}) }
}

func TestUpdatesThatQueueUpShareOneCommit(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	errs := batchOf(t, s, client("first"), client("second"), func(ctx context.Context, tx store.Tx) error {
		for _, id := range []string{"first", "second"} {
			if _, err := tx.Client(ctx, id); err != nil {
				t.Errorf("the third does not see the %s: %v", id, err)
			}
			if _, err := s.Client(ctx, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("others see the %s before the commit: %v", id, err)
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"first", "second"} {
		if _, err := s.Client(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestABatchHasAnEnd(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	var updates []func(context.Context, store.Tx) error
	for i := range 64 {
		updates = append(updates, client(fmt.Sprint(i)))
	}
	updates = append(updates, func(ctx context.Context, _ store.Tx) error {
		_, err := s.Client(ctx, "0") // outside: committed
		return err
	})
	if err := errors.Join(batchOf(t, s, updates...)...); err != nil {
		t.Error(err)
	}
}

func TestAFailureInABatchUndoesItsOwnUpdateOnly(t *testing.T) {
	mine := errors.New("mine")
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	errs := batchOf(t, s, client("first"),
		func(ctx context.Context, tx store.Tx) error { return errors.Join(client("second")(ctx, tx), mine) },
		func(ctx context.Context, tx store.Tx) error {
			if _, err := tx.Client(ctx, "second"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the third sees what the second undid: %v", err)
			}
			return client("third")(ctx, tx)
		})
	if errs[0] != nil || !errors.Is(errs[1], mine) || errs[2] != nil {
		t.Errorf("errors are %v", errs)
	}
	for id, want := range map[string]error{"first": nil, "second": store.ErrNotFound, "third": nil} {
		if _, err := s.Client(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
}

func TestWhenTheCommitFailsNobodyIsToldOtherwise(t *testing.T) {
	mine := errors.New("mine")
	for name, fault := range map[string]func(ctx context.Context, tx store.Tx) error{
		"at the commit": func(ctx context.Context, tx store.Tx) error {
			return errors.Join(
				sqlite.ExecIn(ctx, tx, "PRAGMA defer_foreign_keys = ON"),
				tx.CreateSession(ctx, store.Session{UserID: "nobody"}))
		},
		"in a statement, for all": func(ctx context.Context, tx store.Tx) error {
			return sqlite.ExecIn(ctx, tx, "no SQL")
		},
		"by the loss of the transaction, even if it is hidden": func(ctx context.Context, tx store.Tx) error {
			_ = sqlite.ExecIn(ctx, tx, "ROLLBACK")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
			errs := batchOf(t, s,
				client("first"),
				// It refuses because of what the first did, which never was.
				func(ctx context.Context, tx store.Tx) error {
					if _, err := tx.Client(ctx, "first"); err != nil {
						return err
					}
					return mine
				},
				fault)
			for i, err := range errs {
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, mine) {
					t.Errorf("update %d: error is %v, want unavailable", i, err)
				}
			}
			if _, err := s.Client(t.Context(), "first"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the first was stored: %v", err)
			}
			if err := createClient(t.Context(), s, "first"); err != nil {
				t.Errorf("the store did not recover: %v", err)
			}
		})
	}
}

func TestACallerWhoGivesUpLeavesTheQueue(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	release := s.HoldTurn()
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error), make(chan error)
	go func() { left <- createClient(ctx, s, "left") }()
	for s.Queue()() < 1 {
		runtime.Gosched()
	}
	go func() { stayed <- createClient(t.Context(), s, "stayed") }()
	for s.Queue()() < 2 {
		runtime.Gosched()
	}
	cancel()
	if err := <-left; !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want both unavailable and cancelled", err)
	}
	if n := s.Queue()(); n != 1 {
		t.Errorf("%d wait, want 1", n)
	}
	release()
	if err := <-stayed; err != nil {
		t.Error(err)
	}
	if _, err := s.Client(t.Context(), "left"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the update ran although its caller had left: %v", err)
	}
}

// What a caller does after an update, such as making cached answers
// unreachable, must come after the commit, also when the caller's request has
// ended meanwhile.
func TestAnUpdateThatRanReturnsAfterItsCommitAlthoughItsCallerHasLeft(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	ctx, cancel := context.WithCancel(t.Context())
	release := s.HoldTurn()
	returned, blocked := make(chan error, 1), make(chan struct{})
	go func() {
		returned <- s.Update(ctx, func(tx store.Tx) error { return tx.CreateClient(ctx, store.Client{ID: "first"}) })
	}()
	for s.Queue()() < 1 {
		runtime.Gosched()
	}
	reached, second := make(chan struct{}), make(chan error, 1)
	go func() {
		second <- s.Update(t.Context(), func(store.Tx) error {
			close(reached) // the first has run and waits for the commit that comes after this
			<-blocked
			return nil
		})
	}()
	for s.Queue()() < 2 {
		runtime.Gosched()
	}
	release()
	<-reached
	cancel()
	select {
	case err := <-returned:
		t.Errorf("returned %v before the commit", err)
	case <-time.After(50 * time.Millisecond): // long enough for a caller that does not wait
	}
	close(blocked)
	if err := errors.Join(<-returned, <-second); err != nil {
		t.Error(err)
	}
	if _, err := s.Client(t.Context(), "first"); err != nil {
		t.Errorf("it returned and is not committed: %v", err)
	}
}

func TestTheWaitForTheWriteLockIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	other := migrated(t, path)
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v, want unavailable and no fault of the caller's context", err)
		}
	}
	t.Run("behind an update of this process", func(t *testing.T) {
		release := s.HoldTurn()
		refused(t, createClient(t.Context(), s, "c"))
		release()
	})
	t.Run("behind another process", func(t *testing.T) {
		err := other.Update(t.Context(), func(store.Tx) error {
			refused(t, createClient(t.Context(), s, "c"))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("and over when the lock is free", func(t *testing.T) {
		// On a busy machine the short wait may pass for other reasons; not for ever.
		var err error
		for range 100 {
			if err = createClient(t.Context(), s, "c"); !errors.Is(err, store.ErrUnavailable) {
				break
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func TestNoTurnIsLostWhenCallersGiveUpAtAnyMoment(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%2 == 0 {
				go cancel()
			}
			err := createClient(ctx, s, fmt.Sprint(i))
			if i%2 == 1 && err != nil {
				t.Errorf("update %d: %v", i, err)
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("update %d: %v, want cancelled", i, err)
			}
		})
	}
	group.Wait()
	if n := s.Queue()(); n != 0 {
		t.Errorf("%d still wait", n)
	}
	if err := createClient(t.Context(), s, "last"); err != nil {
		t.Error(err)
	}
}

func TestAGoroutineThatEndsInsideAnUpdateUndoesItAndGivesTheTurnOn(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = s.Update(t.Context(), func(tx store.Tx) error {
			_ = tx.CreateClient(t.Context(), store.Client{ID: "gone"})
			runtime.Goexit()
			return nil
		})
	}()
	<-gone
	if err := createClient(t.Context(), s, "next"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t.Context(), "gone"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its change was stored: %v", err)
	}
}

func TestCloseWaitsForTheOpenTransactionAndTurnsTheRestAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	queue := s.Queue()
	inside, goOn := make(chan struct{}), make(chan struct{})
	updated, closed := make(chan error, 1), make(chan error, 1)
	var finished atomic.Bool
	go func() {
		updated <- s.Update(t.Context(), func(tx store.Tx) error {
			close(inside)
			<-goOn
			defer finished.Store(true)
			return tx.CreateClient(t.Context(), store.Client{ID: "c"})
		})
	}()
	<-inside
	go func() {
		err := s.Close()
		if !finished.Load() {
			t.Error("close returned while a transaction was open")
		}
		closed <- err
	}()
	for queue() < 1 {
		runtime.Gosched()
	}
	close(goOn)
	if err := errors.Join(<-updated, <-closed); err != nil {
		t.Fatal(err)
	}
	if err := createClient(t.Context(), s, "late"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("update after close: %v, want unavailable", err)
	}
	again := migrated(t, path)
	if _, err := again.Client(t.Context(), "c"); err != nil {
		t.Errorf("what was open at the close is lost: %v", err)
	}
}
