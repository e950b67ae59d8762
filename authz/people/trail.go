package people

import (
	"context"
	"strconv"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Cause is why everything of a person ends.
type Cause struct {
	// Reason is reason.UserNotActive or one of the By constants of package grant.
	Reason reason.Reason
	// Detail is in words of ours.
	Detail string
}

// Record returns what writes the end of a person's grants into the audit trail:
// one line for the person and one for each grant, which all name the cause. The
// trail is in order, so that it is enough when the last line is durable.
func Record(to audit.Recorder, c clock.Clock, why Cause) grant.Record {
	return func(ctx context.Context, e grant.Ended) error {
		events := []audit.Event{{Name: audit.PersonSignedOut, Detail: why.Detail + ", with " + strconv.Itoa(len(e.Families)) + " grants"}}
		for _, f := range e.Families {
			events = append(events, audit.Event{
				Name: audit.TokenRevoked, UserID: f.Subject, ClientID: f.ClientID, GrantID: f.ID, Resource: f.Resource, Scopes: f.Scopes,
				Detail: why.Detail,
			})
		}
		for i, event := range events {
			event.Time, event.RequestID, event.ClientIP = c.Now(), httpx.RequestID(ctx), httpx.ClientIP(ctx)
			event.DomainID, event.UserEmail, event.Reason = e.User.Domain, e.User.Email, why.Reason
			event.Durable = i == len(events)-1
			if err := to.Record(ctx, event); err != nil {
				return err
			}
		}
		return nil
	}
}
