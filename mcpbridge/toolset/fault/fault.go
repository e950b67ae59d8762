// Package fault names how a tool call fails: the stable codes, the outcomes of a
// write as they are audited, and the sentence that tells a model what failed and
// what to do next.
//
// Owns: the one translation of a failed exchange with a backend into the answer
// to a call.
// Does not own: failures that only one toolset knows, or how an answer is
// written (package mcp).
// Trust: words of the backend are customer content; they are quoted as such.
package fault

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// The codes that all toolsets have in common. They are stable: clients and
// dashboards count them.
const (
	InvalidArguments = "invalid_arguments"
	UnknownTool      = "unknown_tool"
	Internal         = "internal_error"
	Canceled         = "canceled"
	Unavailable      = "backend_unavailable"
	Timeout          = "backend_timeout"
	RefusedGateway   = "backend_refused_gateway"
	RateLimited      = "backend_rate_limited"
	BadAnswer        = "backend_bad_answer"
	NotAllowed       = "not_allowed"
	NotFound         = "not_found"
	Conflict         = "conflict"
	Rejected         = "rejected"
	OutcomeUnknown   = "outcome_unknown"
)

// The outcomes of a write, as they are audited. No outcome means that nothing
// was changed, and that why says nothing about the write itself: it was not
// sent, or the backend did not look at it. The code and the reason tell.
const (
	Created = "created"
	Updated = "updated"
	Deduped = "deduped"
	Denied  = "denied"
	Failed  = "failed_validation"
	Unknown = "unknown"
)

// What a model is told to do next.
const (
	SayTellUser = "Tell the user; repeating the call will not help."
	SayTryLater = "Try again in a minute; if it still fails, tell the user."
)

// Failure is a call that failed, as an error on its way to the answer.
type Failure struct {
	Code    string
	Reason  reason.Reason
	Outcome string // of the write, "" if there is none
	Text    string // for the model: what failed and what to do next
	// Ask, when not nil, is what a person could be asked so that the call can go on.
	Ask *toolset.Ask
}

// Error returns the code.
func (f *Failure) Error() string { return f.Code }

// Result returns the failure as the answer to a call.
func (f *Failure) Result() toolset.Result {
	return toolset.Result{IsError: true, Code: f.Code, Reason: f.Reason, WriteOutcome: f.Outcome, Text: f.Text, Ask: f.Ask}
}

// New returns a failure that is found before a write is sent.
func New(code, format string, args ...any) *Failure {
	return &Failure{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Invalid returns a failure of the input of a write.
func Invalid(code, format string, args ...any) *Failure {
	f := New(code, format, args...)
	f.Outcome = Failed
	return f
}

// Mismatch returns the failure of arguments for which Check of package arguments
// has the given error.
func Mismatch(err error) *Failure {
	return Invalid(InvalidArguments, "The arguments do not match the tool's schema: %v. Nothing was done. Correct them and call again.", err)
}

// Words are what a toolset calls its things.
type Words struct {
	Backend string // at the start of a sentence: "The App Store"
	Missing string // what to do about an object that is not there
	Check   string // what to do about a write whose outcome is unknown
}

// Of returns err, of a backend or a *Failure, as a failure.
func (w *Words) Of(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var b *backend.Error
	if !errors.As(err, &b) {
		return New(Internal, "The gateway failed. %s", SayTellUser)
	}
	f = &Failure{Reason: b.Reason()}
	switch b.Kind {
	case backend.Canceled:
		f.Code, f.Text = Canceled, "The call was cancelled."
	case backend.Unavailable:
		f.Code, f.Text = Unavailable, w.Backend+" cannot be reached. "+SayTryLater
		if b.RetryAfter > 0 {
			f.Text = fmt.Sprintf("%s is not available. Try again after %s.", w.Backend, seconds(b))
		}
	case backend.Timeout:
		f.Code, f.Text = Timeout, w.Backend+" did not answer in time. "+SayTryLater
	case backend.RefusedGateway:
		f.Code, f.Text = RefusedGateway, w.Backend+" does not accept requests of this gateway. "+
			"This is a fault of the installation, not of the user's sign-in: signing in again will not help. Tell the user to contact their administrator."
	case backend.Forbidden:
		f.Code, f.Text = NotAllowed, w.Backend+" does not allow the user to do this."+quoted(b.Detail)+" "+SayTellUser
	case backend.NotFound:
		f.Code, f.Text = NotFound, "There is no such object, or the user may not see it. "+w.Missing
	case backend.Conflict:
		f.Code, f.Text = Conflict, w.Backend+" says that this is not possible now."+quoted(b.Detail)+" Tell the user."
	case backend.Validation:
		f.Code, f.Text = Rejected, w.Backend+" does not accept the input."+quoted(b.Detail)+" Correct the arguments and call again."
	case backend.RateLimited:
		f.Code, f.Text = RateLimited, fmt.Sprintf("%s receives too many requests. Try again after %s.", w.Backend, seconds(b))
	case backend.BadAnswer:
		f.Code, f.Text = BadAnswer, w.Backend+" gave an answer that the gateway does not understand. "+SayTellUser
	default:
		f.Code, f.Text = Internal, "The gateway failed. "+SayTellUser
	}
	return f
}

// OfWrite is Of for the write itself, with its outcome.
func (w *Words) OfWrite(err error) *Failure {
	f := w.Of(err)
	var b *backend.Error
	if !errors.As(err, &b) {
		return f
	}
	if b.OutcomeUnknown {
		f.Code, f.Outcome = OutcomeUnknown, Unknown
		f.Text = w.Backend + " did not confirm this. " + w.Check
		return f
	}
	f.Text += " Nothing was changed."
	switch b.Kind {
	case backend.Conflict, backend.Validation, backend.NotFound:
		f.Outcome = Failed
	case backend.Forbidden:
		// Only this judges the person's wish. A credential of ours that is not
		// accepted, or a limit, denies nobody anything.
		f.Outcome = Denied
	}
	return f
}

// Ours reports whether a failure is one of the installation, for its log.
func (f *Failure) Ours() bool {
	return f.Code == Internal || f.Code == RefusedGateway || f.Code == BadAnswer
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
