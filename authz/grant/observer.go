package grant

import (
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Observer is told what a Service decides, for metrics. Its methods are called
// while a request waits, some of them on the hot path and several at once: they
// neither block nor allocate.
type Observer interface {
	// Verified is told of every access token that was checked: reason.None for a
	// good one, reason.StoreUnavailable when it could not be known.
	Verified(why reason.Reason)
	// StoreRead is told of every read of the store that Verify makes, before it.
	StoreRead()
	// Reused is told of every refresh token that was presented after its rotation
	// and was answered its successor, or ended its family by that.
	Reused(r Reuse)
}

// Reuse is one use of a refresh token that was rotated before.
type Reuse struct {
	// Age is the time from the rotation of the token to the decision about its
	// next use. It is meaningful only if AgeKnown.
	Age time.Duration
	// AgeKnown is false when nothing is kept of the token's generation any more.
	AgeKnown bool
	// Revoked says that this use ended the family. Otherwise it was a retry inside
	// the grace and was answered.
	Revoked bool
}

// reuse describes the use of a token for which Decide said Replay or
// RevokeFamily.
func (f Facts) reuse(revoked bool) Reuse {
	r := Reuse{Revoked: revoked}
	if f.Generation.Hash == f.Presented.Hash && !f.Generation.RotatedAt.IsZero() {
		// A clock that was set back makes no negative age.
		r.Age, r.AgeKnown = max(0, f.Now.Sub(f.Generation.RotatedAt)), true
	}
	return r
}

// unobserved is the Observer of a service that nobody observes.
type unobserved struct{}

func (unobserved) Verified(reason.Reason) {}
func (unobserved) StoreRead()             {}
func (unobserved) Reused(Reuse)           {}
