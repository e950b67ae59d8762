package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/teamlumos/mcp-edge/authz/limit"
)

const (
	// tolerated is how many events in a row may go without an answer in time before
	// the server counts as down: one is a hiccup of either side.
	tolerated = 2
	// probeEvery is how often a server that is down is tried.
	probeEvery = 500 * time.Millisecond
)

// link is the connection to the server and whether it is of use. While it is
// not, no event waits for it, and one goroutine tries it again.
type link struct {
	option   rueidis.ClientOption
	script   *rueidis.Lua
	budget   time.Duration
	observer Observer
	log      *slog.Logger

	live  atomic.Pointer[rueidis.Client] // nil while the server is down
	slow  atomic.Int32                   // events without an answer in time, in a row
	ctx   context.Context                // of the goroutine that tries
	stop  context.CancelFunc
	tries sync.WaitGroup

	mu     sync.Mutex
	client rueidis.Client // nil until it connected once
	down   bool
	closed bool
}

func newLink(option rueidis.ClientOption, budget time.Duration, o Observer, log *slog.Logger) *link {
	l := &link{option: option, script: newScript(), budget: budget, observer: o, log: log}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// open tries once and goes on trying if that fails. It returns after wait at the
// latest.
func (l *link) open(ctx context.Context, wait time.Duration) {
	first := make(chan error, 1)
	l.tries.Go(func() { first <- l.try() })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case err = <-first:
	case <-timer.C:
		err = errSlow
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		l.rise(false)
		return
	}
	l.fall(err)
}

// up returns the client, or nil while the server is down.
func (l *link) up() rueidis.Client {
	if c := l.live.Load(); c != nil {
		return *c
	}
	return nil
}

// answered ends a row of events without an answer.
func (l *link) answered() {
	if l.slow.Load() != 0 {
		l.slow.Store(0)
	}
}

// failed says that an event got no answer: an error is believed at once, and no
// answer in time when it happens again and again.
func (l *link) failed(err error) {
	if errors.Is(err, errSlow) && l.slow.Add(1) <= tolerated {
		return
	}
	l.fall(err)
}

// fall stops asking the server, and begins to try it.
func (l *link) fall(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || l.closed {
		return
	}
	l.down = true
	l.live.Store(nil)
	l.observer.Shared(false)
	l.log.Warn("the shared limiter does not answer: this gateway holds the limits by itself until it does", "error", err)
	l.tries.Go(l.tryUntilUp)
}

// rise asks the server again. It is quiet about a server that was never down.
func (l *link) rise(wasDown bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.down = false
	l.slow.Store(0)
	l.live.Store(&l.client)
	l.observer.Shared(true)
	if wasDown {
		l.log.Info("the shared limiter answers again")
	}
}

func (l *link) tryUntilUp() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		}
		if l.try() == nil {
			l.rise(true)
			return
		}
	}
}

// probe is counted in a bucket that nothing else counts in. What is tried is
// what is needed: a server that is a replica, full or still loading answers a
// ping.
var probe = limit.Buckets{{Key: "{probe}", Rate: limit.Rate{Events: 1000, Per: time.Second, Burst: 1000}}}

// try connects, if that was never done, and counts once, within the budget.
func (l *link) try() error {
	l.mu.Lock()
	client := l.client
	l.mu.Unlock()
	if client == nil {
		var err error
		if client, err = rueidis.NewClient(l.option); err != nil {
			return err
		}
		l.mu.Lock()
		if l.client == nil {
			l.client = client
		} else { // the first try, which was given up waiting for, has come back
			client.Close()
			client = l.client
		}
		l.mu.Unlock()
	}
	// A connection that has to be made first does not show how fast the server is.
	if _, err := ask(l.ctx, client, l.script, &probe); err != nil {
		return err
	}
	began := time.Now()
	_, err := ask(l.ctx, client, l.script, &probe)
	if err == nil && time.Since(began) > l.budget {
		err = errSlow
	}
	return err
}

// close ends everything and waits for it.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.live.Store(nil)
	l.mu.Unlock()
	l.stop()
	l.tries.Wait()
	if l.client != nil {
		l.client.Close()
	}
}
