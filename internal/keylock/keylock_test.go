package keylock_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamlumos/mcp-edge/internal/keylock"
)

func take(t *testing.T, l *keylock.Locks, key string) (release func()) {
	t.Helper()
	release, err := l.Take(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestOnlyOneHoldsAKeyAtATime(t *testing.T) {
	t.Parallel()
	var l keylock.Locks
	var wg sync.WaitGroup
	const keys, rounds = 3, 200
	var held [keys]int // unguarded but by the locks: the race detector looks too
	for i := range keys * 4 {
		wg.Go(func() {
			for range rounds {
				release, err := l.Take(t.Context(), strconv.Itoa(i%keys))
				if err != nil {
					t.Error(err)
					return
				}
				if held[i%keys]++; held[i%keys] != 1 {
					t.Errorf("%d hold one key", held[i%keys])
				}
				runtime.Gosched()
				held[i%keys]--
				release()
			}
		})
	}
	wg.Wait()
	if n := l.Len(); n != 0 {
		t.Errorf("%d keys are remembered that nobody uses", n)
	}
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	var l keylock.Locks
	a := take(t, &l, "a")
	b := take(t, &l, "b")
	if n := l.Len(); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	a()
	b()
	take(t, &l, "a")()
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		want error
		took time.Duration
	}{
		"by a deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2*time.Second)
		}, context.DeadlineExceeded, 2 * time.Second},
		"by cancelling": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l keylock.Locks
				release := take(t, &l, "k")
				ctx, cancel := tc.end(t.Context())
				defer cancel()
				began := time.Now()
				if _, err := l.Take(ctx, "k"); !errors.Is(err, tc.want) || time.Since(began) != tc.took {
					t.Errorf("got %v after %v", err, time.Since(began))
				}
				// Who gave up took nothing with them: the holder still holds, and the
				// next one gets it when it is given back.
				got := make(chan struct{})
				go func() {
					defer close(got)
					if next, err := l.Take(t.Context(), "k"); err == nil {
						next()
					}
				}()
				synctest.Wait()
				select {
				case <-got:
					t.Error("two hold the key")
				default:
				}
				release()
				<-got
				if n := l.Len(); n != 0 {
					t.Errorf("%d keys are remembered", n)
				}
			})
		})
	}
}

func TestAContextThatHasEndedTakesNothing(t *testing.T) {
	t.Parallel()
	var l keylock.Locks
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // a choice at random would take it sooner or later
		if _, err := l.Take(ctx, "k"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	if n := l.Len(); n != 0 {
		t.Errorf("%d keys are remembered", n)
	}
}

func TestGivingBackTwiceDoesNotFreeWhatAnotherHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l keylock.Locks
		first := take(t, &l, "k")
		next := make(chan func())
		go func() {
			release, err := l.Take(t.Context(), "k")
			if err != nil {
				t.Error(err)
			}
			next <- release
		}()
		synctest.Wait() // the other one waits for the same place
		first()
		second := <-next
		first()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Take(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("two hold the key: %v", err)
		}
		second()
		if n := l.Len(); n != 0 {
			t.Errorf("%d keys are remembered", n)
		}
	})
}
