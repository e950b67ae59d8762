package audit

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Event names.
const (
	ClientRegistered    = "client_registered"
	ClientRejected      = "client_rejected"
	ClientUpdated       = "client_updated"
	SignInOK            = "sign_in_ok"
	SignInFailed        = "sign_in_failed"
	ConsentGranted      = "consent_granted"
	ConsentDenied       = "consent_denied"
	TokenIssued         = "token_issued"
	TokenRefreshed      = "token_refreshed"
	TokenRefused        = "token_refused"
	TokenRevoked        = "token_revoked"
	PersonSignedOut     = "person_signed_out"
	LogoutRefused       = "logout_refused"
	RefreshReuse        = "refresh_reuse_detected"
	ToolsListed         = "tools_listed"
	ToolInvoked         = "tool_invoked"
	WriteOutcome        = "write_outcome"
	AuthorizationFailed = "authorization_failed"
	ConfigApplied       = "config_applied"
	DomainOn            = "domain_on"
	DomainOff           = "domain_off"
	ClientRemoved       = "client_removed"
	LimitHit            = "limit_hit"
	AdminAction         = "admin_action"
)

// Event is one entry. Empty fields are left out of the record.
type Event struct {
	Name             string        `json:"event_name"`
	Time             time.Time     `json:"timestamp"`      // set by the recorder when zero; UTC
	ID               string        `json:"event_id"`       // set by the recorder; sortable by time, unique
	Node             string        `json:"node,omitempty"` // set by the recorder
	DomainID         string        `json:"domain_id,omitempty"`
	UserID           string        `json:"user_id,omitempty"`
	UserEmail        string        `json:"user_email,omitempty"`
	ClientID         string        `json:"client_id,omitempty"`
	ClientName       string        `json:"client_name,omitempty"`
	GrantID          string        `json:"grant_id,omitempty"`
	Resource         string        `json:"resource,omitempty"`
	ToolName         string        `json:"tool_name,omitempty"`
	Scopes           []string      `json:"scopes,omitempty"`
	Permissions      []string      `json:"permissions,omitempty"`
	RequestID        string        `json:"request_id,omitempty"`
	TargetResourceID string        `json:"target_resource_id,omitempty"`
	WriteOutcome     string        `json:"write_outcome,omitempty"`
	Intent           string        `json:"telemetry.intent,omitempty"`
	Reason           reason.Reason `json:"reason,omitempty"`
	ErrorCode        string        `json:"error_code,omitempty"`
	ClientIP         string        `json:"client_ip,omitempty"`
	Duration         time.Duration `json:"-"`                // written as duration_ms, a number
	Detail           string        `json:"detail,omitempty"` // what else there is to say, in words of ours
	// Count says that so many events like this one, before it, were not written
	// one by one: events that anyone can cause are thinned out.
	Count int `json:"count,omitempty"`
	// Durable asks that the event is on disk before Record returns. Token,
	// consent and write events are durable.
	Durable bool `json:"-"`
}

// Recorder stores events.
type Recorder interface {
	// Record stores e; after an error e is not stored and what it describes must
	// not be acknowledged.
	Record(ctx context.Context, e Event) error
}
