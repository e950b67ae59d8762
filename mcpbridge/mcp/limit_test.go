package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
)

// fakeLimiter answers what it is told to and remembers how it was asked.
type fakeLimiter struct {
	mu     sync.Mutex
	answer mcpbridge.Allowance
	asked  []string // "read" or "write", and the person
}

func (l *fakeLimiter) Take(_ context.Context, p *mcpbridge.Principal, write bool) mcpbridge.Allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := "read "
	if write {
		kind = "write "
	}
	l.asked = append(l.asked, kind+p.UserID)
	return l.answer
}

func (l *fakeLimiter) since() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}

// limited serves with a limiter that lets pass, or refuses for the reason.
func limited(t *testing.T, why reason.Reason) (*endpoint, *fakeLimiter) {
	t.Helper()
	l := &fakeLimiter{answer: mcpbridge.Allowance{Limit: 120, Remaining: 7, Reset: 61_001 * time.Millisecond}}
	if why != reason.None {
		l.answer = mcpbridge.Allowance{Limit: 120, Reset: time.Minute, Reason: why, RetryAfter: 2001 * time.Millisecond}
	}
	return serve(t, func(c *mcp.Config) { c.Limiter = l }), l
}

// TestWhatCountsAsWhat pins the kinds of requests, in both eras where both have
// them.
func TestWhatCountsAsWhat(t *testing.T) {
	e, l := limited(t, reason.None)
	for name, tc := range map[string]struct {
		call   call
		status int
		counts string // "": not counted
	}{
		"initialize":                         {legacyCall("initialize", `"protocolVersion":"2025-11-25"`), 200, "read " + tokenWriter},
		"ping":                               {legacyCall("ping", ""), 200, "read " + tokenWriter},
		"tools/list":                         {legacyCall("tools/list", ""), 200, "read " + tokenWriter},
		"tools/list, modern":                 {modernCall("tools/list", ""), 200, "read " + tokenWriter},
		"server/discover":                    {modernCall("server/discover", ""), 200, "read " + tokenWriter},
		"a read":                             {legacyCall("tools/call", `"name":"echo"`), 200, "read " + tokenWriter},
		"a read, modern":                     {modernCall("tools/call", `"name":"echo"`), 200, "read " + tokenWriter},
		"a write":                            {legacyCall("tools/call", `"name":"write"`), 200, "write " + tokenWriter},
		"a write, modern":                    {modernCall("tools/call", `"name":"write"`), 200, "write " + tokenWriter},
		"a read that fails":                  {legacyCall("tools/call", `"name":"fail"`), 200, "read " + tokenWriter},
		"a read that panics":                 {legacyCall("tools/call", `"name":"panic"`), 500, "read " + tokenWriter},
		"a write that the role denies":       {legacyCall("tools/call", `"name":"write"`).as(tokenGuest), 200, "read " + tokenGuest},
		"a write that nobody consented to":   {modernCall("tools/call", `"name":"write"`).as(tokenMember), 403, "read " + tokenMember},
		"a tool that does not exist":         {legacyCall("tools/call", `"name":"no_such"`), 200, "read " + tokenWriter},
		"a method that does not exist":       {modernCall("no/such", ""), 404, "read " + tokenWriter},
		"a cursor that is not known":         {legacyCall("tools/list", `"cursor":"x"`), 200, "read " + tokenWriter},
		"a notification":                     {call{token: tokenWriter, body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`}, 202, "read " + tokenWriter},
		"a message that is not JSON":         {call{token: tokenWriter, body: `{`}, 400, "read " + tokenWriter},
		"headers that differ from the body":  {modernCall("tools/list", "", "Mcp-Method: ping"), 400, "read " + tokenWriter},
		"another media type":                 {legacyCall("ping", "").with("Content-Type: text/plain"), 415, "read " + tokenWriter},
		"a GET with a token":                 {call{method: http.MethodGet, token: tokenWriter}, 405, "read " + tokenWriter},
		"a request without a token":          {call{body: `{}`}, 401, ""},
		"a request with a bad token":         {call{token: "lma_x", body: `{}`}, 401, ""},
		"a token that cannot be checked":     {call{token: tokenBroken, body: `{}`}, 503, ""},
		"a preflight":                        {call{method: http.MethodOptions, token: tokenWriter, headers: []string{"Origin: https://app.example.com"}}, 204, ""},
		"a web page that is not allowed":     {legacyCall("ping", "").with("Origin: https://evil.example"), 403, ""},
		"a method that HTTP alone knows PUT": {call{method: http.MethodPut, token: tokenWriter}, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.do(t, tc.call)
			var want []string
			headers := map[string]string{"X-Ratelimit-Limit": "", "X-Ratelimit-Remaining": "", "X-Ratelimit-Reset": ""}
			if tc.counts != "" {
				want = []string{tc.counts} // and that once
				headers = map[string]string{"X-Ratelimit-Limit": "120", "X-Ratelimit-Remaining": "7", "X-Ratelimit-Reset": "62"}
			}
			if got := l.since(); !slices.Equal(got, want) || a.status != tc.status {
				t.Errorf("counted %q with %d, want %q with %d", got, a.status, want, tc.status)
			}
			for name, value := range headers {
				if got := a.header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestOverALimitNothingRunsAndTheAnswerSaysWhen(t *testing.T) {
	for why, words := range map[reason.Reason]string{
		reason.LimitUserRead:  "You have made too many requests. Nothing was done; try again in 3 s.",
		reason.LimitUserWrite: "You have made too many changes. Nothing was changed; try again in 3 s.",
		reason.LimitDomain:    "Your organization has made too many requests. Nothing was done; try again in 3 s.",
	} {
		t.Run(why.Code(), func(t *testing.T) {
			e, _ := limited(t, why)
			e.tools.ran = func(tool string) { t.Errorf("%s ran", tool) }
			for name, tc := range map[string]struct {
				call call
				id   string // JSON; "": none
			}{
				"a call":              {legacyCall("tools/call", `"name":"echo"`), "1"},
				"a call, modern":      {modernCall("tools/call", `"name":"write"`), "1"},
				"a list":              {modernCall("tools/list", ""), "1"},
				"a handshake":         {legacyCall("initialize", `"protocolVersion":"2025-11-25"`), "1"},
				"a denied call":       {legacyCall("tools/call", `"name":"admin"`), "1"},
				"an id of text":       {call{token: tokenWriter, body: `{"jsonrpc":"2.0","id":"\u0061b","method":"ping"}`}, `"\u0061b"`},
				"a notification":      {call{token: tokenWriter, body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`}, ""},
				"no JSON":             {call{token: tokenWriter, body: `{`}, ""},
				"a method unknown":    {legacyCall("no/such", ""), "1"},
				"from an allowed web": {legacyCall("ping", "").with("Origin: https://app.example.com"), "1"},
			} {
				t.Run(name, func(t *testing.T) {
					a := e.do(t, tc.call)
					want := `{"jsonrpc":"2.0",`
					if tc.id != "" {
						want += `"id":` + tc.id + `,`
					}
					want += fmt.Sprintf(`"error":{"code":429,"message":%q,"data":{"retryAfterSeconds":3,"bucket":%q,"reason":%q}}}`, words, why.Code(), why)
					if a.status != http.StatusTooManyRequests || a.body != want {
						t.Errorf("%d %s\nwant 429 %s", a.status, a.body, want)
					}
					for name, value := range map[string]string{
						"Retry-After": "3", "X-Ratelimit-Limit": "120", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "60", "Www-Authenticate": "",
					} {
						if got := a.header.Get(name); got != value {
							t.Errorf("%s: %q, want %q", name, got, value)
						}
					}
				})
			}
		})
	}
}

func TestRetryAfterIsOneSecondAtLeast(t *testing.T) {
	e, l := limited(t, reason.LimitUserRead)
	for wait, want := range map[time.Duration]string{
		0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", time.Hour: "3600",
	} {
		l.answer.RetryAfter = wait
		if got := e.do(t, legacyCall("ping", "")).header.Get("Retry-After"); got != want {
			t.Errorf("to wait %v: %q, want %q", wait, got, want)
		}
	}
}

func TestWebPagesMayReadTheLimit(t *testing.T) {
	e, _ := limited(t, reason.LimitUserRead)
	a := e.do(t, legacyCall("ping", "").with("Origin: https://app.example.com"))
	const want = "WWW-Authenticate, Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Mcp-Session-Id"
	if got := a.header.Get("Access-Control-Expose-Headers"); got != want {
		t.Errorf("exposed are %q", got)
	}
}

func TestWhereNothingIsLimitedNoLimitIsTold(t *testing.T) {
	e, l := limited(t, reason.None)
	l.answer = mcpbridge.Allowance{}
	a := e.do(t, legacyCall("ping", ""))
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if _, ok := a.header[name]; ok || a.status != http.StatusOK {
			t.Errorf("%d with %s: %s", a.status, name, a.header.Get(name))
		}
	}
}

// TestOfAPersonOverALimitASampleIsAudited: one event a second for each person
// and bucket tells of all, and no person hides another.
func TestOfAPersonOverALimitASampleIsAudited(t *testing.T) {
	e, l := limited(t, reason.LimitUserRead)
	for range 50 {
		e.do(t, legacyCall("tools/call", `"name":"echo"`))
	}
	e.do(t, legacyCall("ping", "").as(tokenMember))
	l.answer.Reason = reason.LimitDomain
	e.do(t, legacyCall("ping", ""))
	l.answer.Reason = reason.LimitUserRead
	e.clock.Advance(time.Second)
	e.do(t, legacyCall("ping", ""))

	type row struct {
		Name, User, Tool, Reason, Code string
		Count                          int
	}
	var got []row
	for _, ev := range e.trail.all() {
		got = append(got, row{ev.Name, ev.Principal.UserID, ev.Tool, string(ev.Reason), ev.ErrorCode, ev.Count})
		if ev.RequestID == "" {
			t.Errorf("no request id in %+v", ev)
		}
	}
	want := []row{
		{"limit_hit", tokenWriter, "echo", "limit/user_read", "rate_limited", 0},
		{"limit_hit", tokenMember, "", "limit/user_read", "rate_limited", 0},
		{"limit_hit", tokenWriter, "", "limit/domain", "rate_limited", 0},
		{"limit_hit", tokenWriter, "", "limit/user_read", "rate_limited", 49},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// TestADenialIsDecidedBeforeItIsCounted: what is counted as a write must be one
// that would be made.
func TestADenialIsDecidedBeforeItIsCounted(t *testing.T) {
	e, l := limited(t, reason.LimitUserWrite)
	e.do(t, legacyCall("tools/call", `"name":"write"`).as(tokenGuest))
	if got := l.since(); !slices.Equal(got, []string{"read " + tokenGuest}) {
		t.Errorf("counted as %q", got)
	}
	for _, ev := range e.trail.all() {
		if ev.Name != mcpbridge.EventLimitHit {
			text, _ := json.Marshal(ev)
			t.Errorf("a denial over the limit was audited one by one: %s", text)
		}
	}
}
