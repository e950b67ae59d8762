package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

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
	refusals *audit.Refusals
	clock    clock.Clock
	// byClient thins out refusals that name a client and no grant. Anyone can
	// have many clients, which must not crowd out what is told about grants.
	byClient flood.Gate
}

// NewTrail returns a Trail over recorder. A nil clock is clock.System, a nil log
// slog.Default().
func NewTrail(recorder audit.Recorder, c clock.Clock, log *slog.Logger) *Trail {
	if c == nil {
		c = clock.System
	}
	return &Trail{recorder: recorder, refusals: audit.NewRefusals(recorder, c, log), clock: c}
}

// Done records that something was done to a grant and returns nil. What cannot
// be recorded must not be acknowledged: the error is then a 503.
func (t *Trail) Done(ctx context.Context, name string, g Grant, scopes []string) *oauth.Error {
	e := event(ctx, name, g)
	e.Scopes, e.Durable = scopes, true
	// What is done is done, also when the client has gone away.
	if err := t.recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		return oauth.NotAudited(fmt.Errorf("record %s: %w", name, err))
	}
	return nil
}

// Reused records that a code or refresh token was used again and returns
// refused. first says that this use ended the family, which is always recorded.
// Every later use tells the theft again, at most once per second and grant, so
// that it is not lost with one record that could not be stored.
func (t *Trail) Reused(ctx context.Context, g Grant, first bool, refused *oauth.Error) *oauth.Error {
	e := refusal(ctx, audit.RefreshReuse, g, refused)
	e.Durable = true
	if first {
		t.refusals.Record(ctx, e)
	} else {
		t.refusals.Sample(ctx, e)
	}
	return refused
}

// Counted records a refusal that was counted against a grant, and returns it.
// What changed is durable and always recorded; the grant bounds how often.
func (t *Trail) Counted(ctx context.Context, g Grant, refused *oauth.Error) *oauth.Error {
	e := refusal(ctx, audit.TokenRefused, g, refused)
	e.Durable = true
	t.refusals.Record(ctx, e)
	return refused
}

// Refused records a refusal that changed nothing, and returns it. Faults of ours
// are no refusals and only logged. Whoever holds a dead token can cause as many
// as they like, so that no answer waits for the disk and there is a sample: at
// most one per second of one reason and grant, or client where no grant is
// known, with the number of those that were held back before it.
func (t *Trail) Refused(ctx context.Context, g Grant, refused *oauth.Error) *oauth.Error {
	if refused.Status >= http.StatusInternalServerError {
		return refused
	}
	e := refusal(ctx, audit.TokenRefused, g, refused)
	if e.GrantID != "" || e.ClientID == "" {
		t.refusals.Sample(ctx, e)
		return refused
	}
	if pass, held := t.byClient.Pass(string(e.Reason)+" "+e.ClientID, t.clock.Now()); pass {
		e.Count = held
		t.refusals.Record(ctx, e)
	}
	return refused
}

// Unauthenticated records a refusal of somebody who is not known: Refused
// without a grant.
func (t *Trail) Unauthenticated(ctx context.Context, refused *oauth.Error) {
	_ = t.Refused(ctx, Grant{}, refused) // what it returns is what it was given
}

func refusal(ctx context.Context, name string, g Grant, refused *oauth.Error) audit.Event {
	if refused.Reason.Layer() == reason.LayerLimit {
		name = audit.LimitHit
	}
	e := event(ctx, name, g)
	e.Reason, e.ErrorCode = refused.Reason, string(refused.Code)
	return e
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
