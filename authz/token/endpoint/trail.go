package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// anonymousEvery is how often a refusal of one reason is recorded when nothing
// is known about whom it concerns, so that a flood of garbage cannot fill the
// audit trail.
const anonymousEvery = time.Second

// Grant is what an event can say about whose grant it concerns. Any part may be
// zero.
type Grant struct {
	Client store.Client
	Family store.Family
	User   store.User
}

// Trail records the outcomes of an endpoint. It is safe for concurrent use.
type Trail struct {
	recorder audit.Recorder
	clock    clock.Clock

	mu   sync.Mutex
	last map[reason.Reason]time.Time // of anonymous refusals; reasons are few
}

// NewTrail returns a Trail over recorder; a nil clock is clock.System.
func NewTrail(recorder audit.Recorder, c clock.Clock) *Trail {
	if c == nil {
		c = clock.System
	}
	return &Trail{recorder: recorder, clock: c, last: make(map[reason.Reason]time.Time)}
}

// Done records that something was done to a grant and returns nil. What cannot
// be recorded must not be acknowledged: the error is then a 503, and the client
// tries again.
func (t *Trail) Done(ctx context.Context, name string, g Grant, scopes []string) *oauth.Error {
	e := event(ctx, name, g)
	e.Scopes, e.Durable = scopes, true
	return t.record(ctx, e)
}

// Reused records that a code or refresh token was used again and that its
// family was revoked, and returns refused or, if that cannot be recorded, a 503.
func (t *Trail) Reused(ctx context.Context, g Grant, refused *oauth.Error) *oauth.Error {
	e := event(ctx, audit.RefreshReuse, g)
	e.Reason, e.ErrorCode, e.Durable = refused.Reason, string(refused.Code), true
	if failed := t.record(ctx, e); failed != nil {
		return failed
	}
	return refused
}

// Refused records a refusal and returns it, or a 503 if it cannot be recorded.
// Faults of ours are no refusals and only logged. A refusal that concerns a
// known grant is durable; others are sampled.
func (t *Trail) Refused(ctx context.Context, g Grant, refused *oauth.Error) *oauth.Error {
	if refused.Status >= http.StatusInternalServerError {
		return refused
	}
	known := g.Family.ID != ""
	if !known && !t.due(refused.Reason) {
		return refused
	}
	e := event(ctx, audit.TokenRefused, g)
	e.Reason, e.ErrorCode, e.Durable = refused.Reason, string(refused.Code), known
	if failed := t.record(ctx, e); failed != nil {
		return failed
	}
	return refused
}

// due says whether an anonymous refusal of that reason is to be recorded now.
func (t *Trail) due(why reason.Reason) bool {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	last, seen := t.last[why]
	if since := now.Sub(last); seen && 0 <= since && since < anonymousEvery {
		return false
	}
	t.last[why] = now
	return true
}

// record does not end with the request: what is done is done, also when the
// client has gone away.
func (t *Trail) record(ctx context.Context, e audit.Event) *oauth.Error {
	if err := t.recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		return oauth.Unavailable(fmt.Errorf("record %s: %w", e.Name, err))
	}
	return nil
}

func event(ctx context.Context, name string, g Grant) audit.Event {
	return audit.Event{
		Name: name,
		// The backend's id, as in the events of tool calls: one person, one id.
		DomainID: g.Family.Domain, UserID: g.Family.Subject, UserEmail: g.User.Email,
		ClientID: g.Client.ID, ClientName: g.Client.Name,
		GrantID: g.Family.ID, Resource: g.Family.Resource,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}

// Malformed is the refusal of a request that breaks the form of the protocol.
func Malformed(format string, args ...any) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, reason.ClientBadRequest, format, args...)
}
