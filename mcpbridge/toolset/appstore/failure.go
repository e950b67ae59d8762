package appstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// The codes of failed calls. They are stable: clients and dashboards count them.
const (
	codeInvalidArguments = "invalid_arguments"
	codeUnknownTool      = "unknown_tool"
	codeInternal         = "internal_error"
	codeCanceled         = "canceled"
	codeUnavailable      = "backend_unavailable"
	codeTimeout          = "backend_timeout"
	codeRefusedGateway   = "backend_refused_gateway"
	codeRateLimited      = "backend_rate_limited"
	codeBadAnswer        = "backend_bad_answer"
	codeNotAllowed       = "not_allowed"
	codeNotFound         = "not_found"
	codeConflict         = "conflict"
	codeRejected         = "rejected"
	codeOutcomeUnknown   = "outcome_unknown"
	codeBusy             = "busy"
	codeRedirect         = "requested_elsewhere"
	codeNotSelectable    = "permissions_not_selectable"
	codeNeedPermission   = "permission_required"
	codeOnePermission    = "one_permission_only"
	codeNotRequestable   = "permission_not_requestable"
	codeNeedLength       = "access_length_required"
	codeLengthNotOffered = "access_length_not_offered"
	codeRequestNotOpen   = "request_not_open"
	codeKeyReused        = "idempotency_key_reused"
	codeKeyBusy          = "idempotency_key_busy"
	codeKeyUnavailable   = "idempotency_unavailable"
)

// The outcomes of a write, as they are audited. No outcome means that nothing
// was changed, and that why says nothing about the write itself: it was not
// sent, or the backend did not look at it. The code and the reason tell.
const (
	outcomeCreated = "created"
	outcomeUpdated = "updated"
	outcomeDeduped = "deduped"
	outcomeDenied  = "denied"
	outcomeFailed  = "failed_validation"
	outcomeUnknown = "unknown"
)

// What a model is told to do next.
const (
	sayTellUser     = "Tell the user; repeating the call will not help."
	sayTryLater     = "Try again in a minute; if it still fails, tell the user."
	sayCheckSubmit  = "It may or may not have been submitted. Do not submit again. Call list_access_requests to see whether it is there, then tell the user."
	sayRepeat       = "Or repeat this call with the same idempotency_key: nothing is sent again, it finds out what happened."
	sayCheckRequest = "It may or may not have been done. Call get_access_request to see the status before anything else."
)

// failure is a call that failed, as an error on its way to the answer.
type failure struct {
	code    string
	reason  reason.Reason
	outcome string // of the write, "" if there is none
	text    string // for the model: what failed and what to do next
	ask     *toolset.Ask
}

func (f *failure) Error() string { return f.code }

// fail returns a failure that is found before a write is sent.
func fail(code, format string, args ...any) *failure {
	return &failure{code: code, text: fmt.Sprintf(format, args...)}
}

// invalid returns a failure of the input of a write.
func invalid(code, format string, args ...any) *failure {
	f := fail(code, format, args...)
	f.outcome = outcomeFailed
	return f
}

// asFailure returns err, of the backend or of this package, as a failure.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var b *backend.Error
	if !errors.As(err, &b) {
		return fail(codeInternal, "The gateway failed. %s", sayTellUser)
	}
	f = &failure{reason: b.Reason()}
	switch b.Kind {
	case backend.Canceled:
		f.code, f.text = codeCanceled, "The call was cancelled."
	case backend.Unavailable:
		f.code, f.text = codeUnavailable, "The App Store cannot be reached. "+sayTryLater
		if b.RetryAfter > 0 {
			f.text = fmt.Sprintf("The App Store is not available. Try again after %s.", seconds(b))
		}
	case backend.Timeout:
		f.code, f.text = codeTimeout, "The App Store did not answer in time. "+sayTryLater
	case backend.RefusedGateway:
		f.code, f.text = codeRefusedGateway, "The App Store does not accept requests of this gateway. "+
			"This is a fault of the installation, not of the user's sign-in: signing in again will not help. Tell the user to contact their administrator."
	case backend.Forbidden:
		f.code, f.text = codeNotAllowed, "The App Store does not allow the user to do this."+quoted(b.Detail)+" "+sayTellUser
	case backend.NotFound:
		f.code, f.text = codeNotFound, "There is no such object, or the user may not see it. Check the id: search_apps and list_access_requests return ids."
	case backend.Conflict:
		f.code, f.text = codeConflict, "The App Store says that this is not possible now."+quoted(b.Detail)+" Tell the user."
	case backend.Validation:
		f.code, f.text = codeRejected, "The App Store does not accept the input."+quoted(b.Detail)+" Correct the arguments and call again."
	case backend.RateLimited:
		f.code, f.text = codeRateLimited, fmt.Sprintf("The App Store receives too many requests. Try again after %s.", seconds(b))
	case backend.BadAnswer:
		f.code, f.text = codeBadAnswer, "The App Store gave an answer that the gateway does not understand. "+sayTellUser
	default:
		f.code, f.text = codeInternal, "The gateway failed. "+sayTellUser
	}
	return f
}

// asWriteFailure is asFailure for the write itself, with its outcome. If the
// outcome is unknown, check says how to find it out.
func asWriteFailure(err error, check string) *failure {
	f := asFailure(err)
	var b *backend.Error
	if !errors.As(err, &b) {
		return f
	}
	if b.OutcomeUnknown {
		f.code, f.outcome = codeOutcomeUnknown, outcomeUnknown
		f.text = "The App Store did not confirm this. " + check
		return f
	}
	f.text += " Nothing was changed."
	switch b.Kind {
	case backend.Conflict, backend.Validation, backend.NotFound:
		f.outcome = outcomeFailed
	case backend.Forbidden:
		// Only this judges the person's wish. A credential of ours that is not
		// accepted, or a limit, denies nobody anything.
		f.outcome = outcomeDenied
	}
	return f
}

// result returns the failure as the answer to a call.
func (f *failure) result() toolset.Result {
	return toolset.Result{IsError: true, Code: f.code, Reason: f.reason, WriteOutcome: f.outcome, Text: f.text, Ask: f.ask}
}

// quoted marks text of the backend as what it is.
func quoted(detail string) string {
	if detail == "" {
		return ""
	}
	return " It answered: " + strconv.Quote(detail) + "."
}

func seconds(b *backend.Error) string {
	n := int(b.RetryAfter.Seconds())
	if n == 1 {
		return "1 second"
	}
	return strconv.Itoa(n) + " seconds"
}

// listed returns labels of the backend for a sentence.
func listed(labels []string) string {
	const most = 30
	quotedLabels := make([]string, 0, min(len(labels), most))
	for _, label := range labels[:min(len(labels), most)] {
		quotedLabels = append(quotedLabels, strconv.Quote(result.Line(label, maxLabel)))
	}
	return strings.Join(quotedLabels, ", ")
}
