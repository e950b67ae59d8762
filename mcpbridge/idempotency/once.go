package idempotency

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// MaxAnswer is the longest answer that is kept, in bytes.
const MaxAnswer = 64 << 10

// Errors of Once.Do. After each of them nothing was sent by that call.
var (
	// ErrReused says that the key names a write with other arguments.
	ErrReused = errors.New("idempotency key reused with other arguments")
	// ErrBusy says that the first call under the key has not ended in time.
	ErrBusy = errors.New("a call with this idempotency key is under way")
	// ErrUnavailable says that the ledger failed.
	ErrUnavailable = errors.New("idempotency ledger unavailable")
)

// Fate is what became of a write.
type Fate int

// Fates. The zero value is the one after which nothing is sent again.
const (
	// Unknown: it may have been made. The key stays taken, without an answer.
	Unknown Fate = iota
	// Settled: made, refused, or found to be there already. Its answer is final.
	Settled
	// NotMade: it was not sent, or is known not to have been looked at. The key
	// is free again.
	NotMade
)

// Write is one call that names its write by a key.
type Write struct {
	ID     mcpbridge.WriteID
	Digest [32]byte // over the arguments
	// Run makes the write. It calls begin immediately before it sends, and sends
	// nothing if begin fails; that error it then hands through as the cause.
	Run func(begin func() error) Outcome
	// Find finds out, without sending, what became of a write of the same
	// arguments that was sent at that time and never answered.
	Find func(sent time.Time) Outcome
}

// Outcome is what Run or Find came to.
type Outcome struct {
	Answer []byte
	Fate   Fate
	// Cause is the error of begin, or nil.
	Cause error
}

// Once runs writes. It is safe for concurrent use.
type Once struct {
	ledger mcpbridge.Ledger
	locks  *keylock.Locks
	log    *slog.Logger
}

// New returns a Once. All of a process that share a ledger share locks, so that
// a call waits for another one wherever that began; the keys in locks are
// prefixed by "once\x00".
func New(ledger mcpbridge.Ledger, locks *keylock.Locks, log *slog.Logger) *Once {
	return &Once{ledger: ledger, locks: locks, log: log}
}

// Do makes w unless it was made before, and returns the one answer that all
// calls for it get; replayed says that it is that of an earlier call. Waiting for
// that one is bounded by wait; a call that waited longer than patience sends
// nothing itself.
func (o *Once) Do(ctx context.Context, w *Write, wait, patience time.Duration) (answer []byte, replayed bool, err error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	release, err := o.take(ctx, w, wait)
	if err != nil {
		return nil, false, ErrBusy
	}
	defer release()

	answer, found, err := o.look(ctx, w)
	if found || err != nil {
		return answer, found, err
	}
	if patient.Err() != nil {
		return nil, false, ErrBusy
	}
	begun := false
	begin := func() error {
		err := o.begin(ctx, w)
		begun = err == nil
		return err
	}
	out := w.Run(begin)
	if out.Fate == Settled && !begun && out.Cause == nil {
		// Found to be there already: this answer is the key's from now on, too.
		out.Cause = begin()
	}
	switch {
	case errors.Is(out.Cause, errTaken):
		// Another process was faster. Its write is found out about like that of one
		// which ended.
		answer, found, err = o.look(ctx, w)
		if err == nil && !found {
			err = ErrBusy // it has just been forgotten
		}
		return answer, found, err
	case out.Cause != nil:
		return nil, false, ErrUnavailable
	case begun:
		o.settle(ctx, w, &out)
	}
	return out.Answer, false, nil
}

// take waits for the calls under the key that came before.
func (o *Once) take(ctx context.Context, w *Write, wait time.Duration) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return o.locks.Take(ctx, "once\x00"+w.ID.GrantID+"\x00"+w.ID.Tool+"\x00"+w.ID.Key)
}

// errTaken says that the key was taken between looking and beginning.
var errTaken = errors.New("idempotency key taken")

// look returns what is known of an earlier write under the key.
func (o *Once) look(ctx context.Context, w *Write) (answer []byte, found bool, err error) {
	earlier, found, err := o.ledger.Find(ctx, w.ID)
	switch {
	case err != nil:
		o.log.ErrorContext(ctx, "looking for an idempotent write", "tool", w.ID.Tool, "error", err)
		return nil, false, ErrUnavailable
	case !found:
		return nil, false, nil
	case earlier.Digest != w.Digest:
		return nil, false, ErrReused
	case earlier.Answer != nil:
		return earlier.Answer, true, nil
	}
	out := w.Find(earlier.SentAt)
	if out.Fate == Settled {
		o.keep(ctx, w, out.Answer)
	}
	return out.Answer, true, nil
}

func (o *Once) begin(ctx context.Context, w *Write) error {
	begun, err := o.ledger.Begin(context.WithoutCancel(ctx), w.ID, w.Digest)
	switch {
	case err != nil:
		o.log.ErrorContext(ctx, "remembering a write before it is sent; it is not sent", "tool", w.ID.Tool, "error", err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !begun:
		return errTaken
	}
	return nil
}

// settle stores what a write came to. Where it cannot be stored the answer goes
// out all the same: the write was made, and the key stays taken.
func (o *Once) settle(ctx context.Context, w *Write, out *Outcome) {
	switch out.Fate {
	case Settled:
		o.keep(ctx, w, out.Answer)
	case NotMade:
		if err := o.ledger.Forget(context.WithoutCancel(ctx), w.ID); err != nil {
			o.log.ErrorContext(ctx, "freeing an idempotency key", "tool", w.ID.Tool, "error", err)
		}
	case Unknown:
	}
}

func (o *Once) keep(ctx context.Context, w *Write, answer []byte) {
	if len(answer) > MaxAnswer {
		o.log.ErrorContext(ctx, "an answer is too long to be kept", "tool", w.ID.Tool, "bytes", len(answer))
		return
	}
	if err := o.ledger.Answer(context.WithoutCancel(ctx), w.ID, answer); err != nil {
		o.log.ErrorContext(ctx, "keeping the answer of an idempotent write", "tool", w.ID.Tool, "error", err)
	}
}
