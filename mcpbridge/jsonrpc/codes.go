package jsonrpc

// Error codes of JSON-RPC 2.0 §5.1.
const (
	// CodeParseError says that the input is not JSON.
	CodeParseError = -32700
	// CodeInvalidRequest says that the input is not a request or notification,
	// or that HTTP carried it in a form that is not accepted.
	CodeInvalidRequest = -32600
	// CodeMethodNotFound says that the method is unknown or was removed.
	CodeMethodNotFound = -32601
	// CodeInvalidParams says that the parameters do not fit the method; an
	// unknown tool too (MCP 2026-07-28, server/tools, error handling).
	CodeInvalidParams = -32602
	// CodeInternalError says that the server could not answer.
	CodeInternalError = -32603
)

// Error codes that MCP 2026-07-28 defines (basic, error codes). The rest of
// -32020 … -32099 is reserved for it; -32002 and -32042 of older revisions and
// the range -32000 … -32019 are never emitted.
const (
	// CodeHeaderMismatch says that a header that mirrors the body is missing,
	// malformed or differs from the body.
	CodeHeaderMismatch = -32020
	// CodeUnsupportedVersion says that the protocol version is not served; its
	// data lists those that are.
	CodeUnsupportedVersion = -32022
)

// Codes of our own, outside of the range that JSON-RPC reserves. They equal the
// HTTP status that they go with.
const (
	// CodeUnauthorized goes with 401: no usable access token (RFC 6750 §3.1).
	CodeUnauthorized = 401
	// CodeForbidden goes with 403: a wider consent is needed (RFC 6750 §3.1), or
	// the request came from a web page that is not allowed (MCP, security warning
	// of the Streamable HTTP transport).
	CodeForbidden = 403
	// CodeTooManyRequests goes with 429: a limit of the person or of their domain is
	// reached (RFC 6585 §4).
	CodeTooManyRequests = 429
)

// Error is a refused frame: a code and fixed text of ours that never echoes
// input.
type Error struct {
	Code    int
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
