package appstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/idempotency"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// clockSkew is by how much the backend's clock may be behind ours: what it
// accepts of a signature's time, too.
const clockSkew = 30 * time.Second

// stillUnderWay is how long after it was sent a write may yet take effect: its
// own deadline, and what the backend does after we hung up.
const stillUnderWay = 2 * backend.DefaultWriteDeadline

// maxWritten is the longest answer to a write, in bytes, so that it can be kept:
// it may double in length as text. A longer one is given without what other tools
// return too.
const maxWritten = idempotency.MaxAnswer / 2

func (v *submitView) shorten() { v.Request.shorten() }
func (v *cancelView) shorten() { v.Request.shorten() }

// errNotFound says that a write of which nobody knows the outcome is not there.
var errNotFound = errors.New("the write is not there")

// notBegunError says that a write was not sent because it could not be
// remembered.
type notBegunError struct{ cause error }

func (e *notBegunError) Error() string { return "not begun: " + e.cause.Error() }
func (e *notBegunError) Unwrap() error { return e.cause }

// writeID names the write of a call: by the client's key, or by the exchange in
// which a person made a choice, whose answer could be replayed otherwise. ok is
// false for a read, and for a write without a name.
func writeID(tc *toolset.Call, args typed) (id mcpbridge.WriteID, ok bool) {
	w, isWrite := args.(namedWrite)
	if !isWrite {
		return id, false
	}
	id = mcpbridge.WriteID{GrantID: tc.Principal.GrantID, Tool: tc.Tool, Key: w.key()}
	if id.Key == "" && tc.Exchange != "" {
		id.Key = " " + tc.Exchange // a client's key has no space
	}
	return id, id.Key != ""
}

// findBy adapts a method that takes the typed arguments A.
func findBy[A any, P interface {
	*A
	typed
}](method func(*Set, context.Context, *call, P, time.Time) (answer, error)) func(context.Context, *Set, *call, typed, time.Time) (answer, error) {
	return func(ctx context.Context, s *Set, c *call, args typed, sent time.Time) (answer, error) {
		return method(s, ctx, c, args.(P), sent)
	}
}

// runOnce makes the write that id names, or answers as it was answered before.
func (s *Set) runOnce(ctx context.Context, e *entry, c *call, args namedWrite, id mcpbridge.WriteID) toolset.Result {
	meant, err := json.Marshal(args.meant(), json.Deterministic(true))
	if err != nil {
		return s.finish(ctx, e, c, answer{}, err)
	}
	c.keyed = args.key() != ""
	var made, found toolset.Result
	kept, replayed, err := s.once.Do(ctx, &idempotency.Write{
		ID: id, Digest: sha256.Sum256(meant),
		Run: func(begin func() error) idempotency.Outcome {
			c.begin = begin
			a, err := e.runner.run(ctx, s, c, args)
			if notBegun := new(notBegunError); errors.As(err, &notBegun) {
				return idempotency.Outcome{Cause: notBegun.cause, Fate: idempotency.NotMade}
			}
			made = s.finish(ctx, e, c, a, err)
			return outcomeOf(&made, c.begun)
		},
		Find: func(sent time.Time) idempotency.Outcome {
			found = s.findOut(ctx, e, c, args, sent)
			return outcomeOf(&found, true)
		},
	}, MaxCall-readBudget, lockWait) // finding out takes readBudget at most
	switch {
	case errors.Is(err, idempotency.ErrReused):
		return fault.Invalid(codeKeyReused, "This idempotency_key was used for a call with other arguments. Nothing was sent. Use a new key for a new wish; repeat a key only with the same arguments.").Result()
	case errors.Is(err, idempotency.ErrBusy):
		return fault.New(codeKeyBusy, "An earlier call with this idempotency_key is still under way. Nothing was sent by this call. Repeat it with the same key in a minute.").Result()
	case err != nil:
		f := fault.New(codeKeyUnavailable, "The gateway cannot keep the idempotency_key now, so nothing was sent. Repeat the call with the same key in a minute.")
		f.Reason = reason.StoreUnavailable
		return f.Result()
	case !replayed:
		return made
	}
	return s.replay(ctx, kept, found)
}

// outcomeOf says what is kept of a result. A failure that says nothing about the
// write itself leaves the key free, as do arguments that could not be sent.
func outcomeOf(r *toolset.Result, begun bool) idempotency.Outcome {
	out := idempotency.Outcome{Fate: idempotency.Settled}
	switch {
	case r.WriteOutcome == fault.Unknown:
		out.Fate = idempotency.Unknown
	case r.WriteOutcome == "", r.IsError && !begun:
		out.Fate = idempotency.NotMade
	}
	out.Answer = encodeKept(r)
	return out
}

// keptResult is a result as it is kept. Text and not JSON inside JSON: what is
// answered again must be the same bytes.
type keptResult struct {
	Structured string        `json:"structured,omitzero"`
	Text       string        `json:"text,omitzero"`
	IsError    bool          `json:"is_error,omitzero"`
	Code       string        `json:"code,omitzero"`
	Reason     reason.Reason `json:"reason,omitzero"`
	Target     string        `json:"target,omitzero"`
	Outcome    string        `json:"outcome"`
}

func encodeKept(r *toolset.Result) []byte {
	raw, err := json.Marshal(keptResult{
		Structured: string(r.Structured), Text: r.Text, IsError: r.IsError, Code: r.Code, Reason: r.Reason,
		Target: r.TargetResourceID, Outcome: r.WriteOutcome,
	})
	if err != nil {
		return nil // never: all of it is valid UTF-8
	}
	return raw
}

// replay answers as an earlier call was answered. found is what was found out
// just now where nothing had been kept; it is equal to what is kept then. In the
// audit trail only the call that made a change has made it.
func (s *Set) replay(ctx context.Context, kept []byte, found toolset.Result) toolset.Result {
	if found.Code != "" || found.Structured != nil {
		return found
	}
	var k keptResult
	if err := json.Unmarshal(kept, &k); err != nil {
		s.log.ErrorContext(ctx, "a kept answer cannot be read", "error", err)
		f := fault.New(fault.OutcomeUnknown, "The answer to the earlier call with this idempotency_key cannot be read. %s", sayCheckSubmit)
		f.Outcome = fault.Unknown
		return f.Result()
	}
	r := toolset.Result{
		Text: k.Text, IsError: k.IsError, Code: k.Code, Reason: k.Reason, TargetResourceID: k.Target, WriteOutcome: k.Outcome,
	}
	if k.Structured != "" {
		r.Structured = []byte(k.Structured)
	}
	if k.Outcome == fault.Created || k.Outcome == fault.Updated {
		r.WriteOutcome = fault.Deduped
	}
	return r
}

// findOut says what became of a write that was sent and never answered. It sends
// nothing that changes anything.
func (s *Set) findOut(ctx context.Context, e *entry, c *call, args typed, sent time.Time) toolset.Result {
	ctx, cancel := context.WithTimeout(ctx, readBudget)
	defer cancel()
	a, err := e.find(ctx, s, c, args, sent)
	if err == nil {
		return s.finish(ctx, e, c, a, nil)
	}
	f := &fault.Failure{Code: fault.OutcomeUnknown, Outcome: fault.Unknown, Reason: reason.BackendUnavailable}
	at := sent.UTC().Format(time.RFC3339)
	switch {
	case !errors.Is(err, errNotFound):
		f.Reason = cmp.Or(wordsOf(e.Name, true).Of(err).Reason, f.Reason)
		f.Text = "An earlier call with this idempotency_key was sent at " + at + " and not confirmed, and the App Store cannot be asked now what became of it. " +
			"Nothing was sent by this call. Repeat it with the same key in a minute."
	case s.clock.Now().Sub(sent) < stillUnderWay:
		f.Text = "An earlier call with this idempotency_key was sent at " + at + " and not confirmed. The App Store does not show its effect, but it may still come. " +
			"Nothing was sent by this call. Repeat it with the same key in a minute."
	default:
		f.Text = "An earlier call with this idempotency_key was sent at " + at + " and not confirmed. The App Store does not show its effect, so most likely it was lost. " +
			"Nothing was sent by this call. Tell the user; if they still want it, call with a new idempotency_key."
	}
	r := f.Result()
	r.TargetResourceID = a.target
	return r
}
