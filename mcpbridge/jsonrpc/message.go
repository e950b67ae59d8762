package jsonrpc

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/internal/strictjson"
)

// MaxDepth is how deep objects and arrays may nest in a frame, the frame itself
// included.
const MaxDepth = 64

// Message is one request or notification. Its values alias the parsed input.
type Message struct {
	// ID is the request's id exactly as it was sent, to be repeated byte for
	// byte; nil for a notification and when it could not be read.
	ID jsontext.Value
	// HasID tells a request from a notification.
	HasID  bool
	Method string
	// Params is a JSON object, or nil if there were none.
	Params jsontext.Value
}

// Parse reads exactly one request or notification (JSON-RPC 2.0 §4, MCP basic).
// The error says what to answer; the Message then still has the ID if that
// could be read, so that the answer can repeat it.
func Parse(data []byte) (Message, *Error) {
	if strictjson.TooDeep(data, MaxDepth) {
		return Message{}, &Error{CodeInvalidRequest, "the message nests too deep"}
	}
	f, err := readFrame(data)
	if err != nil {
		return Message{}, err
	}
	return f.message()
}

// frame holds the members as they were sent; nil means absent.
type frame struct {
	version, id, method, params, result, fault jsontext.Value
	other                                      bool
}

func readFrame(data []byte) (frame, *Error) {
	var f frame
	r := newReader(data)
	defer r.release()
	switch r.dec.PeekKind() {
	case '{':
	case '[':
		// Only revision 2025-03-26 had batches, and no client is known to send one.
		// One frame per request is what header checks and audit are built on.
		return f, &Error{CodeInvalidRequest, "batches are not accepted: send one message per request"}
	default:
		return f, r.fault("the body is not a JSON-RPC message")
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return f, syntaxError(err)
	}
	for r.dec.PeekKind() != '}' {
		name, value, err := r.member()
		if err != nil {
			return f, syntaxError(err)
		}
		switch string(name) {
		case "jsonrpc":
			f.version = value
		case "id":
			f.id = value
		case "method":
			f.method = value
		case "params":
			f.params = value
		case "result":
			f.result = value
		case "error":
			f.fault = value
		default:
			f.other = true
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return f, syntaxError(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return f, &Error{CodeParseError, "there is data after the message"}
	}
	return f, nil
}

// message judges a frame. The id comes first, so that every later refusal can
// repeat it.
func (f *frame) message() (Message, *Error) {
	var m Message
	if f.id != nil {
		if !validID(f.id) {
			return m, &Error{CodeInvalidRequest, "the id must be a string or an integer"}
		}
		m.ID, m.HasID = f.id, true
	}
	if f.result != nil || f.fault != nil {
		return m, &Error{CodeInvalidRequest, "responses are not accepted: this server sends no requests"}
	}
	if f.other {
		// "Method" beside "method" is such a member.
		return m, &Error{CodeInvalidRequest, "the message has a member that JSON-RPC does not define"}
	}
	if string(f.version) != `"2.0"` {
		return m, &Error{CodeInvalidRequest, `jsonrpc must be "2.0"`}
	}
	method, ok := Unquote(f.method)
	if !ok || len(method) == 0 {
		return m, &Error{CodeInvalidRequest, "the method must be a string"}
	}
	m.Method = string(method)
	switch f.params.Kind() {
	case '{':
		m.Params = f.params
	case jsontext.KindInvalid, 'n': // absent; some clients write null for it
	default:
		return m, &Error{CodeInvalidParams, "params must be an object"}
	}
	return m, nil
}

// validID accepts a string or an integer (MCP basic, requests): not null, no
// fraction, no exponent.
func validID(id jsontext.Value) bool {
	switch id.Kind() {
	case '"':
		return true
	case '0':
		return !bytes.ContainsAny(id, ".eE")
	default:
		return false
	}
}

// syntaxError keeps the parser's words from the client: they quote the input.
func syntaxError(err error) *Error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return &Error{CodeInvalidRequest, "an object has two members of the same name"}
	}
	return &Error{CodeParseError, "the body is not valid JSON"}
}
