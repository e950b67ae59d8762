package limit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/limit"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newMemory(tb testing.TB, size int) *limit.Memory {
	tb.Helper()
	m, err := limit.NewMemory(size)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestTake(t *testing.T) {
	t.Parallel()
	const s = time.Second
	type event struct {
		at   time.Duration
		want limit.Verdict
	}
	ok := func(remaining int, reset time.Duration) limit.Verdict {
		return limit.Verdict{OK: true, Remaining: remaining, Reset: reset}
	}
	no := func(after, reset time.Duration) limit.Verdict { return limit.Verdict{RetryAfter: after, Reset: reset} }
	perSecond := func(burst int) limit.Rate { return limit.Rate{Events: 60, Per: time.Minute, Burst: burst} }
	for name, tc := range map[string]struct {
		rate   limit.Rate
		events []event
	}{
		"a burst passes at once, the next one waits": {perSecond(3), []event{
			{0, ok(2, s)}, {0, ok(1, 2*s)}, {0, ok(0, 3*s)}, {0, no(s, 3*s)},
		}},
		"each interval brings one back": {perSecond(2), []event{
			{0, ok(1, s)}, {0, ok(0, 2*s)}, {s, ok(0, 2*s)}, {s, no(s, 2*s)}, {3 * s, ok(1, s)},
		}},
		"no more than the burst comes back": {perSecond(2), []event{
			{0, ok(1, s)}, {time.Hour, ok(1, s)}, {time.Hour, ok(0, 2*s)}, {time.Hour, no(s, 2*s)},
		}},
		"a refusal costs nothing": {perSecond(1), []event{
			{0, ok(0, s)}, {s / 2, no(s/2, s/2)}, {s * 3 / 4, no(s/4, s/4)}, {s, ok(0, s)},
		}},
		"a burst of less than one is one": {perSecond(0), []event{{0, ok(0, s)}, {0, no(s, s)}}},
		"a rate that divides to no time limits to one per nanosecond": {limit.Rate{Events: math.MaxInt, Per: s, Burst: 1}, []event{
			{0, ok(0, 1)}, {0, no(1, 1)}, {1, ok(0, 1)},
		}},
		"no rate limits nothing":       {limit.Rate{Burst: 1}, []event{{0, ok(math.MaxInt, 0)}, {0, ok(math.MaxInt, 0)}}},
		"a negative rate does neither": {limit.Rate{Events: -1, Per: s, Burst: 1}, []event{{0, ok(math.MaxInt, 0)}, {0, ok(math.MaxInt, 0)}}},
		"a clock that is set back keeps the level": {perSecond(3), []event{
			{0, ok(2, s)}, {-time.Hour, ok(1, 2*s)}, {-time.Hour, ok(0, 3*s)}, {-time.Hour, no(s, 3*s)}, {-time.Hour + s, ok(0, 3*s)},
		}},
		"callers that disagree about the time get nothing for it": {perSecond(2), []event{
			{s, ok(1, s)}, {s / 2, ok(0, s/2+2*s)}, {s / 2, no(s/2+s, s/2+2*s)}, {s, no(s, 2*s)}, {2 * s, ok(0, 2*s)},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(t, 1)
			var got []event
			for _, e := range tc.events {
				got = append(got, event{e.at, m.Take("key", tc.rate, start.Add(e.at))})
			}
			if diff := cmp.Diff(tc.events, got, cmp.AllowUnexported(event{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeysAreCountedApart(t *testing.T) {
	t.Parallel()
	m, rate := newMemory(t, 2), limit.Rate{Events: 1, Per: time.Hour, Burst: 1}
	for _, key := range []string{"a", "b", ""} {
		if !m.Take(key, rate, start).OK {
			t.Errorf("%q pays for another", key)
		}
	}
}

func TestTheKeyThatWasNotUsedForLongestIsForgotten(t *testing.T) {
	t.Parallel()
	m, rate := newMemory(t, 2), limit.Rate{Events: 1, Per: time.Hour, Burst: 1}
	m.Take("a", rate, start)
	m.Take("b", rate, start)
	m.Take("a", rate, start) // refused, but used
	m.Take("c", rate, start)
	if m.Take("a", rate, start).OK {
		t.Error("the key that was used last is forgotten")
	}
	if !m.Take("b", rate, start).OK {
		t.Error("more keys are remembered than there is room for")
	}
}

func TestALookCountsNothingAndPushesNobodyOut(t *testing.T) {
	t.Parallel()
	m, rate := newMemory(t, 1), limit.Rate{Events: 1, Per: time.Hour, Burst: 2}
	m.Take("a", rate, start)
	for i := range 10 {
		if v := m.Peek(strconv.Itoa(i), rate, start); !v.OK || v.Remaining != 2 {
			t.Fatalf("a new key: %+v", v)
		}
	}
	for range 10 {
		if v := m.Peek("a", rate, start); !v.OK || v.Remaining != 1 {
			t.Fatalf("after one event: %+v", v)
		}
	}
	m.Take("a", rate, start)
	if v := m.Peek("a", rate, start); v.OK || v.RetryAfter != time.Hour {
		t.Fatalf("after two events: %+v", v)
	}
}

func TestARateThatWasLoweredLocksNobodyOutForLongerThanItSays(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 1)
	m.Take("a", limit.Rate{Events: 1, Per: 24 * time.Hour, Burst: 10}, start)
	now := limit.Rate{Events: 1, Per: time.Second, Burst: 5}
	v := m.Take("a", now, start)
	if v.OK || v.RetryAfter != time.Second {
		t.Fatalf("%+v, want one second", v)
	}
	if v := m.Take("a", now, start.Add(time.Second)); !v.OK {
		t.Fatalf("waited and got %+v", v)
	}
}

// model is the definition in other words: a bucket of events that fills at the
// rate, looked at with fractions instead of arrival times.
type model struct {
	level *float64
	last  time.Time
}

func (m *model) take(r limit.Rate, now time.Time) bool {
	burst := float64(r.Burst)
	if m.level == nil {
		m.level = &burst
	} else {
		filled := float64(now.Sub(m.last)) / float64(r.Per) * float64(r.Events)
		*m.level = min(*m.level+filled, float64(r.Burst))
	}
	m.last = now
	if *m.level < 1-1e-6 {
		return false
	}
	*m.level--
	return true
}

func TestRandomArrivalsMatchABucketThatFills(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7)) // reproducible, not secret
		// Arrivals fall on whole milliseconds and the interval is one, so that the
		// fractions of the model are exact where a decision hangs on them.
		rate := limit.Rate{Events: 1, Per: time.Duration(1+random.IntN(5000)) * time.Millisecond, Burst: 1 + random.IntN(20)}
		m, models, now := newMemory(t, 100), map[string]*model{}, start
		for i := range 2000 {
			now = now.Add(time.Duration(random.Int64N(int64(rate.Per/time.Millisecond))) * time.Millisecond)
			key := strconv.Itoa(random.IntN(3))
			if models[key] == nil {
				models[key] = &model{}
			}
			peek := m.Peek(key, rate, now)
			got, want := m.Take(key, rate, now), models[key].take(rate, now)
			if got.OK != want || peek.OK != want {
				t.Fatalf("seed %d, event %d, %+v: %+v after a look of %+v, want OK %v", seed, i, rate, got, peek, want)
			}
			if got.OK && got.Remaining != int(*models[key].level+1e-6) {
				t.Fatalf("seed %d, event %d, %+v: %d remain, want %v", seed, i, rate, got.Remaining, *models[key].level)
			}
			if got.OK {
				continue
			}
			if missing := time.Duration((1 - *models[key].level) * float64(rate.Per)); (got.RetryAfter - missing).Abs() > time.Microsecond {
				t.Fatalf("seed %d, event %d, %+v: to wait %v, want %v", seed, i, rate, got.RetryAfter, missing)
			}
		}
	}
}

func TestWaitingAsToldIsAlwaysEnough(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // reproducible, not secret
	for range 2000 {
		rate := limit.Rate{Events: 1 + random.IntN(1000), Per: time.Duration(1 + random.Int64N(int64(48*time.Hour))), Burst: random.IntN(50)}
		m, now := newMemory(t, 1), start
		// The clock jumps back now and then, and the rate is changed.
		for range 40 {
			switch random.IntN(10) {
			case 0:
				now = now.Add(-time.Duration(random.Int64N(int64(72 * time.Hour))))
			case 1:
				rate.Burst = random.IntN(50)
			case 2:
				rate.Events = 1 + random.IntN(1000)
			}
			v := m.Take("key", rate, now)
			if v.OK {
				continue
			}
			// Never longer than between two events, whatever the clock did, and the
			// second by which it may be behind.
			if v.RetryAfter <= 0 || v.RetryAfter > max(rate.Per/time.Duration(rate.Events), 1)+time.Second {
				t.Fatalf("%+v: refused with %+v", rate, v)
			}
			now = now.Add(v.RetryAfter)
			if again := m.Take("key", rate, now); !again.OK {
				t.Fatalf("%+v: told %v, and then %+v", rate, v.RetryAfter, again)
			}
		}
	}
}

func TestNoRateOverflows(t *testing.T) {
	t.Parallel()
	for _, rate := range []limit.Rate{
		{Events: 1, Per: math.MaxInt64, Burst: math.MaxInt},
		{Events: 1, Per: math.MaxInt64, Burst: 1},
		{Events: 1, Per: 24 * time.Hour, Burst: math.MaxInt},
		{Events: math.MaxInt, Per: 1, Burst: math.MaxInt},
	} {
		m := newMemory(t, 1)
		v := m.Take("key", rate, start)
		if !v.OK || v.Remaining < 0 || v.Reset <= 0 {
			t.Errorf("%+v: %+v", rate, v)
		}
		if v := m.Take("key", rate, start); v.Remaining < 0 || v.RetryAfter < 0 || v.Reset <= 0 {
			t.Errorf("%+v, again: %+v", rate, v)
		}
	}
}

func TestOfManyAtOnceAsManyPassAsTheRateSays(t *testing.T) {
	t.Parallel()
	m, rate := newMemory(t, 0), limit.Rate{Events: 1, Per: time.Hour, Burst: 100}
	var wg sync.WaitGroup
	var passed [3]atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := range 300 {
				if m.Take(strconv.Itoa(i%3), rate, start.Add(time.Duration(i))).OK {
					passed[i%3].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range passed {
		if n := passed[i].Load(); n != 100 {
			t.Errorf("key %d: %d passed, want 100", i, n)
		}
	}
}

func TestAMemoryOfNegativeSizeIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := limit.NewMemory(-1); err == nil {
		t.Error("accepted")
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.1":                "192.0.2.1",
		"::ffff:192.0.2.1":         "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"2001:db8:1:2::":           "2001:db8:1:2::/64",
		"2001:db8:1:3::":           "2001:db8:1:3::/64",
		"fe80::1%eth0":             "fe80::/64",
		"::1":                      "::/64",
		"":                         "",
		"not an address":           "not an address",
		"2001:db8:1:2:3:4:5:6:7:8": "2001:db8:1:2:3:4:5:6:7:8",
	} {
		if got := limit.Address(ip); got != want {
			t.Errorf("%s is counted as %s, want %s", ip, got, want)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	rate := limit.Rate{Events: 1000, Per: time.Second, Burst: 1000}
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("192.0.2.%d client-%d", i%256, i)
	}
	b.Run("hit", func(b *testing.B) {
		m := newMemory(b, 0)
		for _, key := range keys {
			m.Take(key, rate, start)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Take(keys[i%len(keys)], rate, start.Add(time.Duration(i)))
		}
	})
	b.Run("hit from all cores", func(b *testing.B) {
		m := newMemory(b, 0)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				m.Take(keys[i%len(keys)], rate, start.Add(time.Duration(i)))
			}
		})
	})
	b.Run("miss that forgets another", func(b *testing.B) {
		m := newMemory(b, len(keys)/2)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Take(keys[i%len(keys)], rate, start)
		}
	})
}

func TestAHitAllocatesNothing(t *testing.T) {
	m, rate := newMemory(t, 0), limit.Rate{Events: 1, Per: time.Hour, Burst: 1}
	m.Take("key", rate, start)
	if n := testing.AllocsPerRun(100, func() { m.Take("key", rate, start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
