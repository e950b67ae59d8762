package limit

import (
	"math"
	"time"
)

// Rate is how often something may happen: Events in Per in the long run, and up
// to Burst of them at once by whoever has not used the rate for a while.
//
// A Rate whose Events or Per is not positive limits nothing. A Burst below 1
// counts as 1.
type Rate struct {
	Events int
	Per    time.Duration
	Burst  int
}

// Verdict is the answer to one event.
type Verdict struct {
	// OK says that the event may happen. If not, nothing was counted.
	OK bool
	// Remaining is how many more may happen at this moment.
	Remaining int
	// RetryAfter is how long to wait until one event is OK; zero when OK. Whoever
	// waits this long, and is alone with the key, is not refused again.
	RetryAfter time.Duration
	// Reset is how long until the whole burst is there again.
	Reset time.Duration
}

// Unlimited is the verdict of a rate that limits nothing.
var Unlimited = Verdict{OK: true, Remaining: math.MaxInt}

// longest bounds the time that a full burst takes to come back, about 73 years,
// so that no rate overflows.
const longest = time.Duration(1) << 61

// Limits says whether the rate limits anything.
func (r Rate) Limits() bool { return r.Events > 0 && r.Per > 0 }

// Interval is the time between two events at the rate; zero if it limits nothing.
func (r Rate) Interval() time.Duration {
	if !r.Limits() {
		return 0
	}
	return min(max(r.Per/time.Duration(r.Events), 1), longest)
}

// Window is the time in which a spent burst comes back; zero if the rate limits
// nothing.
func (r Rate) Window() time.Duration { return r.window(r.Interval()) }

// window is Window for those who know the interval.
func (r Rate) window(interval time.Duration) time.Duration {
	if interval == 0 {
		return 0
	}
	burst := time.Duration(max(r.Burst, 1))
	if burst > longest/interval {
		return longest
	}
	return burst * interval
}
