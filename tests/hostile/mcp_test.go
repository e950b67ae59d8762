package hostile_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// secondResource is a second MCP endpoint at the same host, as edits of the
// Caddyfile.
var secondResource = []string{
	"\t# The rest of the API, untouched", `	mcp_bridge /mcp/second {
		resource {$MCP_EDGE_API_SITE}/mcp/second
		toolset appstore
		audience {$MCP_EDGE_AUDIENCE}
		upstream {$MCP_EDGE_BACKEND}
	}

	# The rest of the API, untouched`,
}

// TestMCPEndpoint is about what reaches the resource server.
func TestMCPEndpoint(t *testing.T) {
	start(t, secondResource...).run(t,
		part{"only a token of this resource, in its place, is one [P1 P2 P3 H15 E48 E49 E50 E51]", foreignCredentials},
		part{"pages of other origins are refused [P5 X4 H24 E53]", foreignOrigins},
		part{"what is not an MCP request is not let through [H22]", otherMethods},
		part{"no version of the protocol skips the check [H17]", versions},
		part{"every way to make a forbidden call gets the same denial [H17]", sameDenial},
		part{"headers cannot say something else than the body [P5 H17 E54]", mirroredHeaders},
		part{"a message can be read in one way only [E55]", ambiguousMessages},
		part{"a missing scope is challenged, a missing role is not [P4 E56]", scopeAndRole},
		part{"what belongs to a session is nobody's [H23]", sessions},
		part{"arguments stay in their place [H26]", arguments},
	)
}

// mcp posts a message with a token and headers.
func (w *world) mcp(t testing.TB, token, body string, header ...string) assistant.Answer {
	t.Helper()
	return w.send(t, http.MethodPost, w.resource, body, append([]string{"Content-Type", jsonType, "Authorization", "Bearer " + token}, header...)...)
}

// rpcCode is the code of a JSON-RPC error, or 0.
func rpcCode(a assistant.Answer) int {
	var body struct{ Error struct{ Code int } }
	_ = json.Unmarshal(a.Body, &body)
	return body.Error.Code
}

// untouched fails if f makes a call reach the backend.
func (w *world) untouched(t testing.TB, f func()) {
	t.Helper()
	before := len(w.Stack.Backend.Calls())
	f()
	if now := len(w.Stack.Backend.Calls()); now != before {
		t.Errorf("%d requests reached the backend", now-before)
	}
}

// foreignCredentials: RFC 6750 §3.1, RFC 8707, MCP token passthrough.
func foreignCredentials(t *testing.T, w *world) {
	a := w.register(t)
	b := *a
	b.Resource = strings.TrimSuffix(w.resource, stack.ResourcePath) + "/mcp/second"
	through := &tap{inner: w.Stack.Transport()}
	tokens := must(t, func() (assistant.Tokens, error) {
		return a.Connect(t.Context(), w.personBy("member", through), readScope)
	})
	elsewhere := w.connect(t, &b, "member", readScope)
	code := w.approve(t, a).Code
	var upstreamCode string
	for _, x := range through.seen {
		if strings.HasPrefix(x.url.Path, "/callback/") {
			upstreamCode = x.url.Query().Get("code")
		}
	}
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	for _, c := range []struct {
		name   string
		query  string
		body   string
		header []string
		status int
		// presented says that the answer names invalid_token; without a token
		// that could be wrong there is no error attribute (RFC 6750 §3.1).
		presented bool
	}{
		{name: "no token", status: 401},
		{name: "a token in the query", query: "?access_token=" + tokens.AccessToken, status: 401},
		{name: "a token in a form", body: form("access_token", tokens.AccessToken), status: 401},
		{name: "a token in a cookie", header: []string{"Cookie", "access_token=" + tokens.AccessToken}, status: 401},
		{name: "a token in a header of its own", header: []string{"X-Access-Token", tokens.AccessToken}, status: 401},
		{name: "another scheme", header: []string{"Authorization", "Token " + tokens.AccessToken}, status: 401},
		{name: "an API key", header: []string{"X-Api-Key", "lsk_0123456789"}, status: 401},
		{name: "Basic", header: []string{"Authorization", "Basic bWlhOm1lbWJlci1kZW1v"}, status: 401},
		{name: "an empty token", header: []string{"Authorization", "Bearer "}, status: 401},
		{name: "a token of another resource", header: bearer(elsewhere.AccessToken), status: 401, presented: true},
		{name: "a refresh token", header: bearer(tokens.RefreshToken), status: 401, presented: true},
		{name: "a code", header: bearer(code), status: 401, presented: true},
		{name: "a code of the identity provider", header: bearer(upstreamCode), status: 401, presented: true},
		{name: "a client id", header: bearer(a.ClientID), status: 401, presented: true},
		{name: "a JWT that nobody signed", header: bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtaWEifQ."), status: 401, presented: true},
		{name: "a made-up token", header: bearer("lma_x.y"), status: 401, presented: true},
		{name: "a token with its last letter changed", header: bearer(flip(tokens.AccessToken)), status: 401, presented: true},
		{name: "a token with a letter more", header: bearer(tokens.AccessToken + "A"), status: 401, presented: true},
		{name: "a token of 4,097 bytes", header: bearer(strings.Repeat("a", 4097)), status: 401, presented: true},
		{name: "two tokens in one header", header: bearer(tokens.AccessToken + ", Bearer " + elsewhere.AccessToken), status: 401, presented: true},
		{name: "two Authorization headers", header: append(bearer(tokens.AccessToken), bearer(elsewhere.AccessToken)...), status: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.untouched(t, func() {
				body := c.body
				if body == "" {
					body = searchApps
				}
				answer := w.send(t, http.MethodPost, w.resource+c.query, body, append([]string{"Content-Type", jsonType}, c.header...)...)
				challenge := answer.Header.Get("WWW-Authenticate")
				if answer.Status != c.status {
					t.Fatalf("got %d %s", answer.Status, answer.Body)
				}
				if c.status != http.StatusUnauthorized {
					return
				}
				if !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `resource_metadata="`) || !strings.Contains(challenge, "scope=") {
					t.Errorf("challenge: %s", challenge)
				}
				if strings.Contains(challenge, "error=") != c.presented || c.presented && !strings.Contains(challenge, `error="invalid_token"`) {
					t.Errorf("challenge: %s", challenge)
				}
				if got := answer.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
					t.Errorf("Cache-Control: %q", got)
				}
			})
		})
	}
	for _, scheme := range []string{"bearer", "BEARER", "bEaReR"} {
		if answer := w.send(t, http.MethodPost, w.resource, searchApps, "Content-Type", jsonType, "Authorization", scheme+" "+tokens.AccessToken); answer.Status != http.StatusOK {
			t.Errorf("%s: %d", scheme, answer.Status)
		}
	}
	for _, r := range w.Stack.Backend.Requests() {
		if strings.Contains(fmt.Sprint(r), tokens.AccessToken) || r.Refusal != "" {
			t.Errorf("the backend got %+v", r)
		}
	}
}

// foreignOrigins is DNS rebinding (CVE-2025-66414, CVE-2025-66416,
// CVE-2026-34742).
func foreignOrigins(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for name, headers := range map[string][]string{
		"a foreign site":            {"Origin", "https://" + evil},
		"an opaque origin":          {"Origin", "null"},
		"an empty origin":           {"Origin", ""},
		"the issuer, unlisted":      {"Origin", w.issuer},
		"two origins":               {"Origin", "https://" + evil, "Origin", w.issuer},
		"a foreign site, preflight": {"Origin", "https://" + evil, "Access-Control-Request-Method", "POST"},
	} {
		t.Run(name, func(t *testing.T) {
			w.untouched(t, func() {
				for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodOptions} {
					answer := w.send(t, method, w.resource, searchApps, append([]string{"Content-Type", jsonType, "Authorization", "Bearer " + token}, headers...)...)
					if answer.Status != http.StatusForbidden || answer.Header.Get("Access-Control-Allow-Origin") != "" {
						t.Errorf("%s: %d %v", method, answer.Status, answer.Header)
					}
				}
			})
		})
	}
	for _, name := range []string{evil, "127.0.0.1", "localhost." + evil, "localhost@" + evil, "", "[::1]"} {
		t.Run("the host "+name, func(t *testing.T) {
			w.untouched(t, func() {
				for _, address := range []string{w.resource, w.issuer + "/.well-known/oauth-authorization-server", w.issuer + "/token"} {
					conn := w.dial(t, address)
					fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
						mustParse(t, address).Path, name, token, len(searchApps), searchApps)
					status, body := readResponses(t, conn)
					if len(status) != 1 || status[0]/100 != 4 || strings.Contains(body, evil) {
						t.Errorf("%s: %v %s", address, status, body)
					}
				}
			})
		})
	}
}

// otherMethods: a request that is no MCP call on an MCP route must not pass the
// check by being something else (Kong AI MCP OAuth2 before 3.13).
func otherMethods(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW", "post"} {
		t.Run(method, func(t *testing.T) {
			w.untouched(t, func() {
				for _, auth := range []string{"", "Bearer " + token} {
					conn := w.dial(t, w.resource)
					fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, stack.ResourcePath, host(w.resource))
					if auth != "" {
						fmt.Fprintf(conn, "Authorization: %s\r\n", auth)
					}
					fmt.Fprintf(conn, "Content-Length: 0\r\nConnection: close\r\n\r\n")
					status, body := readResponses(t, conn)
					if len(status) == 0 || status[0]/100 != 4 {
						t.Errorf("%v %s", status, body)
					}
				}
			})
		})
	}
	for name, headers := range map[string][]string{
		"a web socket":          {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="},
		"HTTP/2 by upgrade":     {"Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"},
		"another method inside": {"X-HTTP-Method-Override", "GET", "X-Method-Override", "DELETE"},
	} {
		t.Run(name, func(t *testing.T) {
			w.untouched(t, func() {
				conn := w.dial(t, w.resource)
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n", stack.ResourcePath, host(w.resource))
				for i := 0; i+1 < len(headers); i += 2 {
					fmt.Fprintf(conn, "%s: %s\r\n", headers[i], headers[i+1])
				}
				fmt.Fprintf(conn, "\r\n")
				if status, body := readResponse(t, conn); status != http.StatusUnauthorized {
					t.Errorf("got %d %s", status, body)
				}
			})
		})
	}
}

// scopeAndRole: only what a wider consent can mend is a challenge; clients would
// ask for ever otherwise (RFC 6750 §3.1; MCP issue 2349).
func scopeAndRole(t *testing.T, w *world) {
	a := w.register(t)
	narrow := w.connect(t, a, "member", readScope).AccessToken
	guest := w.connect(t, a, "guest", bothScopes).AccessToken
	const write = `{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"submit_access_request","arguments":{"app_id":"x","justification":"y"}}}`
	w.untouched(t, func() {
		answer := w.mcp(t, narrow, write)
		challenge := answer.Header.Get("WWW-Authenticate")
		if answer.Status != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="`+bothScopes+`"`) || !strings.Contains(challenge, "resource_metadata=") {
			t.Errorf("a missing scope: %d %s", answer.Status, challenge)
		}
		for _, body := range []string{write, searchApps} {
			answer = w.mcp(t, guest, body)
			if answer.Status != http.StatusOK || answer.Header.Get("WWW-Authenticate") != "" || !strings.Contains(string(answer.Body), `"isError":true`) {
				t.Errorf("a missing role: %d %q %s", answer.Status, answer.Header.Get("WWW-Authenticate"), answer.Body)
			}
		}
		listed := w.mcp(t, guest, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
		if strings.Contains(string(listed.Body), "submit_access_request") || strings.Contains(string(listed.Body), "search_apps") {
			t.Errorf("a guest is shown %s", listed.Body)
		}
	})
	w.audited(t, map[string]any{"event_name": "authorization_failed", "tool_name": "submit_access_request", "user_email": w.Stack.User("guest").Email, "reason": "role/no_permission"})
}

// sessions: there are none here, so that none can be taken over (CVE-2025-6515,
// CVE-2026-33946, CVE-2026-52870). Answers of one person never reach another.
func sessions(t *testing.T, w *world) {
	a := w.register(t)
	mia, amir := w.connect(t, a, "member", readScope).AccessToken, w.connect(t, a, "admin", readScope).AccessToken
	hello := w.mcp(t, mia, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	if hello.Status != http.StatusOK || hello.Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("initialize: %d, session %q", hello.Status, hello.Header.Get("Mcp-Session-Id"))
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		answer := w.send(t, method, w.resource, "", "Authorization", "Bearer "+amir, "Mcp-Session-Id", "of-somebody-else", "Last-Event-ID", "1", "Accept", "text/event-stream")
		if answer.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, answer.Status)
		}
	}
	begin := len(w.Stack.Backend.Requests())
	var wg sync.WaitGroup
	for _, who := range []struct{ mark, token string }{{"mark-mia", mia}, {"mark-amir", amir}} {
		for range 4 {
			wg.Go(func() {
				for range 50 {
					// One id for all, one session for all.
					body := fmt.Sprintf(`{"jsonrpc":"2.0","id":"same","method":"tools/call","params":{"name":"search_apps","arguments":{"query":%q},"_meta":{"progressToken":"same"}}}`, who.mark)
					if answer := w.mcp(t, who.token, body, "Mcp-Session-Id", "same"); answer.Status != http.StatusOK || !strings.Contains(string(answer.Body), `"id":"same"`) {
						t.Errorf("%s: %d %s", who.mark, answer.Status, answer.Body)
					}
				}
			})
		}
	}
	wg.Wait()
	want := map[string]string{"mark-mia": w.Stack.User("member").Email, "mark-amir": w.Stack.User("admin").Email}
	counts := map[string]int{}
	for _, r := range w.Stack.Backend.Requests()[begin:] {
		for mark, email := range want {
			if strings.Contains(r.Query, mark) {
				counts[mark]++
				if r.PersonEmail != email {
					t.Errorf("%s arrived as %s", mark, r.PersonEmail)
				}
			}
		}
	}
	if counts["mark-mia"] != 200 || counts["mark-amir"] != 200 {
		t.Errorf("calls arrived: %v", counts)
	}
}

// arguments: what a model writes is data at its place in the REST request
// (CVE-2025-6514, CVE-2025-53967).
func arguments(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for name, id := range map[string]string{
		"a path that climbs": `"../admin"`, "an encoded path that climbs": `"%2e%2e%2fadmin"`, "a query": `"a?x=1"`, "a fragment": `"a#b"`,
		"a second segment": `"a/b"`, "a line break": `"a\r\nX-Lumos-User: root"`, "a zero byte": `"a\u0000"`, "a list": `["a"]`, "an object": `{"__proto__":1}`,
		"a number": `1e309`, "nothing": `""`, "dots": `".."`, "a host": `"//` + evil + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.Stack.Backend.Calls())
			answer := w.mcp(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_app","arguments":{"app_id":`+id+`}}}`)
			if answer.Status != http.StatusOK && answer.Status != http.StatusBadRequest || strings.Contains(string(answer.Body), `"structuredContent":{"app`) {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
			for _, r := range w.Stack.Backend.Calls()[before:] {
				if segments := strings.Split(r.Path, "/"); len(segments) > 5 || strings.Contains(r.Path, "..") || segments[1] != "appstore" || r.Header.Get("X-Lumos-User") != "" {
					t.Errorf("the backend got %s %s?%s", r.Method, r.Path, r.Query)
				}
			}
		})
	}
	t.Run("a property that nobody knows", func(t *testing.T) {
		w.untouched(t, func() {
			answer := w.mcp(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":{"user_id":"somebody","domain_id":"other.example"}}}`)
			if !strings.Contains(string(answer.Body), `"isError":true`) {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
		})
	})
}
