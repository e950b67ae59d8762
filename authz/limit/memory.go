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
	interval := r.interval()
	if interval == 0 {
		return unlimited
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.buckets.Get(key)
	if !ok {
		if b = new(bucket); events > 0 {
			m.buckets.Add(key, b) // a look leaves no trace, or it would push others out
		}
	}
	return b.take(interval, r.window(interval), now.UnixNano(), events)
}

// take is the GCRA: each event moves the time at which the bucket is full again
// by one interval, and may do so as long as that time is at most a window away.
func (b *bucket) take(interval, window time.Duration, now int64, events time.Duration) Verdict {
	at := b.follow(now)
	late := time.Duration(at - now) // by how much the caller's clock is behind
	// Kept also when the event is refused: the time to wait counts from here.
	b.full = min(max(b.full, at), at+int64(window))
	spent := time.Duration(b.full - at)
	if wait := spent + interval - window; wait > 0 {
		return Verdict{RetryAfter: late + wait, Reset: late + spent}
	}
	spent += events * interval
	b.full = at + int64(spent)
	return Verdict{OK: true, Remaining: int((window - spent) / interval), Reset: late + spent}
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
