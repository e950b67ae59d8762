package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const (
	modernVersion = "2026-07-28"
	modernMeta    = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	modernList    = `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{` + modernMeta + `}}`
	modernCall    = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_apps","arguments":{},` + modernMeta + `}}`
)

// TestMCPEndpointAnswersBadInput sends the transport's and the protocol's rules
// for requests (MCP 2026-07-28 basic/transports/streamable-http, basic/index,
// basic/versioning) to the real binary, each with its exact answer.
func TestMCPEndpointAnswersBadInput(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := register(t, g)
	token := connect(t, g, a, "member", "").AccessToken
	list := map[string]string{"MCP-Protocol-Version": modernVersion, "Mcp-Method": "tools/list"}
	call := map[string]string{"MCP-Protocol-Version": modernVersion, "Mcp-Method": "tools/call", "Mcp-Name": "search_apps"}
	with := func(base map[string]string, pairs ...string) map[string]string {
		h := map[string]string{}
		for name, value := range base {
			h[name] = value
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if h[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
				delete(h, pairs[i])
			}
		}
		return h
	}
	const noToken = "-"
	for _, c := range []struct {
		name, method string
		header       map[string]string
		body         string
		token        string // "" = the good one
		status, code int    // code 0 = a result or no body at all
	}{
		{"R1 GET is not offered", "GET", nil, "", "", 405, -1},
		{"R1 DELETE is not offered", "DELETE", nil, "", "", 405, -1},
		{"R2 a foreign origin is refused", "POST", with(list, "Origin", "https://evil.example"), modernList, "", 403, -1},
		{"R3 a missing Accept is tolerated", "POST", list, modernList, "", 200, 0},
		{"R4 no token is challenged", "POST", list, modernList, noToken, 401, -1},
		{"R4 a made-up token is refused", "POST", list, modernList, "lma_x.y", 401, -1},
		{"R5 a batch is refused", "POST", nil, `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "", 400, -32600},
		{"R5 a response is refused", "POST", nil, `{"jsonrpc":"2.0","id":1,"result":{}}`, "", 400, -32600},
		{"R5 a notification is accepted", "POST", nil, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "", 202, 0},
		{"R6 no JSON is a parse error", "POST", nil, `{"jsonrpc":`, "", 400, -32700},
		{"R6 a null id is refused", "POST", nil, `{"jsonrpc":"2.0","id":null,"method":"ping"}`, "", 400, -32600},
		{"R6 a fractional id is refused", "POST", nil, `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, "", 400, -32600},
		{"R6 duplicate members are refused", "POST", nil, `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}`, "", 400, -32600},
		{"R6 trailing data is refused", "POST", nil, `{"jsonrpc":"2.0","id":1,"method":"ping"}{}`, "", 400, -32700},
		{"R7 a missing version header is refused", "POST", with(list, "MCP-Protocol-Version", ""), modernList, "", 400, -32020},
		{"R8 missing _meta is refused", "POST", list, `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}`, "", 400, -32602},
		{"R8 missing params are refused", "POST", list, `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "", 400, -32602},
		{"R8 missing clientCapabilities are refused", "POST", list, `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, "", 400, -32602},
		{"R9 clientInfo may be absent", "POST", list, modernList, "", 200, 0},
		{"R10 header and _meta must agree on the version", "POST", with(list, "MCP-Protocol-Version", "2025-11-25"), modernList, "", 400, -32020},
		{"R11 an unknown version is named", "POST", with(list, "MCP-Protocol-Version", "2099-01-01"), strings.ReplaceAll(modernList, modernVersion, "2099-01-01"), "", 400, -32022},
		{"R12 a missing method header is refused", "POST", with(list, "Mcp-Method", ""), modernList, "", 400, -32020},
		{"R12 another method header is refused", "POST", with(list, "Mcp-Method", "tools/call"), modernList, "", 400, -32020},
		{"R12 the method header is case-sensitive", "POST", with(list, "Mcp-Method", "TOOLS/LIST"), modernList, "", 400, -32020},
		{"R13 a missing name header is refused", "POST", with(call, "Mcp-Name", ""), modernCall, "", 400, -32020},
		{"R13 another name header is refused", "POST", with(call, "Mcp-Name", "get_app"), modernCall, "", 400, -32020},
		{"R13 an encoded name header is read", "POST", with(call, "Mcp-Name", "=?base64?c2VhcmNoX2FwcHM=?="), modernCall, "", 200, 0},
		{"R13 a badly encoded name header is refused", "POST", with(call, "Mcp-Name", "=?base64?@@?="), modernCall, "", 400, -32020},
		{"R14 a name header with a character that no name has is refused", "POST", with(call, "Mcp-Name", "search_apps\x80"), modernCall, "", 400, -32020},
		{"R15 initialize is gone", "POST", with(list, "Mcp-Method", "initialize"), strings.Replace(modernList, "tools/list", "initialize", 1), "", 404, -32601},
		{"R15 ping is gone", "POST", with(list, "Mcp-Method", "ping"), strings.Replace(modernList, "tools/list", "ping", 1), "", 404, -32601},
		{"R15 an unknown method is not found", "POST", with(list, "Mcp-Method", "x/y"), strings.Replace(modernList, "tools/list", "x/y", 1), "", 404, -32601},
		{"R15 an unknown method of the legacy era is answered with 200", "POST", nil, `{"jsonrpc":"2.0","id":7,"method":"x/y"}`, "", 200, -32601},
		{"R17 an unknown tool is invalid params", "POST", with(call, "Mcp-Name", "no_such_tool"), strings.Replace(modernCall, "search_apps", "no_such_tool", 1), "", 400, -32602},
		{"R18 a session header is ignored", "POST", with(list, "Mcp-Session-Id", "somebody-else"), modernList, "", 200, 0},
		{"a token in the query is no token", "POST", list, modernList, "query", 401, -1},
		{"another content type is refused", "POST", with(list, "Content-Type", "text/plain"), modernList, "", 415, -1},
		{"a body that is too large is refused", "POST", list, `{"x":"` + strings.Repeat("y", 5<<20) + `"}`, "", 413, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := g.Stack.Resource
			if c.token == "query" {
				address += "?access_token=" + token
			}
			req, err := http.NewRequestWithContext(t.Context(), c.method, address, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			for name, value := range c.header {
				req.Header[http.CanonicalHeaderKey(name)] = []string{value}
			}
			switch c.token {
			case "":
				req.Header.Set("Authorization", "Bearer "+token)
			case noToken, "query":
			default:
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			answer := must[assistant.Answer](t)(assistant.Do(g.Stack.Client(), req))
			plain(t, answer)
			if answer.Status != c.status {
				t.Errorf("status %d, want %d: %s", answer.Status, c.status, answer.Body)
			}
			var body struct {
				Error *struct{ Code int }
			}
			_ = json.Unmarshal(answer.Body, &body)
			switch {
			case c.code == 0 && body.Error != nil:
				t.Errorf("an error: %s", answer.Body)
			case c.code < -1 && (body.Error == nil || body.Error.Code != c.code):
				t.Errorf("want error %d: %s", c.code, answer.Body)
			}
			if answer.Status == http.StatusUnauthorized {
				challenge := answer.Header.Get("WWW-Authenticate")
				presented := c.token != noToken && c.token != "query"
				if !strings.Contains(challenge, "resource_metadata=") || strings.Contains(challenge, "error=") != presented {
					t.Errorf("challenge: %s", challenge)
				}
			}
			if answer.Status == http.StatusMethodNotAllowed && answer.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}
