package grant

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// lockWait is how long a request waits for others of the same family before it
// is told to come back.
const lockWait = 2 * time.Second

// locks hold one place per key. Requests for one family queue here, inside the
// process, and not as waiting transactions of the store. The zero value is
// ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	place chan struct{} // holds a value while taken
	users int           // holder and waiters; guarded by locks.mu
}

// take waits for the place of key and returns how to give it back. The error
// is store.ErrUnavailable when the wait is too long or ctx ends.
func (l *locks) take(ctx context.Context, key string) (release func(), err error) {
	k := l.join(key)
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	select {
	case k.place <- struct{}{}:
		return func() { <-k.place; l.leave(key, k) }, nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, fmt.Errorf("wait for other requests of the family: %w: %w", store.ErrUnavailable, ctx.Err())
	}
}

func (l *locks) join(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key]
	if k == nil {
		if l.held == nil {
			l.held = make(map[string]*lock)
		}
		k = &lock{place: make(chan struct{}, 1)}
		l.held[key] = k
	}
	k.users++
	return k
}

func (l *locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
