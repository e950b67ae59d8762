package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// FuzzParse holds the parser against the standard one: what is accepted is
// JSON, means the same to both, and can be answered with the same id.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"q":"x"},"_meta":{"a/b":{}}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`[{"jsonrpc":"2.0","id":1,"method":"m"}]`,
		`{"jsonrpc":"2.0","id":"\u0041","\u006dethod":"m","params":null}`,
		`{"jsonrpc":"2.0","id":1,"method":"m","Method":"n"}`,
		"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"m\"}",
		`{"a":"\\","b":[[[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		m, fault := jsonrpc.Parse(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the input was changed")
		}
		if fault != nil {
			if fault.Code == 0 || fault.Message == "" {
				t.Fatalf("a refusal without code or words: %+v", fault)
			}
			if !json.Valid(jsonrpc.AppendError(nil, m.ID, fault.Code, fault.Message, nil)) {
				t.Fatalf("the answer to %q is not JSON", data)
			}
			return
		}
		var std struct {
			JSONRPC string          `json:"jsonrpc"`
			ID      json.RawMessage `json:"id"`
			Method  string          `json:"method"`
			Params  json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(data, &std); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if std.JSONRPC != "2.0" || std.Method != m.Method || !bytes.Equal(std.ID, m.ID) || m.HasID != (std.ID != nil) {
			t.Fatalf("read as %+v, by the standard parser as %+v", m, std)
		}
		if m.Params != nil && !bytes.Equal(std.Params, m.Params) {
			t.Fatalf("params %q, by the standard parser %q", m.Params, std.Params)
		}
		if m.HasID && !json.Valid(jsonrpc.AppendResult(nil, m.ID, []byte(`{}`))) {
			t.Fatalf("the answer to %q is not JSON", data)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in := []byte(`{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"search_apps","arguments":{"query":"slack","page":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jsonrpc.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}
