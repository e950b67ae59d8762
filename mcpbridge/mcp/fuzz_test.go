package mcp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
)

// FuzzHandler sends anything from someone with a good token. Whatever it is,
// the answer is below 500, is JSON or empty, has an allowed code, and no write
// runs unless the strict form was kept.
func FuzzHandler(f *testing.F) {
	for _, c := range []call{
		modernCall("server/discover", ""), modernCall("tools/list", ""), modernCall("tools/call", `"name":"echo","arguments":{}`),
		legacyCall("initialize", `"protocolVersion":"2025-11-25"`), legacyCall("ping", ""), legacyCall("tools/call", `"name":"write"`),
		{body: `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`}, {body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
	} {
		version, method, name := "", "", ""
		for _, h := range c.headers {
			key, value, _ := strings.Cut(h, ": ")
			switch key {
			case "MCP-Protocol-Version":
				version = value
			case "Mcp-Method":
				method = value
			case "Mcp-Name":
				name = value
			}
		}
		f.Add("POST", "application/json", version, method, name, c.body)
	}
	f.Add("DELETE", "text/plain", "\x00", "=?base64?", "=?base64?/w==?=", "{")

	e, h := newEndpoint(f, func(c *mcp.Config) { c.Tools = withoutFaults{} })
	f.Fuzz(func(t *testing.T, method, contentType, version, mcpMethod, mcpName, body string) {
		if strings.ContainsFunc(method, func(c rune) bool { return c <= ' ' || c > '~' }) || method == "" {
			return // net/http refuses it
		}
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
		r.Method = method
		r.Header.Set("Authorization", "Bearer "+tokenWriter)
		for name, value := range map[string]string{"Content-Type": contentType, "Mcp-Protocol-Version": version, "Mcp-Method": mcpMethod, "Mcp-Name": mcpName} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		before := len(e.trail.all())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		checkAnswer(t, answer{w.Code, w.Header(), w.Body.String()})
		events := e.trail.all()[before:]
		wrote := slices.ContainsFunc(events, func(e mcpbridge.Event) bool { return e.WriteOutcome != "" })
		if wrote && (w.Code != 200 || !json.Valid([]byte(body)) || method != "POST") {
			t.Fatalf("a write ran for %s %q and was answered %d", method, body, w.Code)
		}
		e.trail.mu.Lock()
		e.trail.events = nil
		e.trail.mu.Unlock()
	})
}
