package jsonrpc

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendResult appends the answer to request id. result is valid JSON.
func AppendResult(dst []byte, id jsontext.Value, result []byte) []byte {
	dst = BeginResult(dst, id)
	dst = append(dst, result...)
	return EndResult(dst)
}

// BeginResult appends an answer up to its result; the caller appends that and
// then calls EndResult. It saves a copy of large results.
func BeginResult(dst []byte, id jsontext.Value) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	return append(dst, `,"result":`...)
}

// EndResult ends what BeginResult began.
func EndResult(dst []byte) []byte { return append(dst, '}') }

// AppendError appends an error answer (JSON-RPC 2.0 §5.1). With a nil id it has
// no id member, as MCP wants it when the id could not be read; with nil data it
// has no data member. data is valid JSON.
func AppendError(dst []byte, id jsontext.Value, code int, message string, data []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if id != nil {
		dst = append(dst, `,"id":`...)
		dst = append(dst, id...)
	}
	dst = append(dst, `,"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, message)
	if data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, `}}`...)
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, because an answer must be valid JSON whatever a backend sent.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
