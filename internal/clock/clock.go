// Package clock is the one source of the current time.
//
// Owns: the Clock interface, the system clock and a settable clock for tests.
// Does not own: timers; code that must wait uses contexts and the standard library.
// Trust: the system clock is trusted to be within a minute of real time.
package clock

import (
	"sync"
	"time"
)

// Clock tells the current time. Every expiry, lifetime and audit timestamp is
// computed from it, so that tests can move time instead of waiting for it.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
}

// System is the machine's clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

// Fake is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Fake struct {
	mu  sync.RWMutex
	now time.Time
}

// NewFake returns a clock that shows now.
func NewFake(now time.Time) *Fake { return &Fake{now: now} }

// Now returns the time that the clock shows.
func (f *Fake) Now() time.Time {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.now
}

// Advance moves the clock by d, which may be negative.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// Set moves the clock to now.
func (f *Fake) Set(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now
}
