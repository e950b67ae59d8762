package oauth

import (
	"fmt"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Code is an OAuth error code as it goes over the wire.
type Code string

// Error codes of RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2
// and RFC 6750 §3.1.
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	InvalidScope            Code = "invalid_scope"
	InvalidTarget           Code = "invalid_target"
	AccessDenied            Code = "access_denied"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	InvalidRedirectURI      Code = "invalid_redirect_uri"
	InvalidClientMetadata   Code = "invalid_client_metadata"
	InvalidToken            Code = "invalid_token" // RFC 6750 §3.1
)

// Error is a refusal by the authorization server: what goes over the wire, and
// beside it what only operators see. It is a value; the endpoints return it and
// one writer per surface turns it into an answer.
type Error struct {
	// Code and Description go over the wire. Description is fixed text of ours
	// in printable ASCII, never an echo of input.
	Code        Code
	Description string
	// Status is the HTTP status; zero means 400.
	Status int
	// RetryAfter, when not zero, becomes a Retry-After header in whole seconds.
	RetryAfter time.Duration
	// Reason names the layer that refused, for audit and metrics.
	Reason reason.Reason
	// Err is the cause for operators; it never goes over the wire.
	Err error
}

// Errorf returns a 400 refusal with that code, reason and wire text.
func Errorf(code Code, why reason.Reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: why, Description: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// Unavailable returns the 503 answer for a store that cannot answer: a client
// may retry, and must not read it as a dead token or an unknown client.
func Unavailable(err error) *Error { return unavailable(reason.StoreUnavailable, err) }

// NotAudited returns the 503 answer for what was done but could not be written
// to the audit trail, and is therefore not acknowledged.
func NotAudited(err error) *Error { return unavailable(reason.AuditUnavailable, err) }

func unavailable(why reason.Reason, err error) *Error {
	return &Error{
		Code: TemporarilyUnavailable, Description: "the server cannot answer right now, try again",
		Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Reason: why, Err: err,
	}
}

// TooMany returns the 429 answer for what comes too often and may come again
// after wait. RFC 6749 has no code for it; this one says neither that a token is
// dead nor that a client is unknown.
func TooMany(why reason.Reason, wait time.Duration, description string) *Error {
	return &Error{
		Code: TemporarilyUnavailable, Description: description,
		Status: http.StatusTooManyRequests, RetryAfter: wait, Reason: why,
	}
}

// Error describes the refusal for operators.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Description)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
