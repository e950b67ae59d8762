package appstore

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Fault says how one route misbehaves. Calls are verified all the same, and a
// refused call is answered with its refusal.
type Fault struct {
	// Status answers with this status and Body, and the route does nothing.
	// 0 lets the route act and answer.
	Status int
	// Body is sent as it is, as application/json. Used with Status.
	Body string
	// Header is added to the answer. Used with Status.
	Header http.Header
	// Delay holds the answer back for so long after the route has acted.
	Delay time.Duration
	// Hold holds the answer back until the channel is closed, after the route
	// has acted.
	Hold <-chan struct{}
	// Drop closes the connection in place of an answer, after the route has
	// acted: what was written stays written.
	Drop bool
	// Times is for how many calls the fault holds. 0: until it is cleared.
	Times int
}

// Faults makes the backend misbehave. It is safe for concurrent use.
type Faults struct {
	// Down answers every request with 503, before anything else.
	Down atomic.Bool

	mu     sync.Mutex
	routes map[Route]Fault
}

// Set makes a route misbehave, in place of its fault so far.
func (f *Faults) Set(route Route, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.routes == nil {
		f.routes = make(map[Route]Fault)
	}
	f.routes[route] = fault
}

// Clear ends the faults of all routes and brings the backend up.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.routes)
	f.Down.Store(false)
}

// take returns the fault for one call of a route. Without one it is zero.
func (f *Faults) take(route Route) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, ok := f.routes[route]
	if !ok || fault.Times == 0 {
		return fault
	}
	left := fault
	left.Times--
	if left.Times == 0 {
		delete(f.routes, route)
	} else {
		f.routes[route] = left
	}
	return fault
}
