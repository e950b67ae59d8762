package mcp

import (
	"net/http"
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// notification accepts what clients announce and does nothing about it: there
// is no session that it could change. Cancelling is done by disconnecting,
// because an id that arrives on another request proves nothing.
func (x *exchange) notification() {
	if !strings.HasPrefix(x.msg.Method, "notifications/") {
		// Without an id nobody would learn the outcome of a tool.
		x.refuse(invalid(jsonrpc.CodeInvalidRequest, "This method needs an id."))
		return
	}
	if no := x.count(false); no != nil {
		x.refuse(no)
		return
	}
	x.empty(http.StatusAccepted)
}

// initialize negotiates a revision with a handshake (MCP 2025-11-25, lifecycle)
// and never offers one without. It opens no session.
func (x *exchange) initialize() {
	asked, ok := jsonrpc.Unquote(x.params[paramVersion])
	if !ok {
		x.refuse(x.fault(jsonrpc.CodeInvalidParams, "params.protocolVersion must be a string."))
		return
	}
	answer, known := x.catalog.initialize[string(asked)]
	if !known {
		answer = x.catalog.initialize[legacyRevisions[0]]
	}
	x.result(answer)
}

// listTools lists what the person could call now: tools that only need a wider
// consent are listed, so that the client can ask for it; tools that the
// person's role does not allow are not.
func (x *exchange) listTools() {
	// All tools fit into one page, so no cursor was ever given out.
	switch cursor := x.params[paramCursor]; {
	case cursor == nil, cursor.Kind() == 'n', string(cursor) == `""`:
	default:
		x.refuse(x.fault(jsonrpc.CodeInvalidParams, "This cursor is not known."))
		return
	}

	c := x.catalog
	hidden := make([]bool, len(c.needs))
	for i, need := range c.needs {
		decision := x.gate.Authorize(x.r.Context(), x.principal, need)
		hidden[i] = decision.Outcome != mcpbridge.Allow && decision.Outcome != mcpbridge.StepUp
	}
	if no := x.count(false); no != nil {
		x.refuse(no)
		return
	}
	if !x.auditList() {
		x.refuse(unavailable())
		return
	}

	b := jsonrpc.BeginResult(make([]byte, 0, c.size+len(x.msg.ID)+len(c.serverMeta)+192), x.msg.ID)
	b = append(b, '{')
	if x.era == modern {
		// Private: the list depends on who asks.
		b = append(b, `"resultType":"complete","ttlMs":`+listLifetime+`,"cacheScope":"private",`...)
		b = append(append(b, c.serverMeta...), ',')
	}
	b = append(b, `"tools":[`...)
	first := true
	for i := range c.entries {
		if hidden[c.entries[i].need] {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, c.entries[i].json...)
	}
	x.write(http.StatusOK, jsonrpc.EndResult(append(b, `]}`...)))
}
