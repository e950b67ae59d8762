package caddymodule

import (
	"sync"
	"sync/atomic"
)

// inFlight counts the requests that run on one configuration, so that nothing
// is closed under them. It has no lock, since every request passes here.
type inFlight struct {
	// state is twice the number of requests, plus one once closing.
	state atomic.Int64
	once  sync.Once
	idle  chan struct{}
}

func newInFlight() *inFlight { return &inFlight{idle: make(chan struct{})} }

// enter says whether a request may begin; if so, leave must be called at its end.
func (f *inFlight) enter() bool {
	if f.state.Add(2)&1 == 1 {
		f.leave()
		return false
	}
	return true
}

// leave ends a request.
func (f *inFlight) leave() {
	if f.state.Add(-2) == 1 {
		f.signal()
	}
}

// close lets no further request begin and returns a channel that is closed when
// the last one has ended.
func (f *inFlight) close() <-chan struct{} {
	if f.state.Or(1)|1 == 1 {
		f.signal()
	}
	return f.idle
}

func (f *inFlight) signal() { f.once.Do(func() { close(f.idle) }) }
