package document

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How long a fetched copy counts as fresh, whatever its server asks for: not so
// short that we are made to fetch all the time, not so long that a change
// stays unseen.
const (
	// MinAge is the least, also for answers that may not be cached at all.
	MinAge = 5 * time.Minute
	// MaxAge is the most.
	MaxAge = 24 * time.Hour
)

// freshFor says how long an answer with these headers stays fresh from now on
// (RFC 9111 §4.2), within MinAge and MaxAge. Without a usable header it is
// MinAge: nothing was promised.
func freshFor(h http.Header, now time.Time) time.Duration {
	age, ok := maxAge(h)
	if !ok {
		age = untilExpires(h, now)
	}
	if spent, err := strconv.Atoi(h.Get("Age")); err == nil && spent > 0 {
		age -= seconds(spent)
	}
	return min(max(age, MinAge), MaxAge)
}

// maxAge reads Cache-Control. Of several max-age the least counts; no-store and
// no-cache are ages of zero.
func maxAge(h http.Header) (age time.Duration, ok bool) {
	for line := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			n, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil {
				n = 0 // RFC 9111 §4.2.1: what cannot be read is stale
			}
			if given := seconds(n); !ok || given < age {
				age, ok = given, true
			}
		}
	}
	return age, ok
}

func untilExpires(h http.Header, now time.Time) time.Duration {
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0
	}
	return expires.Sub(now)
}

// seconds bounds n before it is multiplied, so that nothing overflows.
func seconds(n int) time.Duration {
	return time.Duration(min(max(n, 0), int(MaxAge/time.Second))) * time.Second
}
