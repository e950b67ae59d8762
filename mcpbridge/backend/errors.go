package backend

import (
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Kind names what went wrong with a request.
type Kind int

// The kinds of failure.
const (
	// Internal: the request could not be built or signed; nothing was sent.
	Internal Kind = iota
	// Canceled: the caller went away.
	Canceled
	// Unavailable: no connection, a broken one, or a 5xx answer.
	Unavailable
	// Timeout: no whole answer within the deadline.
	Timeout
	// RefusedGateway: the backend does not accept the gateway's credential. It
	// says nothing about the client's token.
	RefusedGateway
	// Forbidden: the backend knows the person and refuses them this.
	Forbidden
	// NotFound: there is no such object, or the person may not see it.
	NotFound
	// Conflict: the object is not in a state that allows this.
	Conflict
	// Validation: the backend does not accept the input.
	Validation
	// RateLimited: too many requests; see Error.RetryAfter.
	RateLimited
	// BadAnswer: the answer is not what the interface promises.
	BadAnswer
)

var kindNames = [...]string{
	Internal: "internal", Canceled: "canceled", Unavailable: "unavailable", Timeout: "timeout",
	RefusedGateway: "refused gateway", Forbidden: "forbidden", NotFound: "not found",
	Conflict: "conflict", Validation: "validation", RateLimited: "rate limited", BadAnswer: "bad answer",
}

// String returns the kind in words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown kind"
	}
	return kindNames[k]
}

// Error is every failure of this package.
type Error struct {
	Kind   Kind
	Status int // of the answer, or 0 without one
	// Detail is the backend's own words, cleaned and cut: customer content. It
	// is set only for Forbidden, NotFound, Conflict and Validation.
	Detail string
	// RetryAfter is how long to wait, in whole seconds from 1 on; only for
	// RateLimited, and for Unavailable where the backend said so.
	RetryAfter time.Duration
	// OutcomeUnknown says that this was a write which may have taken effect.
	OutcomeUnknown bool
	// Cause is for the log; nil if the backend answered.
	Cause error
}

// Error returns the failure for a log. It holds no text of the backend.
func (e *Error) Error() string {
	s := "backend: " + e.Kind.String()
	if e.Status != 0 {
		s = fmt.Sprintf("%s (status %d)", s, e.Status)
	}
	if e.OutcomeUnknown {
		s += ", outcome unknown"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Reason returns the reason by which the failure is audited.
func (e *Error) Reason() reason.Reason {
	switch e.Kind {
	case Unavailable:
		return reason.BackendUnavailable
	case Timeout:
		return reason.BackendTimeout
	case RefusedGateway:
		return reason.BackendRefusedGateway
	case Forbidden, NotFound, Conflict, Validation:
		return reason.BackendRefused
	case RateLimited:
		return reason.BackendRateLimited
	case BadAnswer:
		return reason.BackendBadAnswer
	}
	return reason.None
}
