package limit

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// MaxBuckets is in how many buckets one event may count.
const MaxBuckets = 2

// Bucket is one of the buckets that an event counts in.
type Bucket struct {
	// Key names it. Keys that begin with the same text in braces, as in
	// "{acme.com}", are kept at one place, so that one event can count in all.
	Key  string
	Rate Rate
}

// Buckets are those of one event, each with a key of its own. A place whose rate
// limits nothing is left out. It is an array and goes by value, so that asking
// an engine allocates nothing.
type Buckets [MaxBuckets]Bucket

// Verdicts are the answers of the buckets in the same places. Remaining and
// Reset of a bucket that would have let the event pass, while another did not,
// are those without the event.
type Verdicts [MaxBuckets]Verdict

// OK says that the event may happen. If not, it was counted nowhere.
func (v Verdicts) OK() bool {
	for i := range v {
		if !v[i].OK {
			return false
		}
	}
	return true
}

// Engine counts events in several buckets at once, by its own clock: in all of
// them or, if one refuses, in none. It is safe for concurrent use.
type Engine interface {
	// Take counts one event. It has always an answer, and has it soon: what an
	// engine depends on may fail, but the limits then neither end nor shut.
	Take(ctx context.Context, b Buckets) Verdicts
	// Close ends what the engine began. Nothing may be taken after it.
	Close() error
}

// Local is the Engine of one process.
type Local struct {
	memory *Memory
	clock  clock.Clock
}

// NewLocal returns an engine for size keys, 0 meaning DefaultSize. A nil clock
// is clock.System. It fails for a negative size.
func NewLocal(size int, c clock.Clock) (*Local, error) {
	memory, err := NewMemory(size)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = clock.System
	}
	return &Local{memory: memory, clock: c}, nil
}

// Take implements Engine.
func (l *Local) Take(_ context.Context, b Buckets) Verdicts {
	return l.memory.TakeAll(&b, l.clock.Now())
}

// Close implements Engine.
func (*Local) Close() error { return nil }

// TakeAll counts an event at now in all buckets, if the rates of all allow it,
// and in none if one does not.
func (m *Memory) TakeAll(b *Buckets, now time.Time) (v Verdicts) {
	var states [MaxBuckets]state
	m.mu.Lock()
	defer m.mu.Unlock()
	events := time.Duration(1)
	for i := range b {
		if states[i] = m.look(b[i].Key, b[i].Rate, now.UnixNano()); states[i].wait() > 0 {
			events = 0
		}
	}
	for i := range b {
		v[i] = states[i].take(events)
		if s := &states[i]; s.fresh && events > 0 {
			m.buckets.Add(b[i].Key, s.bucket)
		}
	}
	return v
}

// Interface guard.
var _ Engine = (*Local)(nil)
