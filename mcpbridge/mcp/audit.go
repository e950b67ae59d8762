package mcp

import (
	"context"
	"log/slog"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// trail writes audit events and thins out those that nobody is accountable for:
// anyone can cause them, so that they must not be able to fill a disk.
type trail struct {
	auditor   mcpbridge.Auditor
	clock     clock.Clock
	log       *slog.Logger
	anonymous flood.Gate // by reason
	limited   flood.Gate // by reason and person
}

// record stores e and reports whether it is stored. It is finished although the
// client left. What is not stored is in the log, with all of the event that is
// nobody's private words.
func (t *trail) record(ctx context.Context, e mcpbridge.Event) bool {
	err := t.auditor.Record(context.WithoutCancel(ctx), e)
	if err == nil {
		return true
	}
	lost := []any{
		"event", e.Name, "tool", e.Tool, "request_id", e.RequestID, "reason", string(e.Reason), "error_code", e.ErrorCode,
		"write_outcome", e.WriteOutcome, "target_resource_id", e.TargetResourceID, "count", e.Count, "error", err,
	}
	if p := e.Principal; p != nil {
		lost = append(lost, "user_id", p.UserID, "domain_id", p.DomainID, "client_id", p.ClientID)
	}
	t.log.ErrorContext(ctx, "an audit event is not stored", lost...)
	return false
}

// recordAnonymous stores the first event of each reason per interval, and with
// it how many like it were left out before.
func (t *trail) recordAnonymous(ctx context.Context, e mcpbridge.Event) {
	ok, heldBack := t.anonymous.Pass(string(e.Reason), t.clock.Now())
	if !ok {
		return
	}
	e.Count = heldBack
	t.record(ctx, e)
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
	if no.reason.Layer() == reason.LayerLimit {
		x.auditLimit(no)
		return
	}
	e := x.event(mcpbridge.EventAuthorizationFailed)
	e.Reason, e.ErrorCode = no.reason, no.errorCode
	if x.principal == nil {
		x.trail.recordAnonymous(x.r.Context(), e)
		return
	}
	x.trail.record(x.r.Context(), e)
}

// auditLimit records that a person is over a limit: once per interval, and with
// it how often since the last time.
func (x *exchange) auditLimit(no *refusal) {
	p := x.principal
	pass, held := x.trail.limited.Pass(string(no.reason)+" "+p.DomainID+" "+p.UserID+" "+p.Email, x.trail.clock.Now())
	if !pass {
		return
	}
	e := x.event(mcpbridge.EventLimitHit)
	if no.tool != nil {
		e = x.callEvent(mcpbridge.EventLimitHit, no.tool)
	}
	e.Reason, e.ErrorCode, e.Count = no.reason, no.errorCode, held
	x.trail.record(x.r.Context(), e)
}

// auditDenial records that a known person may not call a tool. A denial that is
// not stored stays a denial.
func (x *exchange) auditDenial(tool *toolset.Tool, why reason.Reason, code string) {
	e := x.callEvent(mcpbridge.EventAuthorizationFailed, tool)
	e.Reason, e.ErrorCode = why, code
	x.trail.record(x.r.Context(), e)
}

// auditList records a list and reports whether it may be answered.
func (x *exchange) auditList() bool {
	return x.trail.record(x.r.Context(), x.event(mcpbridge.EventToolsListed))
}

// auditStart records, durably, that a write is about to run, and reports
// whether it may.
func (x *exchange) auditStart(tool *toolset.Tool) bool {
	e := x.callEvent(mcpbridge.EventToolInvoked, tool)
	e.Durable = true
	return x.trail.record(x.r.Context(), e)
}

// auditResult records how a call went before the answer leaves, and reports
// whether that is stored. For a write it ends what auditStart began. If it is
// not stored then, the answer goes out all the same, because the change has been
// made and the person must know; the log then holds what the trail does not.
func (x *exchange) auditResult(tool *toolset.Tool, r *toolset.Result) bool {
	name := mcpbridge.EventToolInvoked
	if tool.Need.Write {
		name = mcpbridge.EventWriteOutcome
	}
	e := x.callEvent(name, tool)
	e.TargetResourceID, e.WriteOutcome, e.Intent = r.TargetResourceID, r.WriteOutcome, r.Intent
	e.Reason, e.ErrorCode = r.Reason, r.Code
	e.Durable = tool.Need.Write
	if tool.Need.Write && e.WriteOutcome == "" && e.ErrorCode == "" {
		// The tool says neither what it did nor why not.
		e.WriteOutcome = unknownOutcome
	}
	return x.trail.record(x.r.Context(), e)
}

// callEvent returns what all events of a call have in common.
func (x *exchange) callEvent(name string, tool *toolset.Tool) mcpbridge.Event {
	e := x.event(name)
	e.Tool, e.Scope, e.Permission = tool.Name, tool.Need.Scope, tool.Need.Permission
	return e
}
