package mcp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// floodWindow is how often one kind of anonymous failure is audited at most.
// Anyone can cause those, so that they must not be able to fill a disk.
const floodWindow = time.Second

// trail writes audit events and thins out those that nobody is accountable for.
type trail struct {
	auditor mcpbridge.Auditor
	clock   clock.Clock
	log     *slog.Logger

	mu     sync.Mutex
	floods map[reason.Reason]*flood // the reasons are a closed set
}

type flood struct {
	last    time.Time
	skipped int
}

// record stores e and reports whether it is stored. It is finished although the
// client left.
func (t *trail) record(ctx context.Context, e mcpbridge.Event) bool {
	err := t.auditor.Record(context.WithoutCancel(ctx), e)
	if err != nil {
		t.log.ErrorContext(ctx, "an audit event is not stored", "event", e.Name, "tool", e.Tool, "request_id", e.RequestID,
			"reason", string(e.Reason), "write_outcome", e.WriteOutcome, "error", err)
	}
	return err == nil
}

// recordAnonymous stores the first event of each reason per window, and logs how
// many it left out.
func (t *trail) recordAnonymous(ctx context.Context, e mcpbridge.Event) {
	if skipped, ok := t.admit(e.Reason); ok {
		t.record(ctx, e)
		if skipped > 0 {
			t.log.WarnContext(ctx, "anonymous requests were refused and not audited one by one", "reason", string(e.Reason), "count", skipped)
		}
	}
}

func (t *trail) admit(why reason.Reason) (skipped int, ok bool) {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.floods[why]
	if f == nil {
		if t.floods == nil {
			t.floods = make(map[reason.Reason]*flood)
		}
		f = &flood{}
		t.floods[why] = f
	} else if since := now.Sub(f.last); since >= 0 && since < floodWindow {
		f.skipped++
		return 0, false
	}
	skipped, f.skipped, f.last = f.skipped, 0, now
	return skipped, true
}

// event returns what all events of this request have in common.
func (x *exchange) event(name string) mcpbridge.Event {
	return mcpbridge.Event{
		Name: name, Principal: x.principal, RequestID: x.requestID,
		ClientIP: httpx.ClientIP(x.r.Context()), Duration: x.clock.Now().Sub(x.start),
	}
}

// auditRefusal records that a request was refused before any method was run.
func (x *exchange) auditRefusal(no *refusal) {
	e := x.event(mcpbridge.EventAuthorizationFailed)
	e.Reason, e.ErrorCode = no.reason, no.errorCode
	if x.principal == nil {
		x.trail.recordAnonymous(x.r.Context(), e)
		return
	}
	x.trail.record(x.r.Context(), e)
}

// auditDenial records that a known person may not call a tool. A denial that is
// not stored stays a denial.
func (x *exchange) auditDenial(tool *toolset.Tool, why reason.Reason, code string) {
	e := x.event(mcpbridge.EventAuthorizationFailed)
	e.Tool, e.Scope, e.Permission = tool.Name, tool.Need.Scope, tool.Need.Permission
	e.Reason, e.ErrorCode = why, code
	x.trail.record(x.r.Context(), e)
}

// auditList records a list and reports whether it may be answered.
func (x *exchange) auditList() bool {
	return x.trail.record(x.r.Context(), x.event(mcpbridge.EventToolsListed))
}

// auditCall records a call and its outcome before the answer leaves, and
// reports whether it is stored. For a write that is not, the answer goes out
// all the same, because the change has been made and the person must know; the
// log then holds what the trail does not.
func (x *exchange) auditCall(tool *toolset.Tool, r *toolset.Result) bool {
	e := x.event(mcpbridge.EventToolInvoked)
	e.Tool, e.Scope, e.Permission = tool.Name, tool.Need.Scope, tool.Need.Permission
	e.TargetResourceID, e.WriteOutcome, e.Intent = r.TargetResourceID, r.WriteOutcome, r.Intent
	e.Reason, e.ErrorCode = r.Reason, r.Code
	e.Durable = tool.Need.Write
	return x.trail.record(x.r.Context(), e)
}
