package hostile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestExhaustion is about requests that cost more than they should, and about
// text that ends up where machines read it.
func TestExhaustion(t *testing.T) {
	start(t).run(t,
		part{"sign-ins that nobody finishes leave nothing behind [H30]", unfinishedSignIns},
		part{"connections that say nothing keep nobody out [H30]", silentConnections},
		part{"what was sent does not break a line of the audit trail [H31]", logInjection},
	)
}

// unfinishedSignIns: before the sign-in a request lives in the browser, so that
// it costs the server no row (RFC 9700 §4.11 leaves that to the server).
func unfinishedSignIns(t *testing.T, w *world) {
	const requests, workers = 2000, 8
	a := w.register(t)
	size := w.databaseSize(t)
	var wg sync.WaitGroup
	for range workers {
		client := w.stranger(t)
		wg.Go(func() {
			for range requests / workers {
				address, _ := a.AuthorizationURL(bothScopes, nil)
				answer, err := assistant.Do(client, newRequest(t, http.MethodGet, address, ""))
				if err != nil || answer.Status != http.StatusSeeOther && answer.Status != http.StatusTooManyRequests {
					t.Errorf("%v, %d %s", err, answer.Status, answer.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	if grown := w.databaseSize(t) - size; grown > 256<<10 {
		t.Errorf("%d requests grew the database by %d bytes", requests, grown)
	}
	// One browser that begins again and again: its cookies stay within what a
	// server takes, and the newest one can be finished.
	jar := must(t, func() (*cookiejar.Jar, error) { return cookiejar.New(nil) })
	client := w.client()
	client.Jar = jar
	for range 60 {
		address, _ := a.AuthorizationURL(readScope, nil)
		if answer := must(t, func() (assistant.Answer, error) {
			return assistant.Do(client, newRequest(t, http.MethodGet, address, ""))
		}); answer.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	total := 0
	for _, c := range jar.Cookies(mustParse(t, w.issuer)) {
		total += len(c.Name) + len(c.Value)
	}
	if total > 16<<10 {
		t.Errorf("the cookies of one browser have %d bytes", total)
	}
	w.alive(t, "an honest token", w.connect(t, a, "member", readScope).AccessToken)
}

// databaseSize is what the database and its log take.
func (w *world) databaseSize(t testing.TB) int64 {
	t.Helper()
	var total int64
	for _, name := range []string{"edge.db", "edge.db-wal"} {
		total += fileSize(w, name)
	}
	return total
}

// silentConnections is slowloris: headers and bodies that never end.
func silentConnections(t *testing.T, w *world) {
	a := w.register(t)
	honest := w.connect(t, a, "member", readScope)
	const each = 100
	for i := range each {
		for _, begin := range []string{
			"", "POST /mcp/appstore HTTP/1.1\r\nHost: " + host(w.resource) + "\r\nX-A: ",
			fmt.Sprintf("POST /mcp/appstore HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", host(w.resource), honest.AccessToken),
		} {
			if _, err := io.WriteString(w.dial(t, w.resource), begin); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
	}
	for range 20 {
		w.alive(t, "the honest token", honest.AccessToken)
	}
	if answer := w.refresh(t, a, honest.RefreshToken); answer.Status != http.StatusOK {
		t.Errorf("the honest refresh: %d %s", answer.Status, answer.Body)
	}
	if answer := w.send(t, http.MethodGet, w.issuer+"/readyz", ""); answer.Status != http.StatusOK {
		t.Errorf("readiness: %d", answer.Status)
	}
}

// logInjection: a line of the trail is one event, whatever was sent.
func logInjection(t *testing.T, w *world) {
	a := w.register(t)
	token := w.connect(t, a, "member", bothScopes).AccessToken
	const line = "x\r\n{\"event_name\":\"forged\",\"user_email\":\"root\"}\n|a=b\\|c=d\u001b[2J\u0000\u2028\u2029\u202e"
	encoded, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := a.AuthorizationURL(line, map[string][]string{"redirect_uri": {line}, "client_id": {line}})
	notOurFault(t,
		w.mcp(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_apps","arguments":{"query":`+string(encoded)+`,"telemetry":{"intent":`+string(encoded)+`}}}}`),
		w.mcp(t, token, `{"jsonrpc":"2.0","id":`+string(encoded)+`,"method":"tools/call","params":{"name":`+string(encoded)+`,"arguments":{}}}`),
		w.tryRegister(t, `{"client_name":`+string(encoded)+`,"redirect_uris":["https://`+evil+`/"]}`),
		w.post(t, "/token", form("client_id", line, "grant_type", line, "code", line)),
		w.send(t, http.MethodGet, address, "", "User-Agent", "x forged", "X-Forwarded-For", "6.6.6.6"),
	)
	w.alive(t, "the token", token) // its event is behind all of these
	w.audited(t, map[string]any{"event_name": "tool_invoked", "tool_name": "search_apps"})
	for _, text := range w.AuditLines() {
		var event map[string]any
		if err := json.Unmarshal([]byte(text), &event); err != nil {
			t.Errorf("a line is no event: %q", text)
		}
		if event["event_name"] == "forged" || event["client_ip"] == "6.6.6.6" || strings.ContainsAny(text, "\r\x00\x1b\u2028\u2029\u202e") {
			t.Errorf("the trail holds %q", text)
		}
	}
	for _, text := range strings.Split(strings.TrimSpace(w.Log()), "\n") {
		if !json.Valid([]byte(text)) || strings.HasPrefix(text, `{"event_name":"forged"`) {
			t.Errorf("a line of the log is %q", text)
		}
	}
}
