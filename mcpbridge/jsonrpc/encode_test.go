package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

func members(object string) (values [2]string, ok bool) {
	var found [2]jsontext.Value
	ok = jsonrpc.Members(jsontext.Value(object), []string{"a", "b"}, found[:])
	if !ok {
		return values, false
	}
	return [2]string{string(found[0]), string(found[1])}, true
}

func TestAnswers(t *testing.T) {
	id := jsontext.Value(`"\u0041"`)
	tests := map[string]struct{ got, want string }{
		"a result repeats the id byte for byte": {
			string(jsonrpc.AppendResult(nil, id, []byte(`{"a":1}`))),
			`{"jsonrpc":"2.0","id":"\u0041","result":{"a":1}}`,
		},
		"an error has no data unless given": {
			string(jsonrpc.AppendError(nil, jsontext.Value(`7`), jsonrpc.CodeMethodNotFound, "no", nil)),
			`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}`,
		},
		"an error has its data": {
			string(jsonrpc.AppendError(nil, jsontext.Value(`7`), jsonrpc.CodeUnsupportedVersion, "no", []byte(`{"supported":[]}`))),
			`{"jsonrpc":"2.0","id":7,"error":{"code":-32022,"message":"no","data":{"supported":[]}}}`,
		},
		"an error without a readable id has no id, not null": {
			string(jsonrpc.AppendError(nil, nil, jsonrpc.CodeParseError, "no", nil)),
			`{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}`,
		},
		"text is escaped": {
			string(jsonrpc.AppendString(nil, "a\"\\\n\x00\u2028")),
			`"a\"\\\n\u0000` + "\u2028" + `"`,
		},
		"bytes that are not UTF-8 become the replacement character": {
			string(jsonrpc.AppendString(nil, []byte("a\xffb"))),
			`"a` + "\ufffd" + `b"`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("got  %s\nwant %s", tc.got, tc.want)
			}
			if !json.Valid([]byte(tc.got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestUnquote(t *testing.T) {
	tests := map[string]struct {
		in, want string
		ok       bool
	}{
		"plain text":       {`"abc"`, "abc", true},
		"escapes":          {`"a\u0062\n"`, "ab\n", true},
		"the empty string": {`""`, "", true},
		"not a string":     {`12`, "", false},
		"absent":           {``, "", false},
		"half a string":    {`"`, "", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := jsonrpc.Unquote(jsontext.Value(tc.in))
			if string(got) != tc.want || ok != tc.ok {
				t.Errorf("got %q, %v; want %q, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}
