package sqlite

import (
	"container/list"
	"context"
	"sync"
)

// turns hands the writer connection from one goroutine to the next, first come
// first served. With the turn goes the batch that is open on the connection, or
// nil. It is not a channel, because who hands over must know that somebody
// takes: an open batch that nobody takes would never be committed.
type turns struct {
	mu    sync.Mutex
	taken bool
	queue list.List // of *waiter
}

// waiter is a goroutine in the queue. It is in the queue until it is granted
// the turn or leaves.
type waiter struct {
	turn    chan *batch // has room for one
	granted bool
}

// await returns with the turn, or with ctx's error and without it.
func (t *turns) await(ctx context.Context) (*batch, error) {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil, nil
	}
	w := &waiter{turn: make(chan *batch, 1)}
	place := t.queue.PushBack(w)
	t.mu.Unlock()

	select {
	case b := <-w.turn:
		return b, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.granted {
		// The turn came in the same moment and must be taken.
		return <-w.turn, nil
	}
	t.queue.Remove(place)
	return nil, ctx.Err()
}

// handOn gives the turn and the open batch b to the next in the queue. It
// reports false, and the turn stays, if there is none.
func (t *turns) handOn(b *batch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grant(b)
}

// release gives the turn up with no batch open.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.grant(nil) {
		t.taken = false
	}
}

// grant is called with mu held. It cannot block: turn has room.
func (t *turns) grant(b *batch) bool {
	next := t.queue.Front()
	if next == nil {
		return false
	}
	w := t.queue.Remove(next).(*waiter)
	w.granted = true
	w.turn <- b
	return true
}
