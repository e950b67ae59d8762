package mcp_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// steps notes in which order things happen.
type steps struct {
	mu   sync.Mutex
	done []string
}

func (s *steps) add(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, step)
}

func (s *steps) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

// noting notes when an answer is begun.
type noting struct {
	http.ResponseWriter
	steps *steps
}

func (n noting) WriteHeader(status int) {
	n.steps.add("answer")
	n.ResponseWriter.WriteHeader(status)
}

// serveNoting starts a server that notes what it does.
func serveNoting(t *testing.T) (*endpoint, *steps) {
	t.Helper()
	s := &steps{}
	e, h := newEndpoint(t)
	e.tools.ran = func(string) { s.add("tool") }
	e.trail.stored = func(event mcpbridge.Event) { s.add(event.Name) }
	e.url = serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(noting{w, s}, r)
	}))
	return e, s
}

func TestACallIsAuditedInThisOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		tool string
		want []string
	}{
		"a read once, after it ran":                        {"echo", []string{"tool", "tool_invoked", "answer"}},
		"a write before it runs and before its answer":     {"write", []string{"tool_invoked", "tool", "write_outcome", "answer"}},
		"a write of which nothing was sent in the same":    {"busy_write", []string{"tool_invoked", "tool", "write_outcome", "answer"}},
		"a write that failed by a fault of ours, likewise": {"panic_write", []string{"tool_invoked", "tool", "write_outcome", "answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, s := serveNoting(t)
			e.do(t, modernCall("tools/call", `"name":"`+tc.tool+`"`))
			if diff := cmp.Diff(tc.want, s.all()); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryWriteThatWasBegunHasAnEndThatSaysSomething(t *testing.T) {
	const scope, permission = scopeWrite, "create"
	end := mcpbridge.Event{Name: mcpbridge.EventWriteOutcome, Scope: scope, Permission: permission, Durable: true}
	for name, tc := range map[string]struct {
		tool string
		want func(*mcpbridge.Event)
	}{
		"one that was made has its outcome and target":    {"write", func(e *mcpbridge.Event) { e.WriteOutcome, e.TargetResourceID = "created", "r1" }},
		"one that was not sent has no outcome but a code": {"busy_write", func(e *mcpbridge.Event) { e.ErrorCode = "busy" }},
		"one of which the tool says nothing is unknown":   {"mute_write", func(e *mcpbridge.Event) { e.WriteOutcome = "unknown" }},
		"one whose answer nobody can read is unknown": {"bad_write", func(e *mcpbridge.Event) {
			e.WriteOutcome, e.ErrorCode, e.Reason = "unknown", "bad_result", reason.BackendBadAnswer
		}},
		"one that ended in a fault of ours is unknown as well": {"panic_write", func(e *mcpbridge.Event) { e.WriteOutcome, e.ErrorCode = "unknown", "internal_error" }},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t)
			e.do(t, legacyCall("tools/call", `"name":"`+tc.tool+`"`))
			events := e.trail.all()
			if len(events) != 2 || events[0].RequestID == "" || events[0].RequestID != events[1].RequestID || events[1].Principal == nil {
				t.Fatalf("events %+v", events)
			}
			begun, ended := end, end
			begun.Name, begun.Tool, ended.Tool = mcpbridge.EventToolInvoked, tc.tool, tc.tool
			tc.want(&ended)
			if diff := cmp.Diff([]mcpbridge.Event{begun, ended}, trimmed(events)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWriteThatCannotBeAuditedIsNotMade(t *testing.T) {
	for name, c := range map[string]call{
		"modern": modernCall("tools/call", `"name":"write"`), "legacy": legacyCall("tools/call", `"name":"write"`),
	} {
		t.Run(name, func(t *testing.T) {
			e, s := serveNoting(t)
			e.trail.refuse = mcpbridge.EventToolInvoked
			a := e.do(t, c)
			if a.status != http.StatusServiceUnavailable || a.errorCode(t) != -32603 || a.header.Get("Retry-After") != "1" {
				t.Errorf("got %d %v %s", a.status, a.header, a.body)
			}
			if diff := cmp.Diff([]string{"answer"}, s.all()); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWriteWhoseEndCannotBeAuditedIsAnsweredAndLogged(t *testing.T) {
	e := serve(t)
	e.trail.refuse = mcpbridge.EventWriteOutcome
	a := e.do(t, modernCall("tools/call", `"name":"write"`))
	if a.status != http.StatusOK || !strings.Contains(a.body, `"structuredContent":{"id":"r1"}`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
	log := e.log.String()
	for _, want := range []string{
		"level=ERROR", "event=write_outcome", "tool=write", "write_outcome=created", "target_resource_id=r1",
		"user_id=lma_writer", "request_id=" + a.header.Get("X-Request-Id"), "disk full",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}
