package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

type resultBody struct {
	Result struct {
		ResultType        string
		Content           []struct{ Type, Text string }
		StructuredContent json.RawMessage
		IsError           bool
		Meta              struct {
			Error struct{ Code, Reason string }  `json:"com.lumos.mcp-edge/error"`
			Info  struct{ Name, Version string } `json:"io.modelcontextprotocol/serverInfo"`
		} `json:"_meta"`
	}
}

// trimmed leaves out of events what differs from run to run.
func trimmed(events []mcpbridge.Event) []mcpbridge.Event {
	for i := range events {
		events[i].Principal, events[i].RequestID, events[i].Duration, events[i].ClientIP = nil, "", 0, ""
	}
	return events
}

func TestResults(t *testing.T) {
	const structured = `{"n":1}`
	tests := map[string]struct {
		tool       string
		texts      []string
		structured string
		isError    bool
		code, why  string
	}{
		"structured content stands as such and as text, further words after it": {"words", []string{structured, "One."}, structured, false, "", ""},
		"an error has words for the model, its code in _meta, and no structure": {"fail", []string{"There is no such app. Use search_apps."}, "", true, "not_found", "backend/refused"},
		"an error without words gets some":                                      {"silent", []string{"The call failed."}, "", true, "x", ""},
		"what is not one JSON object never reaches the frame": {"bad",
			[]string{"The answer could not be read. It is not known to be wrong, only unreadable; try again later."}, "", true, "bad_result", "backend/bad_answer"},
		"what is not one JSON object never reaches the content": {"bad_picture",
			[]string{"The answer could not be read. It is not known to be wrong, only unreadable; try again later."}, "", true, "bad_result", "backend/bad_answer"},
	}
	e := serve(t)
	for name, tc := range tests {
		for era, c := range map[string]call{"modern": modernCall("tools/call", `"name":"`+tc.tool+`"`), "legacy": legacyCall("tools/call", `"name":"`+tc.tool+`"`)} {
			t.Run(name+", "+era, func(t *testing.T) {
				a := e.do(t, c)
				if a.status != http.StatusOK {
					t.Fatalf("status %d: %s", a.status, a.body)
				}
				var body resultBody
				a.decode(t, &body)
				r := body.Result
				var texts []string
				for _, block := range r.Content {
					if block.Type != "text" {
						t.Errorf("a block of type %q", block.Type)
					}
					texts = append(texts, block.Text)
				}
				got := []any{texts, string(r.StructuredContent), r.IsError, r.Meta.Error.Code, r.Meta.Error.Reason}
				want := []any{tc.texts, tc.structured, tc.isError, tc.code, tc.why}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				if (r.ResultType == "complete") != (era == "modern") || (r.Meta.Info.Name == "mcp-edge") != (era == "modern") {
					t.Errorf("result type %q and server %q in a %s answer", r.ResultType, r.Meta.Info.Name, era)
				}
			})
		}
	}
}

func TestCallsAreAuditedBeforeTheAnswer(t *testing.T) {
	e := serve(t)
	e.do(t, modernCall("tools/list", ""))
	e.do(t, modernCall("tools/call", `"name":"echo"`))
	e.do(t, legacyCall("tools/call", `"name":"write"`))
	e.do(t, legacyCall("tools/call", `"name":"fail"`))
	e.do(t, modernCall("tools/call", `"name":"write"`).as(tokenMember))
	want := []mcpbridge.Event{
		{Name: mcpbridge.EventToolsListed},
		{Name: mcpbridge.EventToolInvoked, Tool: "echo", Scope: scopeRead, Permission: "view", Intent: "to see", TargetResourceID: "t1"},
		{Name: mcpbridge.EventToolInvoked, Tool: "write", Scope: scopeWrite, Permission: "create", Durable: true},
		{Name: mcpbridge.EventWriteOutcome, Tool: "write", Scope: scopeWrite, Permission: "create", WriteOutcome: "created", TargetResourceID: "r1", Durable: true},
		{Name: mcpbridge.EventToolInvoked, Tool: "fail", Scope: scopeRead, Permission: "view", Reason: reason.BackendRefused, ErrorCode: "not_found"},
		{Name: mcpbridge.EventAuthorizationFailed, Tool: "write", Scope: scopeWrite, Permission: "create", Reason: reason.ScopeMissing, ErrorCode: "insufficient_scope"},
	}
	events := e.trail.all()
	for i, event := range events {
		if event.Principal == nil || event.RequestID == "" {
			t.Errorf("event %d does not say who and which request", i)
		}
	}
	if diff := cmp.Diff(want, trimmed(events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeAudited(t *testing.T) {
	e := serve(t)
	e.trail.fails = true
	t.Run("a read is not answered", func(t *testing.T) {
		a := e.do(t, modernCall("tools/call", `"name":"echo","arguments":{"q":"x"}`))
		if a.status != 503 || a.errorCode(t) != -32603 || strings.Contains(a.body, "arguments") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("a list is not answered", func(t *testing.T) {
		if a := e.do(t, modernCall("tools/list", "")); a.status != 503 || strings.Contains(a.body, "tools") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("a denial stays a denial", func(t *testing.T) {
		if a := e.do(t, modernCall("tools/call", `"name":"write"`).as(tokenMember)); a.status != 403 {
			t.Errorf("status %d", a.status)
		}
	})
}

func TestAPanicOfAToolIsAnErrorWithoutDetail(t *testing.T) {
	e := serve(t)
	for tool, unknown := range map[string]bool{"panic": false, "panic_write": true} {
		for era, c := range map[string]call{"modern": modernCall("tools/call", `"name":"`+tool+`"`), "legacy": legacyCall("tools/call", `"name":"`+tool+`"`)} {
			t.Run(tool+", "+era, func(t *testing.T) {
				a := e.do(t, c)
				if a.status != 500 || a.errorCode(t) != -32603 || !strings.Contains(a.body, `"id":1,`) {
					t.Errorf("got %d %s", a.status, a.body)
				}
				if strings.Contains(a.body, "secret") || strings.Contains(a.body, ".go") {
					t.Errorf("detail in the answer: %s", a.body)
				}
				if got := strings.Contains(a.body, "not known whether"); got != unknown {
					t.Errorf("says that the outcome is unknown: %v, want %v", got, unknown)
				}
				if !strings.Contains(e.log.String(), a.header.Get("X-Request-Id")) {
					t.Error("the log cannot be found by the request id")
				}
			})
		}
	}
	if log := e.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, "fakeTools") {
		t.Errorf("the log holds what was typed, or no place:\n%s", log)
	}
	want := map[string]int{"panic tool_invoked internal_error ": 2, "panic_write tool_invoked  ": 2, "panic_write write_outcome internal_error unknown": 2}
	got := map[string]int{}
	for _, event := range e.trail.all() {
		got[strings.Join([]string{event.Tool, event.Name, event.ErrorCode, event.WriteOutcome}, " ")]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if a := e.do(t, modernCall("tools/call", `"name":"echo"`)); a.status != 200 {
		t.Errorf("the next call: status %d", a.status)
	}
}

// leave makes a call and disconnects while the tool runs.
func leave(t *testing.T, e *endpoint, tool string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(legacyCall("tools/call", `"name":"`+tool+`"`).body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokenWriter)
	r.Header.Set("Content-Type", "application/json")
	failed := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	<-e.tools.entered
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("the client got an answer: %v", err)
	}
}

// counting counts answers that are begun.
type counting struct {
	http.ResponseWriter
	answers int
}

func (c *counting) WriteHeader(status int) {
	c.answers++
	c.ResponseWriter.WriteHeader(status)
}

func TestDisconnectCancelsAReadAndNeverAWrite(t *testing.T) {
	e, h := newEndpoint(t)
	requests, answers := make(chan context.Context, 1), make(chan int, 1)
	e.url = serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Context()
		c := &counting{ResponseWriter: w}
		h.ServeHTTP(c, r)
		answers <- c.answers
	}))
	tests := map[string]struct {
		tool string
		want error  // of the tool's context
		last string // event of the call
	}{
		"a read is cancelled":                  {"wait", context.Canceled, mcpbridge.EventToolInvoked},
		"a write is not, and its end is known": {"wait_write", nil, mcpbridge.EventWriteOutcome},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			leave(t, e, tc.tool)
			<-(<-requests).Done() // the server has seen that the client is gone
			if tc.tool == "wait_write" {
				e.tools.release <- struct{}{}
			}
			if err := <-e.tools.ended; !errors.Is(err, tc.want) {
				t.Errorf("the tool's context: %v, want %v", err, tc.want)
			}
			if n := <-answers; n != 0 {
				t.Error("something was sent to a client that had left")
			}
			events := e.trail.all()
			if len(events) == 0 || events[len(events)-1].Tool != tc.tool || events[len(events)-1].Name != tc.last {
				t.Errorf("the call is not audited to its end: %+v", events)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	const given = "from-outside"
	e, h := newEndpoint(t)
	e.url = serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Test-Outer") != "" {
			ctx := httpx.WithClientIP(httpx.WithRequestID(r.Context(), given), "192.0.2.1")
			r = r.WithContext(ctx)
		}
		h.ServeHTTP(w, r)
	}))
	call := modernCall("tools/call", `"name":"whoami"`)
	t.Run("that of the outer layer is answered, audited and given to the tool", func(t *testing.T) {
		a := e.do(t, call.with("Test-Outer: 1"))
		if a.header.Get("X-Request-Id") != given || !strings.Contains(a.body, `"structuredContent":{"user":"lma_writer","request":"from-outside"}`) {
			t.Errorf("got %v %s", a.header, a.body)
		}
		if event := e.trail.all()[0]; event.RequestID != given || event.ClientIP != "192.0.2.1" {
			t.Errorf("event %+v", event)
		}
	})
	t.Run("that of a client is not believed", func(t *testing.T) {
		a, b := e.do(t, call.with("X-Request-Id: mine")), e.do(t, call)
		if id := a.header.Get("X-Request-Id"); id == "mine" || len(id) < 20 || id == b.header.Get("X-Request-Id") {
			t.Errorf("ids %q and %q", id, b.header.Get("X-Request-Id"))
		}
	})
}

// TestNothingIsRememberedBetweenRequests interleaves two people on one
// connection (MCP 2026-07-28, basic, statelessness).
func TestNothingIsRememberedBetweenRequests(t *testing.T) {
	e := serve(t)
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := range 200 {
		user := []string{"lma_user_a", "lma_user_b"}[i%2]
		c := modernCall("tools/call", `"name":"whoami"`)
		if i%3 == 0 {
			c = legacyCall("tools/call", `"name":"whoami"`)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+user)
		r.Header.Set("Content-Type", "application/json")
		for _, line := range c.headers {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), `"structuredContent":{"user":"`+user+`"`) {
			t.Fatalf("call %d of %s got %s (%v)", i, user, body, err)
		}
	}
	for i, event := range e.trail.all() {
		if want := []string{"lma_user_a", "lma_user_b"}[i%2]; event.Principal.UserID != want {
			t.Fatalf("event %d is of %s, want %s", i, event.Principal.UserID, want)
		}
	}
}
