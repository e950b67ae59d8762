package mcp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// count counts the request of a person who is known, once, and says on the
// answer how much is left. It returns why the request must not be served, or
// nil.
//
// Everything counts: the handshake, notifications and messages that are refused
// are reads, because they cost the same, and what is free would be the way around
// the limit.
func (x *exchange) count(write bool) *refusal {
	if x.limiter == nil || x.principal == nil || x.counted {
		return nil
	}
	x.counted = true
	a := x.limiter.Take(x.r.Context(), x.principal, write)
	limitHeaders(x.w.Header(), &a)
	if a.Reason == reason.None {
		return nil
	}
	return tooMany(&a)
}

// limitHeaders tells the limit: of the tightest bucket how many requests it
// lets pass at once, how many of them are left, and in how many seconds it is
// full again.
func limitHeaders(h http.Header, a *mcpbridge.Allowance) {
	if a.Limit == 0 {
		return
	}
	// One string and one array for all three, because this runs for every request.
	var digits [60]byte
	b := strconv.AppendInt(digits[:0], int64(a.Limit), 10)
	limit := len(b)
	b = strconv.AppendInt(b, int64(a.Remaining), 10)
	remaining := len(b)
	s := string(strconv.AppendInt(b, seconds(a.Reset), 10))
	v := [...]string{s[:limit], s[limit:remaining], s[remaining:]}
	h["X-Ratelimit-Limit"] = v[0:1:1]
	h["X-Ratelimit-Remaining"] = v[1:2:2]
	h["X-Ratelimit-Reset"] = v[2:3:3]
}

// seconds rounds up: whoever waits that long has waited long enough.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// tooMany refuses what is over a limit (RFC 6585 §4). The wait is in the body as
// well, for clients that see no headers.
func tooMany(a *mcpbridge.Allowance) *refusal {
	wait := strconv.FormatInt(max(seconds(a.RetryAfter), 1), 10)
	data := jsonrpc.AppendString([]byte(`{"retryAfterSeconds":`+wait+`,"bucket":`), a.Reason.Code())
	data = append(jsonrpc.AppendString(append(data, `,"reason":`...), a.Reason), '}')
	text := "You have made too many requests. Nothing was done; try again in " + wait + " s."
	switch a.Reason {
	case reason.LimitUserWrite:
		text = "You have made too many changes. Nothing was changed; try again in " + wait + " s."
	case reason.LimitDomain:
		text = "Your organization has made too many requests. Nothing was done; try again in " + wait + " s."
	}
	return &refusal{
		status: http.StatusTooManyRequests, code: jsonrpc.CodeTooManyRequests, message: text, data: data,
		retryAfter: wait, reason: a.Reason, errorCode: "rate_limited",
	}
}
