package assertion

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// MaxSeen is how many assertions a Replay remembers. More than that within one
// window, over a thousand a second for ReplayWindow, push out the oldest.
const MaxSeen = 1 << 17

// Replay remembers which assertions were accepted, so that each is accepted once.
// Only verified ones get in: a stranger cannot push others out. It is one
// process's memory; it is safe for concurrent use and may serve several Verifiers
// of one issuer and audience.
type Replay struct {
	mu     sync.Mutex
	window time.Duration
	seen   *simplelru.LRU[string, time.Time]
}

// NewReplay returns a Replay that remembers for window, at least ReplayWindow.
func NewReplay(window time.Duration) (*Replay, error) {
	if window < ReplayWindow {
		return nil, fmt.Errorf("assertion: a replay window of %v is shorter than %v, for which an assertion is accepted", window, ReplayWindow)
	}
	seen, err := simplelru.NewLRU[string, time.Time](MaxSeen, nil)
	if err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	return &Replay{window: window, seen: seen}, nil
}

// Extend makes the window at least that long.
func (r *Replay) Extend(window time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window = max(r.window, window)
}

// firstUse says whether id may be used now, and remembers it.
func (r *Replay) firstUse(id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, seen := r.seen.Get(id); seen && now.Sub(at) < r.window {
		return false
	}
	r.seen.Add(id, now)
	// What is past its time makes room, so that memory follows the traffic.
	for range 2 {
		oldest, at, some := r.seen.GetOldest()
		if !some || now.Sub(at) < r.window {
			break
		}
		r.seen.Remove(oldest)
	}
	return true
}
