package mcp

import (
	"net/http"
	"strconv"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// refusal is why a request is not served: what goes over the wire, and beside
// it how the audit trail names it. Steps return it; answer.go writes it.
type refusal struct {
	status  int
	code    int    // of the JSON-RPC error
	message string // fixed text of ours, never an echo of input
	data    []byte // JSON, or nil

	challenge  string // WWW-Authenticate
	allow      string // Allow
	retryAfter string // Retry-After, seconds

	tool *toolset.Tool // that was asked for, where it matters to the audit trail

	// Not empty: an authorization failure, which is audited.
	reason    reason.Reason
	errorCode string
}

// invalid refuses what is wrong in either era with 400.
func invalid(code int, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message}
}

// fault refuses a call whose method or parameters are wrong. The eras differ in
// the status: until 2025-11-25 such errors came with 200; since 2026-07-28 an
// unknown method is 404 and the rest 400.
func (x *exchange) fault(code int, message string) *refusal {
	status := http.StatusOK
	switch {
	case x.era == modern && code == jsonrpc.CodeMethodNotFound:
		status = http.StatusNotFound
	case x.era == modern:
		status = http.StatusBadRequest
	}
	return &refusal{status: status, code: code, message: message}
}

// unavailable says that it could not be decided or written down: a client may
// try again, and must not read it as a denial.
func unavailable() *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: jsonrpc.CodeInternalError, retryAfter: "1",
		message: "The server cannot answer right now. Try again in a moment.",
	}
}

// refuse audits and writes a refusal. One that comes before a method ran counts
// like one that ran: messages that are wrong would be free otherwise.
func (x *exchange) refuse(no *refusal) {
	if over := x.count(false); over != nil {
		no = over
	}
	if no.reason != reason.None {
		x.auditRefusal(no)
	}
	h := x.w.Header()
	if no.challenge != "" {
		h.Set("WWW-Authenticate", no.challenge)
	}
	if no.allow != "" {
		h.Set("Allow", no.allow)
	}
	if no.retryAfter != "" {
		h.Set("Retry-After", no.retryAfter)
	}
	x.write(no.status, jsonrpc.AppendError(make([]byte, 0, 256), x.msg.ID, no.code, no.message, no.data))
	if !x.bodyRead && x.r.Body != http.NoBody {
		// What is left of the body will not be read. HTTP/2 says so by resetting
		// the stream (RFC 9113 §8.1), and clients in the middle of a long upload
		// lose an answer that comes in one piece with the reset: it goes first.
		// Reading on instead would cost us what the sender likes, and does not
		// help: there may always be more.
		_ = http.NewResponseController(x.w).Flush() // a writer that cannot has no such stream
	}
}

// commonHeaders are on every answer: no cache may keep it, no browser may read
// it as something else, and the request id is what people quote to operators.
func commonHeaders(h http.Header, requestID string) {
	// One backing array for all, because this runs for every request. Each slice
	// is full, so that appending to one cannot reach the next.
	v := [...]string{"no-store", "nosniff", requestID}
	h["Cache-Control"] = v[0:1:1]
	h["X-Content-Type-Options"] = v[1:2:2]
	h["X-Request-Id"] = v[2:3:3]
}

// write sends a JSON body.
func (x *exchange) write(status int, body []byte) {
	h := x.w.Header()
	v := [...]string{"application/json", strconv.Itoa(len(body))}
	h["Content-Type"] = v[0:1:1]
	h["Content-Length"] = v[1:2:2]
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a client that has gone gets nothing more, and nothing is left to undo
}

// empty sends a status without a body.
func (x *exchange) empty(status int) { x.w.WriteHeader(status) }
