package caddymodule

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// Defaults and bounds of Limits.
const (
	defaultRead   = "120/m"
	defaultWrite  = "20/m"
	defaultDomain = "3000/m"

	limitOff = "off"
	// maxEvents bounds a rate and its burst.
	maxEvents = 1_000_000
	// maxWindow bounds how long a spent burst takes to come back. Longer is hardly
	// meant, and whoever is over such a limit would wait for days.
	maxWindow = 24 * time.Hour
)

// rates returns the limits of a domain, with those filled in that are absent.
func (l *Limits) rates() (policy.Limits, error) {
	var given Limits
	if l != nil {
		given = *l
	}
	var rates policy.Limits
	for _, field := range []struct {
		name, given, fallback string
		rate                  *limit.Rate
	}{
		{"read", given.Read, defaultRead, &rates.Read},
		{"write", given.Write, defaultWrite, &rates.Write},
		{"domain", given.Domain, defaultDomain, &rates.Domain},
	} {
		var err error
		if *field.rate, err = parseRate(field.name, cmp.Or(field.given, field.fallback)); err != nil {
			return policy.Limits{}, fmt.Errorf("limits: %w", err)
		}
	}
	return rates, nil
}

// units are those in which a rate is given.
var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// parseRate reads "120/m", "120/m burst 40" or "off".
func parseRate(name, text string) (limit.Rate, error) {
	words := strings.Fields(text)
	if len(words) == 1 && words[0] == limitOff {
		return limit.Rate{}, nil
	}
	if len(words) != 1 && (len(words) != 3 || words[1] != "burst") {
		return limit.Rate{}, fmt.Errorf("%s is %q, want a rate like 120/m, 120/m burst 40, or off", name, text)
	}
	number, unit, _ := strings.Cut(words[0], "/")
	per, known := units[unit]
	events, ok := parseEvents(number)
	if !known || !ok {
		return limit.Rate{}, fmt.Errorf("%s is %q, want a number from 1 to %d in s, m or h, like 120/m; off for no limit", name, text, maxEvents)
	}
	rate := limit.Rate{Events: events, Per: per, Burst: events}
	if len(words) == 3 {
		if rate.Burst, ok = parseEvents(words[2]); !ok {
			return limit.Rate{}, fmt.Errorf("%s: the burst is %q, want a number from 1 to %d", name, words[2], maxEvents)
		}
	}
	if window := rate.Window(); window > maxWindow {
		return limit.Rate{}, fmt.Errorf("%s: a burst of %d at %s takes %v to come back, allowed is at most %v", name, rate.Burst, words[0], window.Round(time.Second), maxWindow)
	}
	return rate, nil
}

func parseEvents(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= maxEvents && s == strconv.Itoa(n)
}

// person is who somebody is at the identity provider of their domain: the same
// at every node, whatever store it has.
type person struct{ issuer, subject string }

// peopleLimiter counts what people ask by the limits of their domain. All
// resources share the buckets of a person.
type peopleLimiter struct {
	engine limit.Engine
	policy *policy.Policy
	hit    func(reason.Reason)
}

// Take implements mcpbridge.Limiter.
func (l *peopleLimiter) Take(ctx context.Context, p *mcpbridge.Principal, write bool) mcpbridge.Allowance {
	limits := l.policy.Limits(p.DomainID)
	kind, rate, why := byte('r'), limits.Read, reason.LimitUserRead
	if write {
		kind, rate, why = 'w', limits.Write, reason.LimitUserWrite
	}
	if !rate.Limits() && !limits.Domain.Limits() {
		return mcpbridge.Allowance{}
	}
	who := person{issuer: p.GrantID} // not reached: who was authenticated has a caller
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		who = c.person
	}
	key := bucketKey(p.DomainID, kind, who)
	domain := key[:len(p.DomainID)+len("{}")]
	v := l.engine.Take(ctx, limit.Buckets{{Key: key, Rate: rate}, {Key: domain, Rate: limits.Domain}})

	// The tightest: of those that refuse, the one to wait for; else the one with the
	// fewest left.
	of, tightest := rate, v[0]
	if v[1].RetryAfter > v[0].RetryAfter || v[0].OK && v[1].Remaining < v[0].Remaining {
		of, tightest, why = limits.Domain, v[1], reason.LimitDomain
	}
	a := mcpbridge.Allowance{Limit: of.Burst, Remaining: tightest.Remaining, Reset: tightest.Reset}
	if !v.OK() {
		a.Reason, a.RetryAfter = why, tightest.RetryAfter
		l.hit(why)
	}
	return a
}

// bucketKey names the bucket of a person, and begins with that of the domain:
// "{acme.com}" and "{acme.com}r" with a hash. Keys are seen by whoever looks into
// a shared server, so that they say nothing about a person. The braces keep the
// buckets of a domain together where keys are spread over servers.
func bucketKey(domain string, kind byte, who person) string {
	var hashed [256]byte
	b := append(hashed[:0], who.issuer...)
	b = append(append(b, 0), who.subject...)
	sum := sha256.Sum256(b)

	var named [128]byte
	k := append(append(named[:0], '{'), domain...)
	k = append(k, '}', kind)
	return string(base64.RawURLEncoding.AppendEncode(k, sum[:16]))
}

// Interface guard.
var _ mcpbridge.Limiter = (*peopleLimiter)(nil)
