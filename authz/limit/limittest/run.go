package limittest

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Run holds an engine against what every engine must do. newEngine returns one
// without any bucket, which takes the time from c.
func Run(t *testing.T, newEngine func(t *testing.T, c *clock.Fake) limit.Engine) {
	for name, test := range map[string]func(*testing.T, limit.Engine, *clock.Fake){
		"table":        table,
		"model":        tenMinutes,
		"wait":         waitAsTold,
		"lowered rate": lowered,
		"clock back":   clockBack,
		"at once":      atOnce,
	} {
		t.Run(name, func(t *testing.T) {
			c := clock.NewFake(start)
			test(t, newEngine(t, c), c)
		})
	}
}

// alike lets times differ by what a clock of whole microseconds hides.
var alike = cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= 2*time.Microsecond })

const s = time.Second

func perMinute(events, burst int) limit.Rate {
	return limit.Rate{Events: events, Per: time.Minute, Burst: burst}
}

func ok(remaining int, reset time.Duration) limit.Verdict {
	return limit.Verdict{OK: true, Remaining: remaining, Reset: reset}
}

func no(after, reset time.Duration) limit.Verdict {
	return limit.Verdict{RetryAfter: after, Reset: reset}
}

// event is one of a table: when, of whom, and what comes of it.
type event struct {
	at   time.Duration
	who  string
	want limit.Verdicts
}

func table(t *testing.T, e limit.Engine, c *clock.Fake) {
	for i, tc := range []struct {
		name         string
		user, domain limit.Rate
		events       []event
	}{
		{"each counts in both", perMinute(60, 3), perMinute(60, 5), []event{
			{0, "a", limit.Verdicts{ok(2, s), ok(4, s)}},
			{0, "b", limit.Verdicts{ok(2, s), ok(3, 2*s)}},
			{0, "a", limit.Verdicts{ok(1, 2*s), ok(2, 3*s)}},
			{3 * s, "a", limit.Verdicts{ok(2, s), ok(4, s)}},
		}},
		{"a person at the limit costs the domain nothing", perMinute(60, 1), perMinute(60, 3), []event{
			{0, "a", limit.Verdicts{ok(0, s), ok(2, s)}},
			{0, "a", limit.Verdicts{no(s, s), ok(2, s)}},
			{0, "a", limit.Verdicts{no(s, s), ok(2, s)}},
			{0, "b", limit.Verdicts{ok(0, s), ok(1, 2*s)}},
			{s, "a", limit.Verdicts{ok(0, s), ok(1, 2*s)}},
		}},
		{"a domain at the limit costs a person nothing", perMinute(60, 3), perMinute(6, 1), []event{
			{0, "a", limit.Verdicts{ok(2, s), ok(0, 10*s)}},
			{0, "b", limit.Verdicts{ok(3, 0), no(10*s, 10*s)}},
			{0, "a", limit.Verdicts{ok(2, s), no(10*s, 10*s)}},
			{4 * s, "a", limit.Verdicts{ok(3, 0), no(6*s, 6*s)}},
			{10 * s, "b", limit.Verdicts{ok(2, s), ok(0, 10*s)}},
		}},
		{"both at the limit say how long each takes", perMinute(60, 1), perMinute(6, 1), []event{
			{0, "a", limit.Verdicts{ok(0, s), ok(0, 10*s)}},
			{0, "a", limit.Verdicts{no(s, s), no(10*s, 10*s)}},
		}},
		{"a place without a rate limits nothing", perMinute(60, 1), limit.Rate{}, []event{
			{0, "a", limit.Verdicts{ok(0, s), limit.Unlimited}},
			{0, "a", limit.Verdicts{no(s, s), limit.Unlimited}},
			{0, "b", limit.Verdicts{ok(0, s), limit.Unlimited}},
		}},
		{"an odd rate comes back by its own interval", perMinute(7, 7), perMinute(7000, 7000), []event{
			{0, "a", limit.Verdicts{ok(6, time.Minute/7), ok(6999, time.Minute/7000)}},
			{0, "a", limit.Verdicts{ok(5, 2*time.Minute/7), ok(6998, 2*time.Minute/7000)}},
			{time.Minute, "a", limit.Verdicts{ok(6, time.Minute/7), ok(6999, time.Minute/7000)}},
		}},
		{"no more than the burst comes back", perMinute(60, 2), perMinute(6000, 2), []event{
			{0, "a", limit.Verdicts{ok(1, s), ok(1, s/100)}},
			{time.Hour, "a", limit.Verdicts{ok(1, s), ok(1, s/100)}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			began, tag := c.Now(), "{"+strconv.Itoa(i)+"}"
			var got []event
			for _, ev := range tc.events {
				c.Set(began.Add(ev.at))
				v := e.Take(t.Context(), limit.Buckets{{Key: tag + "r" + ev.who, Rate: tc.user}, {Key: tag, Rate: tc.domain}})
				got = append(got, event{ev.at, ev.who, v})
			}
			if diff := cmp.Diff(tc.events, got, cmp.AllowUnexported(event{}), alike); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

// fraction is the definition in other words: a bucket that fills at the rate,
// looked at with fractions instead of times of arrival.
type fraction struct {
	rate  limit.Rate
	level float64
	last  time.Time
}

func (f *fraction) fill(now time.Time) float64 {
	f.level = min(f.level+float64(now.Sub(f.last))/float64(f.rate.Per)*float64(f.rate.Events), float64(f.rate.Burst))
	f.last = now
	return f.level
}

// tenMinutes has people arrive at random and holds what passed against the
// model, of each person and of all: never more than one request apart.
func tenMinutes(t *testing.T, e limit.Engine, c *clock.Fake) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 11)) // reproducible, not secret
		user, domain := perMinute(7+random.IntN(60), 1+random.IntN(30)), perMinute(61+random.IntN(90), 1+random.IntN(80))
		tag := "{seed " + strconv.FormatUint(seed, 10) + "}"
		all := &fraction{domain, float64(domain.Burst), c.Now()}
		people := map[string]*fraction{}
		passed, modelled := map[string]int{}, map[string]int{}
		refusals := 0
		for end := c.Now().Add(10 * time.Minute); c.Now().Before(end); {
			c.Advance(time.Duration(random.Int64N(int64(600 * time.Millisecond))))
			who := strconv.Itoa(random.IntN(4))
			one := people[who]
			if one == nil {
				one = &fraction{user, float64(user.Burst), c.Now()}
				people[who] = one
			}
			// Of both, so that neither is filled only when the other lets pass.
			mine, ours := one.fill(c.Now()), all.fill(c.Now())
			if mine >= 1-1e-6 && ours >= 1-1e-6 {
				one.level--
				all.level--
				modelled[who]++
				modelled[""]++
			}
			if e.Take(t.Context(), limit.Buckets{{Key: tag + who, Rate: user}, {Key: tag, Rate: domain}}).OK() {
				passed[who]++
				passed[""]++
			} else {
				refusals++
			}
			for key, want := range modelled {
				if apart := passed[key] - want; apart < -1 || apart > 1 {
					t.Fatalf("seed %d, %+v and %+v: %d of %q passed, want %d", seed, user, domain, passed[key], key, want)
				}
			}
		}
		if passed[""] < 100 || refusals < 100 {
			t.Errorf("seed %d: %d passed and %d did not: too few to prove anything", seed, passed[""], refusals)
		}
	}
}

// waitAsTold comes back exactly when it was told to.
func waitAsTold(t *testing.T, e limit.Engine, c *clock.Fake) {
	random := rand.New(rand.NewPCG(5, 6)) // reproducible, not secret
	refusals := 0
	for i := range 60 {
		tag := "{" + strconv.Itoa(i) + "}"
		b := limit.Buckets{
			{Key: tag + "r", Rate: limit.Rate{Events: 1 + random.IntN(1000), Per: time.Duration(1+random.IntN(60)) * time.Second, Burst: 1 + random.IntN(5)}},
			{Key: tag, Rate: limit.Rate{Events: 1 + random.IntN(1000), Per: time.Duration(1+random.IntN(60)) * time.Second, Burst: 1 + random.IntN(5)}},
		}
		for range 12 {
			v := e.Take(t.Context(), b)
			if v.OK() {
				continue
			}
			refusals++
			wait := max(v[0].RetryAfter, v[1].RetryAfter)
			if wait <= 0 {
				t.Fatalf("refused with %+v", v)
			}
			c.Advance(wait)
			if again := e.Take(t.Context(), b); !again.OK() {
				t.Fatalf("%+v: told %v, and then %+v", b, wait, again)
			}
		}
	}
	if refusals < 100 {
		t.Errorf("%d refusals prove nothing", refusals)
	}
}

// lowered: what was spent at another rate stays spent, and locks nobody out for
// longer than the rate of now says.
func lowered(t *testing.T, e limit.Engine, c *clock.Fake) {
	before := limit.Rate{Events: 1, Per: time.Hour, Burst: 24}
	now := perMinute(60, 5)
	for range 20 {
		e.Take(t.Context(), limit.Buckets{{Key: "{a}", Rate: before}})
	}
	v := e.Take(t.Context(), limit.Buckets{{Key: "{a}", Rate: now}})
	if want := (limit.Verdicts{no(s, 5*s), limit.Unlimited}); !cmp.Equal(v, want, alike) {
		t.Fatalf("%+v, want %+v", v, want)
	}
	c.Advance(v[0].RetryAfter)
	if v := e.Take(t.Context(), limit.Buckets{{Key: "{a}", Rate: now}}); !v.OK() {
		t.Fatalf("waited and got %+v", v)
	}
}

// clockBack: a clock that is set back locks nobody out, and forgives nothing.
func clockBack(t *testing.T, e limit.Engine, c *clock.Fake) {
	b := limit.Buckets{{Key: "{a}", Rate: perMinute(60, 3)}}
	for range 3 {
		e.Take(t.Context(), b)
	}
	c.Advance(-time.Hour)
	v := e.Take(t.Context(), b)
	if v.OK() || v[0].RetryAfter > s+2*time.Microsecond {
		t.Fatalf("after the clock was set back: %+v", v)
	}
	c.Advance(v[0].RetryAfter)
	if v := e.Take(t.Context(), b); !v.OK() {
		t.Fatalf("waited and got %+v", v)
	}
}

// atOnce: of any number of callers at once, as many pass as the rates say.
func atOnce(t *testing.T, e limit.Engine, _ *clock.Fake) {
	user, domain := limit.Rate{Events: 1, Per: time.Hour, Burst: 20}, limit.Rate{Events: 1, Per: time.Hour, Burst: 50}
	var wg sync.WaitGroup
	var passed [4]atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := range 40 {
				who := i % len(passed)
				if e.Take(t.Context(), limit.Buckets{{Key: "{a}r" + strconv.Itoa(who), Rate: user}, {Key: "{a}", Rate: domain}}).OK() {
					passed[who].Add(1)
				}
			}
		})
	}
	wg.Wait()
	var sum int64
	for i := range passed {
		n := passed[i].Load()
		if sum += n; n > 20 {
			t.Errorf("%d of person %d passed, want 20 at most", n, i)
		}
	}
	if sum != 50 {
		t.Errorf("%d passed, want 50", sum)
	}
}
