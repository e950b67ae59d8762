package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// Stable error codes of tool results that come from here; the others come from
// the toolset.
const (
	// CodePermissionDenied: the person may not do this; no consent changes that.
	CodePermissionDenied = "permission_denied"
	// CodeBadResult: the tool answered with something that is not JSON.
	CodeBadResult = "bad_result"
	// CodePanic: the tool failed by a fault of ours. It is in the audit trail
	// only; the client gets a JSON-RPC error.
	CodePanic = "internal_error"
)

// unknownOutcome is how the audit trail names a write that may have happened.
const unknownOutcome = "unknown"

// callTool decides about a call, runs it, writes it down and answers: in this
// order, so that nothing runs undecided and nothing is answered unrecorded. A
// write is written down before it runs as well: what the journal cannot take is
// not sent, and no end of the process hides that something was.
func (x *exchange) callTool() {
	e, arguments, no := x.findTool()
	if no != nil {
		x.refuse(no)
		return
	}
	tool := &e.tool

	decision := x.gate.Authorize(x.r.Context(), x.principal, tool.Need)
	// What is denied counts as a read, so that nobody can try doors without end.
	if no := x.count(tool.Need.Write && decision.Outcome == mcpbridge.Allow); no != nil {
		no.tool = tool
		x.refuse(no)
		return
	}
	switch decision.Outcome {
	case mcpbridge.Allow:
	case mcpbridge.StepUp:
		x.auditDenial(tool, decision.Reason, "insufficient_scope")
		no := x.challenges.insufficientScope(decision.Scopes, tool.Need.Scope, decision.Reason)
		no.reason = reason.None // it has been audited, with its tool
		x.refuse(no)
		return
	default:
		x.auditDenial(tool, decision.Reason, CodePermissionDenied)
		x.answer(denied(decision.Reason))
		return
	}

	before, no := x.resume(tool, arguments)
	if no != nil {
		x.refuse(no)
		return
	}
	if tool.Need.Write && !x.auditStart(tool) {
		x.refuse(unavailable())
		return
	}
	result, panicked := x.run(tool, arguments, &before)
	asks := x.asks(&result, &before)
	if asks {
		result.Code, result.WriteOutcome = CodeInputRequired, "" // it has not failed
	}
	recorded := x.auditResult(tool, &result)
	switch {
	case x.r.Context().Err() != nil:
		// The client left: it gets nothing more for this request.
	case panicked:
		x.refuse(broken(tool.Need.Write))
	case !recorded && !tool.Need.Write:
		x.refuse(unavailable())
	case asks:
		x.ask(tool, arguments, result.Ask, &before)
	default:
		x.answer(&result)
	}
}

// findTool reads the tool and the arguments out of the parameters.
func (x *exchange) findTool() (*entry, []byte, *refusal) {
	name, ok := jsonrpc.Unquote(x.params[paramName])
	if !ok {
		return nil, nil, x.fault(jsonrpc.CodeInvalidParams, "params.name must be a string.")
	}
	e := x.catalog.byName[string(name)]
	if e == nil {
		return nil, nil, x.fault(jsonrpc.CodeInvalidParams, "There is no such tool. Ask tools/list for the tools.")
	}
	switch arguments := x.params[paramArguments]; {
	case arguments == nil, arguments.Kind() == 'n':
		return e, []byte(`{}`), nil
	case arguments.Kind() == '{':
		return e, arguments, nil
	default:
		return nil, nil, x.fault(jsonrpc.CodeInvalidParams, "params.arguments must be an object.")
	}
}

// run calls the tool. A read is cancelled when the client leaves; a write is
// not, because it may have reached the backend and its outcome must be known.
func (x *exchange) run(tool *toolset.Tool, arguments []byte, before *retry) (result toolset.Result, panicked bool) {
	if before.declined {
		return declinedResult(), false
	}
	ctx := x.r.Context()
	if tool.Need.Write {
		ctx = context.WithoutCancel(ctx)
	}
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		// The stack names functions and lines only: arguments and values of a panic
		// may hold what people typed.
		x.log.ErrorContext(ctx, "a tool panicked", "tool", tool.Name, "request_id", x.requestID, "panic", panicKind(fault), "stack", stack())
		result, panicked = toolset.Result{IsError: true, Code: CodePanic}, true
		if tool.Need.Write {
			result.WriteOutcome = unknownOutcome
		}
	}()
	result = x.tools.Call(ctx, &toolset.Call{
		Tool: tool.Name, Arguments: before.with(arguments), Principal: x.principal, RequestID: x.requestID, Exchange: before.exchange,
	})
	if !result.IsError && !wellFormed(&result) {
		x.log.ErrorContext(ctx, "a tool's result is not made of JSON objects", "tool", tool.Name, "request_id", x.requestID)
		result.IsError, result.Structured, result.Blocks, result.Code, result.Reason = true, nil, nil, CodeBadResult, reason.BackendBadAnswer
		result.Text = "The answer could not be read. It is not known to be wrong, only unreadable; try again later."
		if tool.Need.Write {
			result.WriteOutcome = cmp.Or(result.WriteOutcome, unknownOutcome)
			result.Text = "The answer to this change could not be read. The change may have been made: look before you try again."
		}
	}
	return result, false
}

// wellFormed says whether what is written into the answer as it is has the form
// that it must have.
func wellFormed(r *toolset.Result) bool {
	if r.Structured != nil && !isObject(r.Structured) {
		return false
	}
	return !slices.ContainsFunc(r.Blocks, func(b json.RawMessage) bool { return !isObject(b) })
}

// isObject guards the frame: a result that is not exactly one object could end
// it early and go on with members of its own.
func isObject(v []byte) bool {
	return jsontext.Value(v).Kind() == '{' && jsontext.Value(v).IsValid()
}

// broken answers for a tool that panicked.
func broken(write bool) *refusal {
	no := &refusal{status: http.StatusInternalServerError, code: jsonrpc.CodeInternalError, message: "The tool failed by a fault of the server."}
	if write {
		no.message += " It is not known whether the change was made: look before you try again."
	}
	return no
}

// denied is a tool error and not a challenge: asking for consent again would
// change nothing, and clients would ask for ever.
func denied(why reason.Reason) *toolset.Result {
	text := "You are not allowed to do this. Trying again or signing in again will not change it; ask an administrator of your organization."
	if why.Layer() == reason.LayerRole {
		text = "Your role does not allow this. Trying again or signing in again will not change it; ask an administrator of your organization."
	}
	return &toolset.Result{IsError: true, Code: CodePermissionDenied, Reason: why, Text: text}
}

// panicKind describes a panic without its text, unless the runtime wrote that.
func panicKind(fault any) string {
	if err, ok := fault.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", fault)
}

// stack lists the functions below the panic, innermost first.
func stack() []string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var lines []string
	for {
		frame, more := frames.Next()
		lines = append(lines, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		if !more {
			return slices.Clip(lines)
		}
	}
}
