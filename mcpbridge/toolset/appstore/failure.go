package appstore

import (
	"strconv"
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// The codes that only this toolset has; the others are in package fault. They
// are stable: clients and dashboards count them.
const (
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

// What a model is told about a write whose outcome is unknown.
const (
	sayCheckSubmit  = "It may or may not have been submitted. Do not submit again. Call list_access_requests to see whether it is there, then tell the user."
	sayRepeat       = "Or repeat this call with the same idempotency_key: nothing is sent again, it finds out what happened."
	sayCheckRequest = "It may or may not have been done. Call get_access_request to see the status before anything else."
)

// wordsOf is what is said about the failures of a tool. keyed says that the call
// has an idempotency key.
func wordsOf(tool string, keyed bool) *fault.Words {
	w := &fault.Words{
		Backend: "The App Store",
		Missing: "Check the id: search_apps and list_access_requests return ids.",
		Check:   sayCheckRequest,
	}
	if tool == toolSubmit {
		w.Check = sayCheckSubmit
	}
	if keyed {
		w.Check += " " + sayRepeat
	}
	return w
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
