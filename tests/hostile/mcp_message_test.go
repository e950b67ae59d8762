package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// versions: the same forbidden call in each version of the protocol
// (CVE-2026-11719: an old version skipped the check of scopes).
func versions(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	const write = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"submit_access_request","arguments":{"app_id":"x","justification":"y"}%s}}`
	const meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":%q,"io.modelcontextprotocol/clientCapabilities":{}}`
	denied := func(t *testing.T, answer assistant.Answer) {
		t.Helper()
		scope := answer.Status == http.StatusForbidden && strings.Contains(answer.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
		if !scope && answer.Status != http.StatusBadRequest {
			t.Errorf("got %d %s", answer.Status, answer.Body)
		}
	}
	for _, version := range []string{"", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "2099-01-01", "garbage", "0", "9999-99-99", "2025-11-25 "} {
		t.Run("version "+version, func(t *testing.T) {
			w.untouched(t, func() {
				headers := []string{"Mcp-Method", "tools/call", "Mcp-Name", "submit_access_request"}
				if version != "" {
					headers = append(headers, "Mcp-Protocol-Version", version)
				}
				for _, body := range []string{fmt.Sprintf(write, ""), fmt.Sprintf(write, fmt.Sprintf(meta, version)), fmt.Sprintf(write, fmt.Sprintf(meta, "2025-03-26"))} {
					denied(t, w.mcp(t, token, body, headers...))
					denied(t, w.mcp(t, token, body, append([]string{"Mcp-Protocol-Version", "2025-03-26"}, headers...)...))
				}
			})
		})
	}
	w.untouched(t, func() {
		t.Run("a batch", func(t *testing.T) {
			answer := w.mcp(t, token, "["+fmt.Sprintf(write, "")+"]")
			if answer.Status != http.StatusBadRequest || rpcCode(answer) != -32600 {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
		})
		t.Run("a notification", func(t *testing.T) {
			answer := w.mcp(t, token, strings.Replace(fmt.Sprintf(write, ""), `"id":1,`, "", 1))
			if strings.Contains(string(answer.Body), "result") {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
		})
		t.Run("the paths of older transports", func(t *testing.T) {
			for _, path := range []string{"/sse", "/messages", "/mcp", "/mcp/appstore/sse", "/mcp/appstore/messages", "/mcp/appstore/message?sessionId=x"} {
				answer := w.send(t, http.MethodPost, strings.TrimSuffix(w.resource, stack.ResourcePath)+path, searchApps, "Content-Type", jsonType, "Authorization", "Bearer "+token)
				if answer.Status != http.StatusNotFound && answer.Status != http.StatusUnauthorized {
					t.Errorf("%s: %d", path, answer.Status)
				}
			}
		})
	})
}

// mirroredHeaders: a proxy in front may decide by these headers, so that they
// must be true (MCP 2026-07-28, -32020), and nothing here is decided by them.
func mirroredHeaders(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	const write = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"submit_access_request","arguments":{"app_id":"x","justification":"y"}}}`
	w.untouched(t, func() {
		for name, headers := range map[string][]string{
			"another method":                   {"Mcp-Method", "tools/list"},
			"the method in upper case":         {"Mcp-Method", "TOOLS/CALL"},
			"an allowed tool":                  {"Mcp-Name", "search_apps"},
			"an allowed tool, encoded":         {"Mcp-Name", "=?base64?c2VhcmNoX2FwcHM=?="},
			"an encoding that does not end":    {"Mcp-Name", "=?base64?c2VhcmNoX2FwcHM="},
			"both names":                       {"Mcp-Name", "submit_access_request", "Mcp-Name", "search_apps"},
			"both methods":                     {"Mcp-Method", "tools/call", "Mcp-Method", "tools/list"},
			"both versions":                    {"Mcp-Protocol-Version", "2025-11-25", "Mcp-Protocol-Version", "2026-07-28"},
			"a version that the body does not": {"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "submit_access_request"},
		} {
			t.Run(name, func(t *testing.T) {
				answer := w.mcp(t, token, write, headers...)
				if code := rpcCode(answer); answer.Status != http.StatusBadRequest || code != -32020 && code != -32602 {
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			})
		}
	})
}

// ambiguousMessages: two parsers must not read one body in two ways (Trail of
// Bits, "Unexpected security footguns in Go's parsers").
func ambiguousMessages(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	w.untouched(t, func() {
		for name, body := range map[string]string{
			"two methods":                   `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"search_apps","arguments":{}}}`,
			"a method in another case":      `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}`,
			"only a method in another case": `{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"search_apps","arguments":{}}}`,
			"two tool names":                `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","name":"submit_access_request","arguments":{}}}`,
			"two arguments":                 `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":{"query":"a","query":"b"}}}`,
			"an escaped second name":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","n\u0061me":"submit_access_request","arguments":{}}}`,
			"text after the message":        searchApps + searchApps,
			"invalid UTF-8":                 strings.Replace(searchApps, "search_apps", "search_apps\xff", 1),
			"a lone surrogate":              strings.Replace(searchApps, "search_apps", `\ud800`, 1),
			"a comment":                     `/* x */` + searchApps,
			"1,000 nested objects":          `{"jsonrpc":"2.0","id":1,"method":"ping","params":` + strings.Repeat(`{"x":`, 1000) + "1" + strings.Repeat("}", 1000) + "}",
			"an array of 100,000 elements":  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":[` + strings.Repeat("1,", 99_999) + `1]}}`,
			"a null id":                     strings.Replace(searchApps, `"id":1`, `"id":null`, 1),
			"an id that is an object":       strings.Replace(searchApps, `"id":1`, `"id":{}`, 1),
			"another version of JSON-RPC":   strings.Replace(searchApps, `"2.0"`, `"1.0"`, 1),
			"nothing":                       "",
			"2 MiB":                         `{"x":"` + strings.Repeat("y", 2<<20) + `"}`,
		} {
			t.Run(name, func(t *testing.T) {
				answer := w.mcp(t, token, body)
				if answer.Status != http.StatusRequestEntityTooLarge && rpcCode(answer) == 0 || strings.Contains(string(answer.Body), `"result"`) {
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			})
		}
		for name, headers := range map[string][]string{
			"a compressed body":    {"Content-Encoding", "gzip"},
			"text":                 {"Content-Type", "text/plain"},
			"two content types":    {"Content-Type", jsonType},
			"a form":               {"Content-Type", formType},
			"JSON in another form": {"Content-Type", "application/json-seq"},
		} {
			t.Run(name, func(t *testing.T) {
				first := []string{"Authorization", "Bearer " + token}
				if name == "two content types" || name == "a compressed body" {
					first = append(first, "Content-Type", jsonType)
				}
				answer := w.send(t, http.MethodPost, w.resource, searchApps, append(first, headers...)...)
				if answer.Status != http.StatusUnsupportedMediaType {
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			})
		}
	})
}
