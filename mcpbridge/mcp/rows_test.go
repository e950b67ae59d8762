package mcp_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// TestRows is the list of server rules of MCP 2026-07-28 (basic, versioning,
// Streamable HTTP) and of the older revisions on the same URL, in the order in
// which they are checked. want is a part of the body.
func TestRows(t *testing.T) {
	modern, legacy := modernCall, legacyCall
	echo := modern("tools/call", `"name":"echo","arguments":{"q":"x"}`)
	raw := func(body string, headers ...string) call {
		return call{token: tokenWriter, body: body, headers: headers}
	}
	list := modern("tools/list", "")
	listBody := func(meta string) call {
		c := list
		c.body = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`
		return c
	}
	const version, caps = `"io.modelcontextprotocol/protocolVersion":"2026-07-28"`, `"io.modelcontextprotocol/clientCapabilities":{}`
	encoded := "=?base64?" + base64.StdEncoding.EncodeToString([]byte("echo")) + "?="

	tests := []struct {
		name   string
		call   call
		status int
		code   int
		want   string
	}{
		{"POST is served", list, 200, 0, `"resultType":"complete"`},
		{"GET with a token is not allowed", call{method: "GET", token: tokenWriter}, 405, -32600, ""},
		{"DELETE with a token is not allowed", call{method: "DELETE", token: tokenWriter}, 405, -32600, ""},
		{"GET without a token is asked for one first", call{method: "GET"}, 401, 401, ""},
		{"DELETE without a token is asked for one first", call{method: "DELETE"}, 401, 401, ""},
		{"PUT is not allowed, token or not", call{method: "PUT", body: `{}`}, 405, -32600, ""},

		{"a foreign Origin is refused", list.with("Origin: https://evil.example"), 403, 403, "client/bad_origin"},
		{"a foreign Origin is refused before the token is asked for", list.as("").with("Origin: https://evil.example"), 403, 403, ""},
		{"the origin null is refused", list.with("Origin: null"), 403, 403, ""},
		{"an allowed origin as part of another is refused", list.with("Origin: https://app.example.com.evil.example"), 403, 403, ""},
		{"an allowed Origin is served", list.with("Origin: https://app.example.com"), 200, 0, ""},

		{"no Accept is served", list.with("Accept:"), 200, 0, ""},
		{"Accept of anything is served", list.with("Accept: */*"), 200, 0, ""},
		{"Accept of JSON only is served", list.with("Accept: application/json"), 200, 0, ""},

		{"no token is a challenge", list.as(""), 401, 401, "client/no_token"},
		{"a token in the query is no token", func() call { c := list.as(""); c.query = "?access_token=" + tokenWriter; return c }(), 401, 401, "client/no_token"},

		{"a legacy notification is accepted", raw(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "MCP-Protocol-Version: 2025-06-18"), 202, 0, ""},
		{"a modern notification is accepted", raw(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: notifications/cancelled"), 202, 0, ""},
		{"an unknown notification is accepted", raw(`{"jsonrpc":"2.0","method":"notifications/x"}`), 202, 0, ""},
		{"a call without id is refused, not run", raw(`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"write"}}`), 400, -32600, ""},
		{"a notification's name with an id is an unknown method", legacy("notifications/initialized", ""), 200, -32601, ""},
		{"a batch is refused", raw(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`), 400, -32600, ""},
		{"a response is refused", raw(`{"jsonrpc":"2.0","id":1,"result":{}}`), 400, -32600, `"id":1,`},

		{"a parse error has no id", raw(`{`), 400, -32700, `{"jsonrpc":"2.0","error"`},
		{"an empty body is a parse error", raw(``), 400, -32700, ""},
		{"a null id is refused without one", raw(`{"jsonrpc":"2.0","id":null,"method":"ping"}`), 400, -32600, `{"jsonrpc":"2.0","error"`},
		{"an id is repeated byte for byte", raw(`{"jsonrpc":"2.0","id":"\u0061b","method":"ping"}`), 200, 0, `"id":"\u0061b"`},
		{"an integer id beyond 64 bits is repeated", raw(`{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}`), 200, 0, `"id":99999999999999999999`},

		{"a modern request without version header is a mismatch", list.with("MCP-Protocol-Version:"), 400, -32020, ""},
		{"an old request without version header is read as 2025-03-26", raw(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), 200, 0, `"result":{}`},

		{"modern without params is refused", func() call { c := list; c.body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`; return c }(), 400, -32602, ""},
		{"modern without _meta is refused", listBody(``), 400, -32602, ""},
		{"modern without version in _meta is refused", listBody(`"_meta":{` + caps + `}`), 400, -32602, ""},
		{"modern without capabilities is refused", listBody(`"_meta":{` + version + `}`), 400, -32602, ""},
		{"a version that is no string is refused", listBody(`"_meta":{"io.modelcontextprotocol/protocolVersion":20260728,` + caps + `}`), 400, -32602, ""},
		{"capabilities that are no object are refused", listBody(`"_meta":{` + version + `,"io.modelcontextprotocol/clientCapabilities":[]}`), 400, -32602, ""},
		{"a _meta that is no object is refused", listBody(`"_meta":[]`), 400, -32602, ""},
		{"client info may be absent", list, 200, 0, ""},

		{"a header version that differs from _meta is a mismatch", list.with("MCP-Protocol-Version: 2025-11-25"), 400, -32020, ""},
		{"a newer header than _meta is a mismatch", list.with("MCP-Protocol-Version: 2027-01-01"), 400, -32020, ""},
		{"the version header twice is a mismatch", call{token: tokenWriter, body: list.body, headers: append(list.headers, "MCP-Protocol-Version: 2026-07-28")}, 400, -32020, ""},
		{"an unserved version lists what is served", func() call {
			c := list.with("MCP-Protocol-Version: 2099-01-01")
			c.body = strings.ReplaceAll(c.body, "2026-07-28", "2099-01-01")
			return c
		}(), 400, -32022, `"data":{"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"],"requested":"2099-01-01"}`},
		{"an unknown version of an old client lists what is served", legacy("ping", "").with("MCP-Protocol-Version: 2024-01-01"), 400, -32022, `"requested":"2024-01-01"`},
		{"a version header that is no date is refused", legacy("ping", "").with("MCP-Protocol-Version: zzzz-zz-zz"), 400, -32022, ""},
		{"a version header of a thousand bytes is not repeated", legacy("ping", "").with("MCP-Protocol-Version: " + strings.Repeat("9", 1000)), 400, -32020, ""},

		{"no Mcp-Method is a mismatch", list.with("Mcp-Method:"), 400, -32020, ""},
		{"another Mcp-Method is a mismatch", list.with("Mcp-Method: tools/call"), 400, -32020, ""},
		{"Mcp-Method in capitals is a mismatch", list.with("Mcp-Method: TOOLS/LIST"), 400, -32020, ""},
		{"Mcp-Method under a name in capitals agrees", list.with("Mcp-Method:").with("MCP-METHOD: tools/list"), 200, 0, ""},
		{"Mcp-Method twice is a mismatch", call{token: tokenWriter, body: list.body, headers: append(list.headers, "Mcp-Method: tools/call")}, 400, -32020, ""},
		{"an old request's Mcp-Method must agree where it is sent", legacy("tools/list", "").with("Mcp-Method: ping"), 400, -32020, ""},
		{"an old request's true Mcp-Method does not make it modern", legacy("ping", "").with("MCP-Protocol-Version:", "Mcp-Method: ping"), 200, 0, `"result":{}`},

		{"a call with a true Mcp-Name is served", echo, 200, 0, `"structuredContent":{"arguments":{"q":"x"}}`},
		{"no Mcp-Name is a mismatch", echo.with("Mcp-Name:"), 400, -32020, ""},
		{"another Mcp-Name is a mismatch", echo.with("Mcp-Name: write"), 400, -32020, ""},
		{"an Mcp-Name in other case is a mismatch", echo.with("Mcp-Name: ECHO"), 400, -32020, ""},
		{"an encoded Mcp-Name agrees", echo.with("Mcp-Name: " + encoded), 200, 0, ""},
		{"space around an Mcp-Name is trimmed", echo.with("Mcp-Name:   echo \t"), 200, 0, ""},
		{"bad base64 in Mcp-Name is a mismatch", echo.with("Mcp-Name: =?base64?%%%?="), 400, -32020, ""},
		{"unpadded base64 in Mcp-Name is a mismatch", echo.with("Mcp-Name: =?base64?ZWNobw?="), 400, -32020, ""},
		{"an unclosed encoding in Mcp-Name is a mismatch", echo.with("Mcp-Name: =?base64?ZWNobw=="), 400, -32020, ""},
		{"an encoding marker in capitals is no encoding", echo.with("Mcp-Name: =?BASE64?ZWNobw==?="), 400, -32020, ""},
		{"an encoded name that is not UTF-8 is a mismatch", echo.with("Mcp-Name: =?base64?/w==?="), 400, -32020, ""},
		{"an old call's Mcp-Name must agree where it is sent", legacy("tools/call", `"name":"echo"`).with("Mcp-Name: write"), 400, -32020, ""},
		{"characters beyond ASCII in Mcp-Name are a mismatch", echo.with("Mcp-Name: ech\u00f6"), 400, -32020, ""},
		{"characters beyond ASCII in Mcp-Method are a mismatch", list.with("Mcp-Method: tools/list\u00e9"), 400, -32020, ""},

		{"modern initialize does not exist", modern("initialize", `"protocolVersion":"2026-07-28"`), 404, -32601, ""},
		{"modern ping does not exist", modern("ping", ""), 404, -32601, ""},
		{"modern logging/setLevel does not exist", modern("logging/setLevel", ""), 404, -32601, ""},
		{"modern resources/subscribe does not exist", modern("resources/subscribe", ""), 404, -32601, ""},
		{"modern resources/unsubscribe does not exist", modern("resources/unsubscribe", ""), 404, -32601, ""},
		{"modern subscriptions/listen does not exist", modern("subscriptions/listen", `"notifications":{}`), 404, -32601, ""},
		{"modern prompts/list does not exist", modern("prompts/list", ""), 404, -32601, ""},
		{"an unknown modern method repeats the id", modern("no/such", ""), 404, -32601, `"id":1,`},
		{"an unknown old method is an error with 200", legacy("no/such", ""), 200, -32601, ""},
		{"server/discover does not exist for old clients", legacy("server/discover", ""), 200, -32601, ""},
		{"no tool asks for more input, so stray answers are ignored", modern("tools/call", `"name":"echo","inputResponses":{"a":1},"requestState":"x"`), 200, 0, `"resultType":"complete"`},
		{"an old call's progress token is ignored", legacy("tools/call", `"name":"echo","_meta":{"progressToken":7}`), 200, 0, ""},
		{"a session id is ignored", legacy("ping", "").with("Mcp-Session-Id: abc"), 200, 0, ""},
		{"Last-Event-ID is ignored", legacy("ping", "").with("Last-Event-ID: 7"), 200, 0, ""},

		{"the method twice is refused", raw(`{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}`), 400, -32600, ""},
		{"Method for method is refused", raw(`{"jsonrpc":"2.0","id":1,"Method":"tools/list"}`), 400, -32600, ""},
		{"a tool name twice is refused", raw(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"write"}}`), 400, -32600, ""},

		{"an unknown tool is an invalid parameter", modern("tools/call", `"name":"no_such"`), 400, -32602, ""},
		{"an old client's unknown tool is one with 200", legacy("tools/call", `"name":"no_such"`), 200, -32602, ""},
		{"a tool name in other case is unknown", legacy("tools/call", `"name":"Echo"`), 200, -32602, ""},
		{"a call without name is refused", legacy("tools/call", `"arguments":{}`), 200, -32602, ""},
		{"arguments that are no object are refused", modern("tools/call", `"name":"echo","arguments":[1]`), 400, -32602, ""},
		{"absent arguments are an empty object", legacy("tools/call", `"name":"echo"`), 200, 0, `"arguments":{}`},
		{"null arguments are an empty object", legacy("tools/call", `"name":"echo","arguments":null`), 200, 0, `"arguments":{}`},
		{"an unknown cursor is refused", modern("tools/list", `"cursor":"abc"`), 400, -32602, ""},
		{"an old client's unknown cursor is refused with 200", legacy("tools/list", `"cursor":"abc"`), 200, -32602, ""},
		{"a cursor that is no string is refused", legacy("tools/list", `"cursor":1`), 200, -32602, ""},
		{"the empty cursor is the first page", legacy("tools/list", `"cursor":""`), 200, 0, `"tools":[`},

		{"initialize agrees to 2025-11-25", legacy("initialize", `"protocolVersion":"2025-11-25"`), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize agrees to 2025-06-18", legacy("initialize", `"protocolVersion":"2025-06-18"`), 200, 0, `"protocolVersion":"2025-06-18"`},
		{"initialize agrees to 2025-03-26", legacy("initialize", `"protocolVersion":"2025-03-26"`), 200, 0, `"protocolVersion":"2025-03-26"`},
		{"initialize never offers 2026-07-28", legacy("initialize", `"protocolVersion":"2026-07-28"`), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize answers an unknown revision with the latest old one", legacy("initialize", `"protocolVersion":"2024-11-05"`), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize may come with a version header of its own", legacy("initialize", `"protocolVersion":"2024-11-05"`).with("MCP-Protocol-Version: 2024-11-05"), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize with Mcp-Method and no version is an old one", legacy("initialize", `"protocolVersion":"2025-11-25"`).with("MCP-Protocol-Version:", "Mcp-Method: initialize"), 200, 0, ""},
		{"initialize without a version is refused", legacy("initialize", ``), 200, -32602, ""},
		{"an old revision that says so twice is served as one", func() call {
			c := legacy("ping", strings.ReplaceAll(modernMeta, "2026-07-28", "2025-11-25"))
			return c
		}(), 200, 0, `"result":{}`},

		{"a body that is not announced as JSON is refused", list.with("Content-Type: text/plain"), 415, -32600, ""},
		{"a body without content type is refused", list.with("Content-Type:"), 415, -32600, ""},
		{"a content type with a charset is served", list.with("Content-Type: application/json; charset=utf-8"), 200, 0, ""},
		{"a content type in capitals is served", list.with("Content-Type: Application/JSON"), 200, 0, ""},
		{"UTF-8 in capitals and quotes is served", list.with(`Content-Type: application/json; Charset="UTF-8"`), 200, 0, ""},
		{"a parameter that is no charset is served", list.with("Content-Type: application/json; profile=x"), 200, 0, ""},
		{"another charset is refused", list.with("Content-Type: application/json; charset=utf-16"), 415, -32600, "in UTF-8"},
		{"another charset in capitals is refused", list.with("Content-Type: APPLICATION/JSON; CHARSET=UTF-16LE"), 415, -32600, ""},
		{"another charset in the extended notation is refused", list.with("Content-Type: application/json; charset*=us-ascii''utf-16"), 415, -32600, ""},
		{"another charset in pieces is refused", list.with("Content-Type: application/json; charset*0=utf-; charset*1=7"), 415, -32600, ""},
		{"an empty charset is refused", list.with(`Content-Type: application/json; charset=""`), 415, -32600, ""},
		{"two charsets are refused", list.with("Content-Type: application/json; charset=utf-8; charset=utf-16"), 415, -32600, ""},
		{"two content types are refused", call{token: tokenWriter, body: list.body, headers: append(list.headers, "Content-Type: application/json", "Content-Type: application/json; charset=utf-16")}, 415, -32600, ""},
		{"a packed body is refused", list.with("Content-Encoding: gzip"), 415, -32600, ""},
	}
	e := serve(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, tc.call)
			if a.status != tc.status || a.errorCode(t) != tc.code {
				t.Fatalf("status %d, code %d; want %d, %d\n%s", a.status, a.errorCode(t), tc.status, tc.code, a.body)
			}
			if !strings.Contains(a.body, tc.want) {
				t.Errorf("the body lacks %s:\n%s", tc.want, a.body)
			}
			switch {
			case tc.status == http.StatusMethodNotAllowed && a.header.Get("Allow") != "POST":
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			case tc.status == http.StatusAccepted && a.body != "":
				t.Errorf("202 with a body: %s", a.body)
			case tc.status >= 400 && tc.code == 0:
				t.Error("a refusal without a JSON-RPC error")
			}
		})
	}
}

func TestABodyIsReadUpToItsLimitOnly(t *testing.T) {
	e := serve(t, limitBody(200))
	fits := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for name, tc := range map[string]struct {
		size   int
		status int
	}{"at the limit": {200, 200}, "one byte over": {201, 413}, "a hundred times over": {20_000, 413}} {
		body := fits + strings.Repeat(" ", tc.size-len(fits))
		t.Run(name, func(t *testing.T) {
			if a := e.do(t, call{token: tokenWriter, body: body}); a.status != tc.status {
				t.Errorf("status %d, want %d", a.status, tc.status)
			}
		})
		t.Run(name+", without an announced length", func(t *testing.T) {
			a := e.doChunked(t, body)
			if a.status != tc.status {
				t.Errorf("status %d, want %d", a.status, tc.status)
			}
		})
	}
}

func TestTheBodyIsNotReadBeforeTheCallerIsKnown(t *testing.T) {
	e := serve(t, limitBody(10))
	for name, tc := range map[string]struct {
		call   call
		status int
	}{
		"too large without a token":      {call{body: strings.Repeat("x", 100)}, 401},
		"not JSON without a token":       {call{body: "x"}, 401},
		"wrong media type, no token":     {call{body: "x", headers: []string{"Content-Type: text/html"}}, 401},
		"empty without a token":          {call{}, 401},
		"too large with a wrong token":   {call{token: "lma_x", body: strings.Repeat("x", 100)}, 401},
		"too large while nothing works":  {call{token: tokenBroken, body: strings.Repeat("x", 100)}, 503},
		"too large with a good token":    {call{token: tokenWriter, body: strings.Repeat("x", 100)}, 413},
		"wrong media type, a good token": {call{token: tokenWriter, body: "x", headers: []string{"Content-Type: text/html"}}, 415},
	} {
		t.Run(name, func(t *testing.T) {
			if a := e.do(t, tc.call); a.status != tc.status {
				t.Errorf("status %d, want %d", a.status, tc.status)
			}
		})
	}
}
