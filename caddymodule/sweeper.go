package caddymodule

import (
	"context"
	"log/slog"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

const (
	// sweepEvery is how often rows past their use are deleted.
	sweepEvery = time.Minute
	// sweepLimit bounds the rows of each kind in one transaction, so that a
	// sweep never holds up a sign-in.
	sweepLimit = 200
	// sweepTimeout bounds one transaction.
	sweepTimeout = 10 * time.Second
)

// sweeper deletes rows past their use, as long as the store is open.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startSweeper starts one. removed, when not nil, is told how many clients that
// nobody had ever approved were deleted. books, which may be nil, are kept of all
// that is deleted and, at the beginning and after every sweep, of what is left.
func startSweeper(s store.Sweeper, now clock.Clock, log *slog.Logger, removed func(clients int), books *census) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	w := &sweeper{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		books.take(ctx)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if clients := sweepAll(ctx, s, now, log, books); clients > 0 && removed != nil {
					removed(clients)
				}
				books.take(ctx)
			}
		}
	}()
	return w
}

// stop ends the sweeper and waits for it. It does nothing on a nil sweeper.
func (w *sweeper) stop() {
	if w == nil {
		return
	}
	w.cancel()
	<-w.done
}

// sweepAll deletes in steps until a step finds less than it may delete, and
// says how many clients were deleted.
func sweepAll(ctx context.Context, s store.Sweeper, now clock.Clock, log *slog.Logger, books *census) (clients int) {
	for ctx.Err() == nil {
		step, cancel := context.WithTimeout(ctx, sweepTimeout)
		swept, err := s.Sweep(step, now.Now(), sweepLimit)
		cancel()
		books.swept(swept) // with an error, what was deleted before it
		if err != nil {
			if ctx.Err() == nil {
				log.WarnContext(ctx, "deleting expired rows; trying again in a minute", "error", err)
			}
			return clients
		}
		clients += swept.Clients
		if swept.Most() < sweepLimit {
			return clients
		}
	}
	return clients
}
