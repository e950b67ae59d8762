// Package toolset declares what a set of tools is to the protocol: what it
// offers, what a call carries and what comes back.
//
// Owns: the types by which package mcp and an implementation of tools meet.
// Does not own: the protocol (package mcp), any tool (packages below this one),
// authentication and policy (package mcpbridge).
// Trust: a Call reaches a Set only after its principal was authenticated and
// allowed what the tool's Need says. Its arguments are one JSON object without
// duplicate names and within the size limit, and nothing more: an
// implementation validates them against the tool's own schema.
package toolset

import (
	"context"
	"encoding/json"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// Annotations are hints about a tool for the people and programs that decide
// whether to call it (MCP 2026-07-28, server/tools). They must be honest; no
// decision of the gateway depends on them.
type Annotations struct {
	ReadOnly    bool // the tool changes nothing
	Destructive bool // the change may delete or overwrite; false: only adds
	Idempotent  bool // a repeated call with the same arguments changes nothing more
	OpenWorld   bool // the tool reaches beyond the backend's own data
}

// Tool describes one tool. Names are case-sensitive, 1–128 characters of
// [A-Za-z0-9_.-] and unique in a Set (MCP 2026-07-28, server/tools).
type Tool struct {
	Name        string
	Title       string
	Description string
	// InputSchema is a JSON Schema 2020-12 object whose root type is "object".
	InputSchema json.RawMessage
	// OutputSchema describes Result.Structured; empty means that none is published.
	OutputSchema json.RawMessage
	Annotations  Annotations
	// Need is what a caller must hold; it is decided before the Set is called.
	Need mcpbridge.Need
}

// Call is one authorized call of a tool.
type Call struct {
	Tool string
	// Arguments is the raw JSON object of the request, "{}" if it had none. It
	// is valid only until Set.Call returns.
	Arguments []byte
	// Principal is shared with other calls and must not be changed.
	Principal *mcpbridge.Principal
	// RequestID names this request in the audit trail and in logs.
	RequestID string
	// Exchange is not empty where the arguments hold what a person chose when they
	// were asked (Result.Ask). Of all calls with one value at most one write is
	// sent, as if it were an idempotency key; 1–64 characters.
	Exchange string
}

// AskKind is in which form an argument is asked for. A client may answer in
// another one: the answer is an argument, which the tool validates like any.
type AskKind int

const (
	// AskChoice asks for one of the options, or for several.
	AskChoice AskKind = iota
	// AskText asks for a text in the person's own words, which is not empty. Never
	// for a secret: the client sees it (MCP 2026-07-28, elicitation).
	AskText
	// AskYesNo asks for true or false.
	AskYesNo
)

// Ask is what the tool cannot go on without: an argument that was not given, and
// what may be given for it.
type Ask struct {
	Argument string // the name of the argument
	// Field is what the form calls it, where the name of the argument says nothing
	// to a person; "" is that name.
	Field string
	// Text asks the person, in words of ours.
	Text string
	Kind AskKind
	// Options are what to choose from, two at least; for AskChoice only.
	Options []Option
	// List says that the argument is an array; Most is how many of the options it
	// may hold. Without List exactly one is chosen.
	List bool
	// Most is also the longest text that AskText takes, in characters; 0 says none.
	Most int
}

// Option is one value that may be chosen.
type Option struct {
	Value string
	Title string // what a person reads; customer content, one bounded line
}

// Result is the outcome of a call.
type Result struct {
	// Structured is a JSON object that matches the tool's OutputSchema, or nil.
	// It is not sent to the client if IsError is set.
	Structured []byte
	// Text is what the model reads if Structured is nil, else additional plain
	// words after it. For an error it says what failed and what to do next.
	Text string
	// Blocks are further content, after the text: one encoded content block of
	// the protocol each, an image for example. Not sent if IsError is set.
	Blocks []json.RawMessage
	// IsError marks a failure that the model can react to (MCP: isError).
	IsError bool
	// Code is the stable name of the error; "" if IsError is false.
	Code string
	// Reason is the layer and code of a refusal, or reason.None.
	Reason reason.Reason
	// Ask, when not nil, is what would mend the error: a client that can ask the
	// person does so and calls again. Nothing was sent.
	Ask *Ask

	// For the audit trail only; never sent to the client.
	TargetResourceID string // the backend's id of what was read or changed
	// WriteOutcome is created, updated, deduped, denied, failed_validation or
	// unknown; "" for a read, and for a write that was not made for a reason
	// which says nothing about the write itself: that is in Code and Reason.
	WriteOutcome string
	Intent       string // telemetry.intent of the arguments, ≤ 500 characters
}

// Set is a fixed collection of tools. It is safe for concurrent use.
type Set interface {
	// List returns the tools, always in the same order. The caller does not
	// change the result.
	List() []Tool
	// Call runs one of them. It does not fail: what goes wrong is a Result with
	// IsError. For a tool whose Need.Write is set, ctx is not cancelled when the
	// client disconnects; the Set bounds the time itself.
	Call(ctx context.Context, c *Call) Result
}
