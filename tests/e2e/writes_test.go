package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const (
	submitTool = "submit_access_request"
	cancelTool = "cancel_access_request"
)

// writer is an assistant of a person who may submit.
type writer struct {
	*assistant.Assistant
	g     *gateway.Gateway
	token string
}

func newWriter(t *testing.T, g *gateway.Gateway) writer {
	t.Helper()
	a := register(t, g)
	return writer{a, g, connect(t, g, a, "member", bothScopes).AccessToken}
}

// written is the structured answer to a write.
type written struct {
	Outcome string
	Request struct{ ID, Status string }
}

func (w writer) call(t *testing.T, tool, arguments string) (assistant.CallResult, written) {
	t.Helper()
	r := must[assistant.CallResult](t)(w.Call(t.Context(), w.token, tool, arguments))
	var out written
	if len(r.Result.StructuredContent) > 0 {
		if err := json.Unmarshal(r.Result.StructuredContent, &out); err != nil {
			t.Fatal(err)
		}
	}
	return r, out
}

// code is the stable code of a tool error.
func code(r assistant.CallResult) string {
	var body struct {
		Result struct {
			Meta map[string]struct{ Code string } `json:"_meta"`
		}
	}
	_ = json.Unmarshal(r.Body, &body)
	return body.Result.Meta["com.lumos.mcp-edge/error"].Code
}

func submission(app, key string) string {
	if key != "" {
		key = fmt.Sprintf(`,"idempotency_key":%q`, key)
	}
	return fmt.Sprintf(`{"app_id":%q,"justification":"On call this week"%s}`, app, key)
}

// TestManyEqualSubmissionsAreOneRequest sends 200 at once, with one key and
// without any.
func TestManyEqualSubmissionsAreOneRequest(t *testing.T) {
	const calls = 200
	for name, key := range map[string]string{"with one key": "key-1", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			g := gateway.Start(t, stack.Options{}, "")
			w := newWriter(t, g)
			answers := make([]assistant.CallResult, calls)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range calls {
				wg.Go(func() {
					<-start
					r, err := w.Call(t.Context(), w.token, submitTool, submission(appstore.AppManual, key))
					if err != nil {
						t.Error(err)
					}
					answers[i] = r
				})
			}
			close(start)
			wg.Wait()
			if n := g.Stack.Backend.CountPOST(); n != 1 {
				t.Errorf("%d requests were posted", n)
			}
			ids, created := map[string]int{}, 0
			for _, r := range answers {
				var out written
				if err := json.Unmarshal(r.Result.StructuredContent, &out); err != nil || r.Status != http.StatusOK || r.Result.IsError {
					t.Fatalf("%v: %d %s", err, r.Status, r.Body)
				}
				ids[out.Request.ID]++
				if out.Outcome == "created" {
					created++
				}
				if key != "" && !bytes.Equal(r.Result.StructuredContent, answers[0].Result.StructuredContent) {
					t.Fatalf("two answers differ:\n%s\n%s", answers[0].Result.StructuredContent, r.Result.StructuredContent)
				}
			}
			if want := map[string]int{"": 1, "key-1": calls}[key]; len(ids) != 1 || created != want {
				t.Errorf("%d answers say created, want %d; ids %v", created, want, ids)
			}
			made := 0
			for _, line := range g.AuditLines() {
				if strings.Contains(line, `"write_outcome":"created"`) {
					made++
				}
			}
			if made != 1 {
				t.Errorf("the audit trail says %d times that a request was made", made)
			}
		})
	}
}

// TestARequestOfUnknownOutcomeIsFoundByItsKey: the backend takes the request and
// its connection breaks before it answers.
func TestARequestOfUnknownOutcomeIsFoundByItsKey(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	w := newWriter(t, g)
	g.Stack.Backend.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Drop: true, Times: 1})
	first, _ := w.call(t, submitTool, submission(appstore.AppDirect, "key-1"))
	if !first.Result.IsError || code(first) != "outcome_unknown" || !strings.Contains(string(first.Body), "list_access_requests") {
		t.Fatalf("first: %s", first.Body)
	}
	second, found := w.call(t, submitTool, submission(appstore.AppDirect, "key-1"))
	if second.Result.IsError || found.Outcome != "created" || found.Request.ID == "" || !strings.Contains(string(second.Body), "its answer was lost") {
		t.Fatalf("second: %s", second.Body)
	}
	third, _ := w.call(t, submitTool, submission(appstore.AppDirect, "key-1"))
	if !bytes.Equal(third.Result.StructuredContent, second.Result.StructuredContent) {
		t.Errorf("third: %s", third.Body)
	}
	if other, _ := w.call(t, submitTool, submission(appstore.AppDenied, "key-1")); code(other) != "idempotency_key_reused" {
		t.Errorf("another app under the key: %s", other.Body)
	}
	// A server error after the request was taken to be refused: it is not there.
	g.Stack.Backend.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Status: http.StatusBadGateway, Body: `{}`, Times: 1})
	for _, says := range []string{"did not confirm", "may still come"} {
		if r, _ := w.call(t, submitTool, submission(appstore.AppDenied, "key-2")); code(r) != "outcome_unknown" || !strings.Contains(string(r.Body), says) {
			t.Errorf("lost: %s", r.Body)
		}
	}
	if n := g.Stack.Backend.CountPOST(); n != 2 {
		t.Errorf("%d requests were posted, want one for each key", n)
	}
	// The same for a cancellation.
	g.Stack.Backend.Faults().Set(appstore.RouteCancelRequest, appstore.Fault{Drop: true, Times: 1})
	cancellation := fmt.Sprintf(`{"request_id":%q,"idempotency_key":"key-1"}`, found.Request.ID)
	if r, _ := w.call(t, cancelTool, cancellation); code(r) != "outcome_unknown" {
		t.Errorf("cancel: %s", r.Body)
	}
	if r, out := w.call(t, cancelTool, cancellation); out.Outcome != "updated" || out.Request.Status != "CANCELLED" {
		t.Errorf("cancel again: %s", r.Body)
	}
	deletes := 0
	for _, r := range g.Stack.Backend.Requests() {
		if r.Method == http.MethodDelete {
			deletes++
		}
	}
	if deletes != 1 {
		t.Errorf("%d cancellations were sent", deletes)
	}
}

// waitTaken waits until the backend has made so many requests, whether it has
// answered or not.
func waitTaken(t *testing.T, g *gateway.Gateway, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		taken := 0
		for _, r := range g.Stack.Backend.Requests() {
			if r.Method == http.MethodPost && r.Status == http.StatusCreated {
				taken++
			}
		}
		if taken >= want {
			return
		}
	}
	t.Fatalf("the backend has not made %d requests", want)
}

// TestAKillBetweenRequestAndAnswerSendsNothingTwice kills the gateway while the
// backend holds its answer back, and repeats the call with the next process.
func TestAKillBetweenRequestAndAnswerSendsNothingTwice(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	w := newWriter(t, g)
	hold := make(chan struct{})
	let := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(let)
	for round, key := range []string{"key-1", ""} {
		app := []string{appstore.AppDirect, appstore.AppManual}[round]
		g.Stack.Backend.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Hold: hold, Times: 1})
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _ = w.Call(t.Context(), w.token, submitTool, submission(app, key)) // its answer is lost
		}()
		waitTaken(t, g, round+1)
		g.Kill()
		<-answered
		g.Run()
		r, out := w.call(t, submitTool, submission(app, key))
		if want := []string{"created", "deduped"}[round]; r.Result.IsError || out.Outcome != want || out.Request.ID == "" {
			t.Errorf("after the kill, key %q: %s", key, r.Body)
		}
		if n := g.Stack.Backend.CountPOST(); n != round+1 {
			t.Errorf("key %q: %d requests were posted", key, n)
		}
	}
	// An answer that was kept is there after a kill, byte for byte.
	before, _ := w.call(t, submitTool, submission(appstore.AppDirect, "key-1"))
	g.Kill()
	g.Run()
	sent := len(g.Stack.Backend.Calls())
	after, _ := w.call(t, submitTool, submission(appstore.AppDirect, "key-1"))
	if before.Result.IsError || !bytes.Equal(before.Result.StructuredContent, after.Result.StructuredContent) || len(g.Stack.Backend.Calls()) != sent {
		t.Errorf("%s\n%s, %d requests", before.Body, after.Body, len(g.Stack.Backend.Calls())-sent)
	}
}

// TestACallWaitsForOneThatBeganUnderAnotherConfiguration: a reload makes new
// handlers beside the old ones, which still serve the first call.
func TestACallWaitsForOneThatBeganUnderAnotherConfiguration(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	w := newWriter(t, g)
	hold := make(chan struct{})
	let := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(let)
	g.Stack.Backend.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Hold: hold, Times: 1})
	answers := make(chan assistant.CallResult, 2)
	call := func() {
		r, err := w.Call(t.Context(), w.token, submitTool, submission(appstore.AppManual, "key-1"))
		if err != nil {
			t.Error(err)
		}
		answers <- r
	}
	go call()
	waitTaken(t, g, 1)
	if err := g.Reload(g.Variant("rotation_grace 60s", "rotation_grace 61s")); err != nil {
		t.Fatal(err)
	}
	go call()
	select {
	case r := <-answers:
		t.Errorf("a call was answered before the first one: %s", r.Body)
	case <-time.After(time.Second): // long enough for one that does not wait
	}
	let()
	first, second := <-answers, <-answers
	if first.Result.IsError || !bytes.Equal(first.Result.StructuredContent, second.Result.StructuredContent) || g.Stack.Backend.CountPOST() != 1 {
		t.Errorf("%s\n%s\n%d posts", first.Body, second.Body, g.Stack.Backend.CountPOST())
	}
}

// modern posts a tools/call of revision 2026-07-28.
func (w writer) modern(t *testing.T, tool, capabilities, arguments, more string) assistant.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":%s%s,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s}}}`,
		tool, arguments, more, capabilities)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Resource, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer " + w.token, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool,
	} {
		req.Header.Set(name, value)
	}
	return must[assistant.Answer](t)(assistant.Do(w.HTTP, req))
}

// TestAPersonIsAskedForAMissingChoice over the wire, with real seals: the state
// belongs to one grant, and what it ends in happens once.
func TestAPersonIsAskedForAMissingChoice(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	w, other := newWriter(t, g), newWriter(t, g) // the same person by another assistant
	type question struct {
		Result struct {
			ResultType    string
			InputRequests map[string]struct {
				Params struct {
					RequestedSchema struct {
						Properties map[string]struct {
							OneOf []struct{ Const, Title string }
						}
					}
				}
			}
			RequestState      string
			StructuredContent written
		}
	}
	const canAsk = `{"elicitation":{"form":{}}}`
	ask := func(w writer, arguments, more string) (q question, a assistant.Answer) {
		a = w.modern(t, submitTool, canAsk, arguments, more)
		_ = json.Unmarshal(a.Body, &q)
		return q, a
	}
	arguments := submission(appstore.AppTimeBound, "")
	if plain := w.modern(t, submitTool, `{}`, arguments, ""); !strings.Contains(string(plain.Body), `\"2 hours\"`) || !strings.Contains(string(plain.Body), "access_length_required") {
		t.Errorf("a client that cannot ask: %s", plain.Body)
	}
	q, a := ask(w, arguments, "")
	options := q.Result.InputRequests["access_length"].Params.RequestedSchema.Properties["access_length"].OneOf
	if q.Result.ResultType != "input_required" || len(options) != 3 || options[1].Const != "1 day" {
		t.Fatalf("not asked: %s", a.Body)
	}
	state := q.Result.RequestState
	retry := func(state, length string) string {
		return fmt.Sprintf(`,"requestState":%q,"inputResponses":{"access_length":{"action":"accept","content":{"access_length":%q}}}`, state, length)
	}
	for name, refused := range map[string]assistant.Answer{
		"of another grant":   other.modern(t, submitTool, canAsk, arguments, retry(state, "1 day")),
		"of other arguments": w.modern(t, submitTool, canAsk, submission(appstore.AppDirect, ""), retry(state, "1 day")),
		"tampered with":      w.modern(t, submitTool, canAsk, arguments, retry(state[:20]+map[bool]string{true: "B", false: "A"}[state[20] == 'A']+state[21:], "1 day")),
	} {
		if refused.Status != http.StatusBadRequest || !strings.Contains(string(refused.Body), "-32602") {
			t.Errorf("a state %s: %d %s", name, refused.Status, refused.Body)
		}
	}
	if declined := w.modern(t, submitTool, canAsk, arguments, fmt.Sprintf(`,"requestState":%q,"inputResponses":{"access_length":{"action":"decline"}}`, state)); !strings.Contains(string(declined.Body), `"declined"`) {
		t.Errorf("declined: %s", declined.Body)
	}
	if n := g.Stack.Backend.CountPOST(); n != 0 {
		t.Errorf("%d requests were posted before anybody chose", n)
	}
	first, a := ask(w, arguments, retry(state, "1 day"))
	if first.Result.ResultType != "complete" || first.Result.StructuredContent.Outcome != "created" {
		t.Fatalf("chosen: %s", a.Body)
	}
	if again, a := ask(w, arguments, retry(state, "1 day")); again.Result.StructuredContent != first.Result.StructuredContent {
		t.Errorf("a replay: %s", a.Body)
	}
	if _, a := ask(w, arguments, retry(state, "2 hours")); !strings.Contains(string(a.Body), "idempotency_key_reused") {
		t.Errorf("another choice by the same state: %s", a.Body)
	}
	if n := g.Stack.Backend.CountPOST(); n != 1 {
		t.Errorf("%d requests were posted", n)
	}
	// A permission first, and then nothing more is missing.
	arguments = submission(appstore.AppVisible, "")
	q, a = ask(w, arguments, "")
	options = q.Result.InputRequests["permission_ids"].Params.RequestedSchema.Properties["permission_ids"].OneOf
	if len(options) != 4 {
		t.Fatalf("not asked for a permission: %s", a.Body)
	}
	chosen := fmt.Sprintf(`,"requestState":%q,"inputResponses":{"permission_ids":{"action":"accept","content":{"permission_ids":%q}}}`, q.Result.RequestState, options[2].Const)
	if q, a = ask(w, arguments, chosen); q.Result.StructuredContent.Outcome != "created" {
		t.Errorf("a permission chosen: %s", a.Body)
	}
}
