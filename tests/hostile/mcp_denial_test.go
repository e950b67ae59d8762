package hostile_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// encodedName is a name as a header may also hold it.
func encodedName(name string) string {
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(name)) + "?="
}

// sameDenial: of all well-formed ways to make a forbidden call, each gets the
// same denial (CVE-2026-11719), also those that bring answers to questions.
func sameDenial(t *testing.T, w *world) {
	a := w.register(t)
	narrow := w.connect(t, a, "member", readScope).AccessToken
	guest := w.connect(t, a, "guest", bothScopes).AccessToken
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s%s}}`
	writes := map[string]string{
		"submit_access_request": `{"app_id":"x","justification":"y","idempotency_key":"k","allow_duplicate":true}`,
		"cancel_access_request": `{"request_id":"x","idempotency_key":"k"}`,
	}
	modern := func(capabilities string) string {
		return `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + capabilities + `}`
	}
	for tool, arguments := range writes {
		mirrored := []string{"Mcp-Method", "tools/call", "Mcp-Name", tool}
		now := append([]string{"Mcp-Protocol-Version", "2026-07-28"}, mirrored...)
		type form struct {
			more    string
			headers []string
		}
		forms := map[string]form{
			"no headers":                      {"", nil},
			"2025-03-26":                      {"", []string{"Mcp-Protocol-Version", "2025-03-26"}},
			"2025-06-18":                      {"", []string{"Mcp-Protocol-Version", "2025-06-18"}},
			"2025-11-25":                      {"", []string{"Mcp-Protocol-Version", "2025-11-25"}},
			"2025-11-25 with mirrored":        {"", append([]string{"Mcp-Protocol-Version", "2025-11-25"}, mirrored...)},
			"2025-11-25 with a session":       {"", []string{"Mcp-Protocol-Version", "2025-11-25", "Mcp-Session-Id", "1"}},
			"2026-07-28":                      {modern(`{}`), now},
			"2026-07-28 that can ask":         {modern(`{"elicitation":{}}`), now},
			"2026-07-28 with an encoded name": {modern(`{}`), []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", encodedName(tool)}},
			"2026-07-28 with a state":         {`,"requestState":"x"` + modern(`{"elicitation":{}}`), now},
			"2026-07-28 with answers":         {`,"inputResponses":{"access_length":{"action":"accept","content":{"access_length":"1 day"}}}` + modern(`{"elicitation":{}}`), now},
		}
		challenge, tooldenial := "", ""
		for name, f := range forms {
			t.Run(tool+", "+name, func(t *testing.T) {
				w.untouched(t, func() {
					body := fmt.Sprintf(call, tool, arguments, f.more)
					answer := w.mcp(t, narrow, body, f.headers...)
					got := answer.Header.Get("WWW-Authenticate")
					if answer.Status != http.StatusForbidden || !strings.Contains(got, `error="insufficient_scope"`) || challenge != "" && got != challenge {
						t.Errorf("a missing scope: %d %s", answer.Status, got)
					}
					challenge = got
					answer = w.mcp(t, guest, body, f.headers...)
					denial := string(answer.Body[strings.Index(string(answer.Body), `"com.lumos.mcp-edge/error"`)+1:])
					if answer.Status != http.StatusOK || !strings.Contains(denial, "permission_denied") || tooldenial != "" && denial != tooldenial {
						t.Errorf("a missing role: %d %s", answer.Status, answer.Body)
					}
					tooldenial = denial
				})
			})
		}
	}
}
