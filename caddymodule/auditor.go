package caddymodule

import (
	"context"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// auditor writes the events of the MCP side into the one audit trail.
type auditor struct {
	resource string
	recorder audit.Recorder
}

// Record implements mcpbridge.Auditor.
func (a *auditor) Record(ctx context.Context, e mcpbridge.Event) error {
	event := audit.Event{
		Name:             e.Name,
		Resource:         a.resource,
		ToolName:         e.Tool,
		RequestID:        e.RequestID,
		TargetResourceID: e.TargetResourceID,
		WriteOutcome:     e.WriteOutcome,
		Intent:           e.Intent,
		Reason:           e.Reason,
		ErrorCode:        e.ErrorCode,
		ClientIP:         e.ClientIP,
		Duration:         e.Duration,
		Count:            e.Count,
		Durable:          e.Durable,
	}
	if p := e.Principal; p != nil {
		event.DomainID, event.UserID, event.UserEmail = p.DomainID, p.UserID, p.Email
		event.ClientID, event.ClientName, event.GrantID = p.ClientID, p.ClientName, p.GrantID
		event.Scopes = p.Scopes
	}
	// What a call needed says more about it than all that the token could do.
	if e.Scope != "" {
		event.Scopes = []string{e.Scope}
	}
	if e.Permission != "" {
		event.Permissions = []string{e.Permission}
	}
	return a.recorder.Record(ctx, event)
}

// Interface guard.
var _ mcpbridge.Auditor = (*auditor)(nil)
