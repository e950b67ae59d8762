// Package mcpbridge declares what the MCP side needs from the rest: who calls,
// what they may do, where it is written down, which writes were sent, and with
// which key requests are signed. It has no behaviour of its own.
//
// Owns: the small types by which a call's principal, decision and audit meet.
// Does not own: tokens, policy, storage (package authz) and Caddy (package
// caddymodule); caddymodule connects the two sides.
// Trust: implementations of Gate have authenticated the token before they
// return a Principal.
package mcpbridge

import (
	"context"
	"errors"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Errors of Gate.Authenticate.
var (
	// ErrInvalidToken says that the token is unknown, expired, revoked or of
	// another resource: 401 invalid_token (RFC 6750 §3.1).
	ErrInvalidToken = errors.New("invalid access token")
	// ErrUnavailable says that it could not be decided: 503, never a denial.
	ErrUnavailable = errors.New("authorization unavailable")
)

// Principal is the person on whose behalf a call runs, and the assistant that
// makes it. It is shared between concurrent calls and must not be changed.
type Principal struct {
	UserID     string // the person's id at the backend, or "" while unknown
	Email      string
	DomainID   string // the e-mail domain that the person signed in for
	ClientID   string
	ClientName string
	GrantID    string
	Resource   string
	Scopes     []string // consented, of this token
	// Permissions are the effective ones: reachable by Scopes and held by the
	// person's roles now, sorted.
	Permissions []string
}

// Need is what a tool requires.
type Need struct {
	Scope      string
	Permission string
	Write      bool
}

// Outcome is the result of a decision.
type Outcome int

// Outcomes. The zero value denies.
const (
	Deny   Outcome = iota // answer a tool error; a wider consent would not help
	StepUp                // answer 403 insufficient_scope with Decision.Scopes
	Allow
)

// Decision is the answer of Gate.Authorize.
type Decision struct {
	Outcome Outcome
	// Scopes is granted ∪ needed, for the challenge of a StepUp.
	Scopes []string
	Reason reason.Reason
}

// Gate authenticates tokens and decides about calls.
type Gate interface {
	// Authenticate returns the principal of a bearer token for this gate's
	// resource, or an error that is ErrInvalidToken or ErrUnavailable.
	Authenticate(ctx context.Context, token string) (*Principal, error)
	// Authorize decides whether p may make a call that needs n, now. It decides
	// from what Authenticate found out, so that it cannot fail.
	Authorize(ctx context.Context, p *Principal, n Need) Decision
}

// Allowance is the answer of Limiter.Take, in the terms of the bucket that is
// the tightest. The zero value lets pass and says nothing: nothing is limited.
type Allowance struct {
	// Limit is how many requests a bucket lets pass at once when it is full; 0: nothing
	// is limited.
	Limit int
	// Remaining is how many more would pass at this moment.
	Remaining int
	// Reset is how long until the bucket is full.
	Reset time.Duration
	// Reason is not None if the request must not be served; its code names the
	// bucket.
	Reason reason.Reason
	// RetryAfter is how long to wait, then, until one request passes.
	RetryAfter time.Duration
}

// Limiter counts what people ask.
type Limiter interface {
	// Take counts one request of p, as a write or as a read, or says why it must
	// not be served; then it is counted nowhere. It has always an answer: where the
	// counters are cannot make a request fail.
	Take(ctx context.Context, p *Principal, write bool) Allowance
}

// Event names of the MCP side.
const (
	EventToolsListed = "tools_listed"
	// EventToolInvoked is a call: of a read after it ran, with how it went; of a
	// write before anything is sent, without an outcome.
	EventToolInvoked = "tool_invoked"
	// EventWriteOutcome ends the EventToolInvoked of a write with the same
	// request id: with the outcome, or with the error code of why nothing was
	// sent. Where it is missing, the process ended in between or the journal
	// failed, and the outcome is not known.
	EventWriteOutcome        = "write_outcome"
	EventAuthorizationFailed = "authorization_failed"
	// EventLimitHit is a request over a limit. Count tells of those like it.
	EventLimitHit = "limit_hit"
)

// Event is one entry for the audit trail.
type Event struct {
	Name             string
	Principal        *Principal // nil when nobody was authenticated
	Tool             string
	RequestID        string
	Scope            string // that the call needed
	Permission       string
	TargetResourceID string
	WriteOutcome     string
	Intent           string // telemetry.intent
	Reason           reason.Reason
	ErrorCode        string
	ClientIP         string
	Duration         time.Duration
	// Count is how many events like this one came before it and were not
	// written one by one.
	Count int
	// Durable asks that the event is on disk before Record returns.
	Durable bool
}

// WriteID names a write: what a client calls by one key means one change. It is
// the key of one grant and one tool, so that nobody can meet another's.
type WriteID struct {
	GrantID string
	Tool    string
	Key     string // of the client, or ours; 1–255 bytes
}

// Write is what is remembered of a write from the moment before it was sent.
type Write struct {
	Digest [32]byte // over its arguments
	SentAt time.Time
	// Answer is what was answered; nil while the outcome is not known.
	Answer []byte
}

// Ledger remembers writes for 24 h, durably and on all nodes. An error of any
// method says that it could not be found out or not be stored.
type Ledger interface {
	// Find returns what is remembered under id, and false if nothing is.
	Find(ctx context.Context, id WriteID) (Write, bool, error)
	// Begin remembers that a write is about to be sent. It returns false, and
	// changes nothing, if one is remembered under id.
	Begin(ctx context.Context, id WriteID, digest [32]byte) (bool, error)
	// Answer keeps what was answered to a write that has no answer yet.
	Answer(ctx context.Context, id WriteID, answer []byte) error
	// Forget ends the memory of a write that is known not to have been made.
	Forget(ctx context.Context, id WriteID) error
}

// Auditor writes the audit trail.
type Auditor interface {
	// Record stores e; an error means that it is not stored.
	Record(ctx context.Context, e Event) error
}
