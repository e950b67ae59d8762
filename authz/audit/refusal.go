package audit

import (
	"context"
	"log/slog"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
)

// Refusals records what was refused. A refusal stands also when it cannot be
// recorded, since nothing was given away: the fault goes to the log and never
// changes the answer. It is safe for concurrent use.
type Refusals struct {
	recorder Recorder
	clock    clock.Clock
	log      *slog.Logger
	gate     flood.Gate
}

// NewRefusals returns Refusals over recorder. A nil clock is clock.System, a nil
// log slog.Default().
func NewRefusals(recorder Recorder, c clock.Clock, log *slog.Logger) *Refusals {
	if c == nil {
		c = clock.System
	}
	if log == nil {
		log = slog.Default()
	}
	return &Refusals{recorder: recorder, clock: c, log: log}
}

// Record stores the refusal of somebody who is known.
func (r *Refusals) Record(ctx context.Context, e Event) {
	// What was refused stays so when the client goes away.
	if err := r.recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		r.log.ErrorContext(ctx, "a refusal could not be audited", "event", e.Name, "reason", string(e.Reason),
			"request_id", e.RequestID, "count", e.Count, "error", err)
	}
}

// Sample stores a refusal that can be caused at will, by strangers above all: at
// most one per second of one event name, reason and grant, with the number of
// those that were held back before it. It reports whether e was one to store.
func (r *Refusals) Sample(ctx context.Context, e Event) bool {
	pass, held := r.gate.Pass(e.Name+" "+string(e.Reason)+" "+e.GrantID, r.clock.Now())
	if !pass {
		return false
	}
	e.Count = held
	r.Record(ctx, e)
	return true
}
