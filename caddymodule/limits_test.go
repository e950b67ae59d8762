package caddymodule

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

func TestRates(t *testing.T) {
	for text, want := range map[string]limit.Rate{
		"120/m":            {Events: 120, Per: time.Minute, Burst: 120},
		"120/m burst 40":   {Events: 120, Per: time.Minute, Burst: 40},
		"2/s burst 500":    {Events: 2, Per: time.Second, Burst: 500},
		"1/h":              {Events: 1, Per: time.Hour, Burst: 1},
		"1/h burst 24":     {Events: 1, Per: time.Hour, Burst: 24},
		"1000000/s":        {Events: 1_000_000, Per: time.Second, Burst: 1_000_000},
		"off":              {},
		"  60/m  burst  6": {Events: 60, Per: time.Minute, Burst: 6},
	} {
		if got, err := parseRate("read", text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "m", "/m", "120", "120/", "120/d", "120/M", "120/min", "0/m", "-1/m", "+1/m", "01/m", "1.5/m", "1e3/m", "1000001/m", "120 / m", "120/m 40",
		"120/m burst", "120/m burst 0", "120/m burst 40 60", "120/m Burst 40", "off 1", "Off", "1/h burst 25", "120/m/s", "99999999999999999999/s", "{env.READ}",
	} {
		if got, err := parseRate("read", text); err == nil {
			t.Errorf("%q was accepted as %+v", text, got)
		}
	}
}

func TestLimitsThatAreNotGivenHaveTheirDefaults(t *testing.T) {
	minutes := func(n int) limit.Rate { return limit.Rate{Events: n, Per: time.Minute, Burst: n} }
	for name, test := range map[string]struct {
		given *Limits
		want  policy.Limits
	}{
		"no block":       {nil, policy.Limits{Read: minutes(120), Write: minutes(20), Domain: minutes(3000)}},
		"an empty block": {&Limits{}, policy.Limits{Read: minutes(120), Write: minutes(20), Domain: minutes(3000)}},
		"one line":       {&Limits{Write: "5/m"}, policy.Limits{Read: minutes(120), Write: minutes(5), Domain: minutes(3000)}},
		"one off":        {&Limits{Domain: "off"}, policy.Limits{Read: minutes(120), Write: minutes(20)}},
	} {
		got, err := test.given.rates()
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// asking is a limiter under some limits, a clock, and the reasons of its hits.
type asking struct {
	*peopleLimiter
	clock *clock.Fake
	hits  []reason.Reason
}

func newAsking(t testing.TB, read, write, domain string) *asking {
	t.Helper()
	a := &asking{clock: clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))}
	rates, err := (&Limits{Read: read, Write: write, Domain: domain}).rates()
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := policy.New(policy.Config{Domains: []policy.Domain{{Name: "acme.com", Limits: rates}, {Name: "initech.example", Limits: rates}}})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := limit.NewLocal(0, a.clock)
	if err != nil {
		t.Fatal(err)
	}
	a.peopleLimiter = &peopleLimiter{engine: engine, policy: compiled, hit: func(why reason.Reason) { a.hits = append(a.hits, why) }}
	return a
}

// as returns the context and the principal of a person.
func as(t testing.TB, domain, subject string) (context.Context, *mcpbridge.Principal) {
	p := &mcpbridge.Principal{DomainID: domain, Email: subject + "@" + domain, UserID: "same-at-the-backend"}
	ctx := withCaller(t.Context())
	*ctx.Value(callerKey{}).(*caller) = caller{principal: p, person: person{"https://idp.example", subject}}
	return ctx, p
}

func TestEachLimitHoldsByItself(t *testing.T) {
	type ask struct {
		domain, who string
		write       bool
	}
	ada, bob := ask{"acme.com", "ada", false}, ask{"acme.com", "bob", false}
	adaWrites := ask{"acme.com", "ada", true}
	other := ask{"initech.example", "ada", false}
	let := func(limit, remaining int, reset time.Duration) mcpbridge.Allowance {
		return mcpbridge.Allowance{Limit: limit, Remaining: remaining, Reset: reset}
	}
	no := func(limit int, reset time.Duration, why reason.Reason, after time.Duration) mcpbridge.Allowance {
		return mcpbridge.Allowance{Limit: limit, Reset: reset, Reason: why, RetryAfter: after}
	}
	const s = time.Second
	for name, test := range map[string]struct {
		read, write, domain string
		asks                []ask
		want                []mcpbridge.Allowance
	}{
		"reads and writes of a person are counted apart": {
			"60/m burst 2", "60/m burst 1", "off", []ask{adaWrites, ada, ada, ada, adaWrites},
			[]mcpbridge.Allowance{let(1, 0, s), let(2, 1, s), let(2, 0, 2*s), no(2, 2*s, reason.LimitUserRead, s), no(1, s, reason.LimitUserWrite, s)},
		},
		"people are counted apart": {
			"60/m burst 1", "off", "off", []ask{ada, bob, ada},
			[]mcpbridge.Allowance{let(1, 0, s), let(1, 0, s), no(1, s, reason.LimitUserRead, s)},
		},
		"people of one name in two domains are two": {
			"60/m burst 1", "off", "off", []ask{ada, other},
			[]mcpbridge.Allowance{let(1, 0, s), let(1, 0, s)},
		},
		"the people of a domain share one": {
			"60/m burst 5", "60/m burst 5", "6/m burst 2", []ask{ada, bob, adaWrites, other},
			[]mcpbridge.Allowance{let(2, 1, 10*s), let(2, 0, 20*s), no(2, 20*s, reason.LimitDomain, 10*s), let(2, 1, 10*s)},
		},
		"the tighter one is told": {
			"60/m burst 2", "off", "60/m burst 3", []ask{ada, ada, bob, bob},
			[]mcpbridge.Allowance{let(2, 1, s), let(2, 0, 2*s), let(3, 0, 3*s), no(3, 3*s, reason.LimitDomain, s)},
		},
		"of two that refuse the longer one is told": {
			"60/m burst 1", "off", "1/m", []ask{ada, ada},
			[]mcpbridge.Allowance{let(1, 0, s), no(1, 60*s, reason.LimitDomain, 60*s)},
		},
		"a limit that is off neither counts nor is told": {
			"off", "60/m burst 1", "60/m burst 3", []ask{ada, adaWrites},
			[]mcpbridge.Allowance{let(3, 2, s), let(1, 0, s)},
		},
		"without any nothing is told": {"off", "off", "off", []ask{ada, adaWrites}, []mcpbridge.Allowance{{}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t, test.read, test.write, test.domain)
			var got []mcpbridge.Allowance
			var hits []reason.Reason
			for _, ask := range test.asks {
				ctx, p := as(t, ask.domain, ask.who)
				answer := a.Take(ctx, p, ask.write)
				got = append(got, answer)
				if answer.Reason != reason.None {
					hits = append(hits, answer.Reason)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			if !slices.Equal(hits, a.hits) {
				t.Errorf("hits %v, want %v", a.hits, hits)
			}
		})
	}
}

func TestADomainWithoutPolicyIsNotLimitedBecauseNobodyOfItGetsThisFar(t *testing.T) {
	a := newAsking(t, "1/h", "1/h", "1/h")
	ctx, p := as(t, "nowhere.example", "ada")
	if got := a.Take(ctx, p, false); got != (mcpbridge.Allowance{}) {
		t.Errorf("%+v", got)
	}
}

func TestARequestThatNobodyAuthenticatedIsStillCounted(t *testing.T) {
	a := newAsking(t, "1/h", "1/h", "off")
	p := &mcpbridge.Principal{DomainID: "acme.com", GrantID: "f-1"}
	if a.Take(t.Context(), p, false).Reason != reason.None || a.Take(t.Context(), p, false).Reason != reason.LimitUserRead {
		t.Error("the limit is open")
	}
}

func TestKeysSayNothingAboutAPerson(t *testing.T) {
	shape := regexp.MustCompile(`^\{acme\.com\}[rw][A-Za-z0-9_-]{22}$`)
	seen := map[string]bool{}
	for _, who := range []person{{"https://idp.example", "ada@acme.com"}, {"https://idp.example", "bob"}, {"https://idp.examplea", "da@acme.com"}, {"", ""}, {strings.Repeat("i", 400), strings.Repeat("s", 400)}} {
		for _, kind := range []byte("rw") {
			key := bucketKey("acme.com", kind, who)
			if !shape.MatchString(key) || seen[key] {
				t.Errorf("%q for %+v", key, who)
			}
			seen[key] = true
		}
	}
}

// BenchmarkTakeForAPerson is all that a call pays for its limits.
func BenchmarkTakeForAPerson(b *testing.B) {
	a := newAsking(b, "1000000/s", "1000000/s", "1000000/s")
	a.engine, _ = limit.NewLocal(0, nil)
	var people []context.Context
	var p *mcpbridge.Principal
	for i := range 1024 {
		var ctx context.Context
		ctx, p = as(b, "acme.com", fmt.Sprintf("00u1a2b3c4d5e6f7g8-%d", i))
		people = append(people, ctx)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if a.Take(people[i%len(people)], p, false).Reason != reason.None {
			b.Fatal("refused")
		}
	}
}

func TestLimitsAndTheirFallbackAreCounted(t *testing.T) {
	m := newMetrics()
	m.limitHit(reason.LimitUserRead)
	m.limitHit(reason.LimitUserRead)
	m.limitHit(reason.LimitDomain)
	m.limitHit("limit/made_up")
	m.Shared(true)
	m.Shared(false)
	m.CountedHere()
	want := map[string]float64{
		"limit_hits_total{reason=limit/user_read}": 2,
		"limit_hits_total{reason=limit/domain}":    1,
		"limit_hits_total{reason=other}":           1,
		"limiter_fallback":                         1,
		"limiter_fallback_requests_total":          1,
	}
	if diff := cmp.Diff(want, changed(t, m)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	m.Shared(true)
	if got := figures(t, m)["limiter_fallback"]; got != 0 {
		t.Errorf("after the return the gauge is %v", got)
	}
}

// TestAReloadChangesLimitsAtOnceAndForgivesNobody goes through a running
// gateway.
func TestAReloadChangesLimitsAtOnceAndForgivesNobody(t *testing.T) {
	g := newGateway(t)
	lines := func(read string) policyOf {
		return policyOf{limits: "read " + read + "\n\t\t\t\twrite off\n\t\t\t\tdomain off"}
	}
	g.mustLoad(lines("3/h"))
	token, second := g.token(), g.token() // of one person, at two clients
	want := func(token string, want int) {
		t.Helper()
		if status, body, err := g.search(t.Context(), token, "x"); err != nil || status != want {
			t.Errorf("%d %s %v, want %d", status, body, err, want)
		}
	}
	for range 3 {
		want(token, 200)
	}
	want(token, 429)
	want(second, 429)
	g.mustLoad(lines("4/h"))
	want(token, 429) // what was spent stays spent, up to the whole burst
	g.mustLoad(lines("off"))
	want(token, 200)
	g.mustLoad(lines("3/h"))
	want(token, 429)
	if n, _ := limiters.References(limiterKey(g.app().engine, g.app().limiter)); n != 1 {
		t.Errorf("the limiter has %d users, want 1", n)
	}
	if got := g.audit(); !strings.Contains(got, `"limit_hit"`) || !strings.Contains(got, `"limit/user_read"`) {
		t.Errorf("not in the audit trail:\n%s", got)
	}
}
