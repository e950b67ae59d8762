package limit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// DefaultSize is how many keys a Memory remembers by default, in about 10 MB
// when it is full.
const DefaultSize = 1 << 16

// skew is by how much two callers may disagree about the time, each having read
// the clock before its turn. A larger step back is a clock that was set.
const skew = time.Second

// Memory holds the buckets of one process. It is exact: of any number of
// callers at once, as many pass as the rate says. It is safe for concurrent use.
type Memory struct {
	// One lock: an event holds it for a map look-up and a few additions, 30 ns with
	// one core or two; several would make several, smaller memories with an order
	// each.
	mu      sync.Mutex
	buckets *simplelru.LRU[string, *bucket]
}

// bucket is the state of one key, in nanoseconds since 1970.
type bucket struct {
	full int64 // when the whole burst is there again: the theoretical arrival time
	seen int64 // the latest time at which it was looked at
}

// NewMemory returns a memory for size keys; 0 means DefaultSize. It fails for a
// negative size.
func NewMemory(size int) (*Memory, error) {
	if size == 0 {
		size = DefaultSize
	}
	buckets, err := simplelru.NewLRU[string, *bucket](size, nil)
	if err != nil {
		return nil, err
	}
	return &Memory{buckets: buckets}, nil
}

// Take counts an event of key at now, if the rate allows it.
//
// Nobody is locked out by a clock that is set back: a bucket then keeps its
// level. A rate that was changed applies at once; what was spent stays spent, up
// to the whole burst.
func (m *Memory) Take(key string, r Rate, now time.Time) Verdict {
	return m.decide(key, r, now, 1)
}

// Peek says what Take would, and counts nothing. It is for events of which one
// knows only afterwards whether they count, such as a wrong secret: whoever
// peeks must also heed the verdict of the Take that follows, since others may
// have peeked at the same time. Remaining is what is there without the event.
func (m *Memory) Peek(key string, r Rate, now time.Time) Verdict {
	return m.decide(key, r, now, 0)
}

func (m *Memory) decide(key string, r Rate, now time.Time, events time.Duration) Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.look(key, r, now.UnixNano())
	if s.fresh && events > 0 {
		m.buckets.Add(key, s.bucket) // a look leaves no trace, or it would push others out
	}
	return s.take(events)
}

// state is a bucket as one event finds it. The zero state is that of a rate that
// limits nothing.
type state struct {
	bucket           *bucket
	fresh            bool // not remembered yet
	at               int64
	late             time.Duration // by how much the caller's clock is behind at
	interval, window time.Duration
	spent            time.Duration
}

// look finds the bucket of key. The lock must be held until the state was taken
// from.
func (m *Memory) look(key string, r Rate, now int64) (s state) {
	if s.interval = r.Interval(); s.interval == 0 {
		return s
	}
	s.window = r.window(s.interval)
	b, ok := m.buckets.Get(key)
	if !ok {
		b, s.fresh = new(bucket), true
	}
	s.bucket, s.at = b, b.follow(now)
	s.late = time.Duration(s.at - now)
	// Kept also when the event is refused: the time to wait counts from here.
	b.full = min(max(b.full, s.at), s.at+int64(s.window))
	s.spent = time.Duration(b.full - s.at)
	return s
}

// wait is how long it takes until one event may pass; nothing or less if it may
// now.
func (s *state) wait() time.Duration { return s.spent + s.interval - s.window }

// take is the GCRA: each event moves the time at which the bucket is full again
// by one interval, and may do so as long as that time is at most a window away.
// Where it may, it moves by the given events, which may be none.
func (s *state) take(events time.Duration) Verdict {
	if s.bucket == nil {
		return Unlimited
	}
	if wait := s.wait(); wait > 0 {
		return Verdict{RetryAfter: s.late + wait, Reset: s.late + s.spent}
	}
	spent := s.spent + events*s.interval
	s.bucket.full = s.at + int64(spent)
	return Verdict{OK: true, Remaining: int((s.window - spent) / s.interval), Reset: s.late + spent}
}

// follow returns the time of the bucket, which a caller that read the clock
// earlier than another does not turn back, and moves the bucket with a clock
// that was set back.
func (b *bucket) follow(now int64) int64 {
	switch back := b.seen - now; {
	case back <= 0:
		b.seen = now
	case back > int64(skew):
		b.full -= back
		b.seen = now
	}
	return b.seen
}
