package mcp

import (
	"net/http"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// metaError is the key under which a tool error carries its stable code and the
// layer that refused. It stands in _meta because structuredContent belongs to
// the tool's output schema.
const metaError = "com.lumos.mcp-edge/error"

// answer writes a tool's result (MCP 2026-07-28, server/tools): structured
// content once as such and once as text, for clients that read only that.
func (x *exchange) answer(r *toolset.Result) {
	size := 2*len(r.Structured) + len(r.Structured)/4 + len(r.Text) + len(x.msg.ID) + len(x.catalog.serverMeta) + 256
	for _, block := range r.Blocks {
		size += len(block) + 1
	}
	b := jsonrpc.BeginResult(make([]byte, 0, size), x.msg.ID)
	b = append(b, '{')
	if x.era == modern {
		b = append(b, `"resultType":"complete",`...)
	}
	b = append(b, `"content":[`...)
	text := r.Text
	switch {
	case r.IsError && text == "":
		text = "The call failed."
	case !r.IsError && r.Structured != nil:
		b = append(b, `{"type":"text","text":`...)
		b = append(jsonrpc.AppendString(b, r.Structured), '}')
		if text != "" {
			b = append(b, ',')
		}
	}
	if text != "" {
		b = append(b, `{"type":"text","text":`...)
		b = append(jsonrpc.AppendString(b, text), '}')
	}
	if !r.IsError {
		for _, block := range r.Blocks {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = append(b, block...)
		}
	}
	b = append(b, ']')
	if !r.IsError && r.Structured != nil {
		b = append(b, `,"structuredContent":`...)
		b = append(b, r.Structured...)
	}
	if r.IsError {
		b = append(b, `,"isError":true`...)
	}
	b = x.appendMeta(b, r)
	x.write(http.StatusOK, jsonrpc.EndResult(append(b, '}')))
}

// appendMeta appends the _meta member of a result, if it has one.
func (x *exchange) appendMeta(b []byte, r *toolset.Result) []byte {
	if x.era == modern {
		b = append(append(b, ','), x.catalog.serverMeta...)
	}
	if !r.IsError {
		return b
	}
	if x.era == modern {
		b[len(b)-1] = ',' // goes on in the object that serverMeta closed
	} else {
		b = append(b, `,"_meta":{`...)
	}
	b = jsonrpc.AppendString(append(b, `"`+metaError+`":{"code":`...), r.Code)
	if r.Reason != reason.None {
		b = jsonrpc.AppendString(append(b, `,"reason":`...), r.Reason)
	}
	return append(b, `}}`...)
}
