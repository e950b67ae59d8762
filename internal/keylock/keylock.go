package keylock

import (
	"context"
	"sync"
)

// Locks hold one place per key. The zero value is ready; it must not be copied
// after first use. It is safe for concurrent use.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	place chan struct{} // holds a value while taken
	users int           // the holder and those who wait; guarded by Locks.mu
}

// Take waits for the place of key and returns how to give it back; giving it
// back twice is the same as once. The caller bounds the wait by ctx, and the
// error is that of ctx. A ctx that has ended takes nothing, also where the
// place is free.
//
// Who waits longest is not always next, and a holder that takes its own key
// again waits for itself.
func (l *Locks) Take(ctx context.Context, key string) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := l.join(key)
	select {
	case k.place <- struct{}{}:
		return sync.OnceFunc(func() {
			<-k.place
			l.leave(key, k)
		}), nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, ctx.Err()
	}
}

func (l *Locks) join(key string) *lock {
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

// leave forgets a key that nobody uses any more. While anybody uses it the
// entry stays, so that all of them mean the same place.
func (l *Locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
