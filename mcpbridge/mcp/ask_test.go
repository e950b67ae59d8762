package mcp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// choose needs a colour and then one size, and writes.
func (f *fakeTools) choose(c *toolset.Call) toolset.Result {
	var a struct {
		Q, Color string
		Sizes    []string
		Sure     *bool
	}
	if err := json.Unmarshal(c.Arguments, &a); err != nil {
		return toolset.Result{IsError: true, Code: "invalid_arguments", Text: "Not of the schema.", WriteOutcome: "failed_validation"}
	}
	missing := func(ask *toolset.Ask) toolset.Result {
		return toolset.Result{IsError: true, Code: "choice_required", Text: "Choose among: red, green.", WriteOutcome: "failed_validation", Ask: ask}
	}
	switch {
	case a.Color == "" && a.Q == "words":
		return missing(&toolset.Ask{Argument: "color", Field: "Your color", Text: "Which color?", Kind: toolset.AskText, Most: 20})
	case a.Color == "" && a.Q == "any words":
		return missing(&toolset.Ask{Argument: "color", Text: "Which color?", Kind: toolset.AskText})
	case a.Sure == nil && a.Q == "sure":
		return missing(&toolset.Ask{Argument: "sure", Text: "Sure?", Kind: toolset.AskYesNo})
	case a.Color == "":
		return missing(&toolset.Ask{Argument: "color", Text: "Which color?", Options: []toolset.Option{{Value: "r", Title: "red"}, {Value: "g", Title: `"green" <b>`}}})
	case len(a.Sizes) == 0 && a.Q == "several":
		return missing(&toolset.Ask{Argument: "sizes", Text: "Which sizes?", Options: []toolset.Option{{Value: "s", Title: "small"}, {Value: "l", Title: "large"}}, List: true, Most: 2})
	case len(a.Sizes) == 0:
		return missing(&toolset.Ask{Argument: "sizes", Text: "Which size?", Options: []toolset.Option{{Value: "s", Title: "small"}, {Value: "l", Title: "large"}}, List: true, Most: 1})
	}
	return toolset.Result{Structured: fmt.Appendf(nil, `{"arguments":%s,"exchange":%q}`, c.Arguments, c.Exchange), WriteOutcome: "created"}
}

// plainSealer hides nothing, so that a test sees what is sealed and for whom.
type plainSealer struct{}

func (plainSealer) Seal(purpose string, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(purpose)) + "." + base64.RawURLEncoding.EncodeToString(plain)
}

func (plainSealer) Open(purpose, sealed string) ([]byte, error) {
	p, text, _ := strings.Cut(sealed, ".")
	if p != base64.RawURLEncoding.EncodeToString([]byte(purpose)) {
		return nil, errors.New("of another purpose")
	}
	return base64.RawURLEncoding.DecodeString(text)
}

func asking(c *mcp.Config) { c.States = plainSealer{} }

// asked is an answer that may be a question.
type asked struct {
	Result struct {
		ResultType    string
		InputRequests map[string]struct {
			Method string
			Params json.RawMessage
		}
		RequestState      string
		StructuredContent json.RawMessage
		IsError           bool
		Meta              map[string]json.RawMessage `json:"_meta"`
	}
}

// chooseCall calls the tool choose with capabilities, arguments and what a retry
// brings.
func chooseCall(capabilities, arguments, more string) call {
	c := modernCall("tools/call", `"name":"choose","arguments":`+arguments+more)
	c.body = strings.Replace(c.body, `"io.modelcontextprotocol/clientCapabilities":{}`, `"io.modelcontextprotocol/clientCapabilities":`+capabilities, 1)
	return c
}

const canElicit = `{"elicitation":{}}`

func retried(state, responses string) string {
	return fmt.Sprintf(`,"inputResponses":%s,"requestState":%q`, responses, state)
}

func (e *endpoint) ask(t *testing.T, c call) (asked, answer) {
	t.Helper()
	a := e.do(t, c)
	var q asked
	a.decode(t, &q)
	return q, a
}

func TestAClientThatCanAskIsGivenTheQuestions(t *testing.T) {
	e := serve(t, asking)
	const arguments = `{"q":"x"}`
	q, a := e.ask(t, chooseCall(canElicit, arguments, ""))
	const question = `{"mode":"form","message":"Which color?","requestedSchema":{"type":"object","properties":{"color":{"type":"string",` +
		`"oneOf":[{"const":"r","title":"red"},{"const":"g","title":"\"green\" <b>"}]}},"required":["color"]}}`
	if a.status != http.StatusOK || q.Result.ResultType != "input_required" || len(q.Result.InputRequests) != 1 ||
		q.Result.InputRequests["color"].Method != "elicitation/create" || string(q.Result.InputRequests["color"].Params) != question {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if q.Result.IsError || strings.Contains(a.body, `"content"`) || strings.Contains(a.body, "ttlMs") || q.Result.Meta["io.modelcontextprotocol/serverInfo"] == nil {
		t.Errorf("got %s", a.body)
	}
	// The arguments may be written differently; the state is of what they say.
	q, a = e.ask(t, chooseCall(canElicit, ` { "q" : "\u0078" } `, retried(q.Result.RequestState, `{"color":{"action":"accept","content":{"color":"g","other":1}},"unknown":{}}`)))
	if q.Result.ResultType != "input_required" || q.Result.InputRequests["sizes"].Method == "" {
		t.Fatalf("got %s", a.body)
	}
	first, a := e.ask(t, chooseCall(canElicit, arguments, retried(q.Result.RequestState, `{"sizes":{"action":"accept","content":{"sizes":"l"}}}`)))
	var done struct {
		Arguments json.RawMessage
		Exchange  string
	}
	if err := json.Unmarshal(first.Result.StructuredContent, &done); err != nil || string(done.Arguments) != `{"q":"x","color":"g","sizes":["l"]}` || len(done.Exchange) < 26 {
		t.Fatalf("got %s", a.body)
	}
	// A replay is the same exchange, by which the tool knows it.
	again, _ := e.ask(t, chooseCall(canElicit, arguments, retried(q.Result.RequestState, `{"sizes":{"action":"accept","content":{"sizes":"s"}}}`)))
	if !strings.Contains(string(again.Result.StructuredContent), done.Exchange) {
		t.Errorf("a replay is another exchange: %s", again.Result.StructuredContent)
	}
	for i, ev := range e.trail.all() {
		switch {
		case ev.Name == mcpbridge.EventToolInvoked:
		case i < 4 && (ev.ErrorCode != "input_required" || ev.WriteOutcome != ""), i >= 4 && ev.WriteOutcome != "created":
			t.Errorf("event %d is %+v", i, ev)
		}
	}
}

func TestSeveralOptionsMayBeChosenWhereTheToolTakesThem(t *testing.T) {
	e := serve(t, asking)
	q, a := e.ask(t, chooseCall(canElicit, `{"q":"several","color":"r"}`, ""))
	const schema = `"sizes":{"type":"array","minItems":1,"maxItems":2,"items":{"anyOf":[{"const":"s","title":"small"},{"const":"l","title":"large"}]}}`
	if !strings.Contains(a.body, schema) {
		t.Fatalf("got %s", a.body)
	}
	q, a = e.ask(t, chooseCall(canElicit, `{"color":"r","q":"several"}`, retried(q.Result.RequestState, `{"sizes":{"action":"accept","content":{"sizes":["s","l"]}}}`)))
	if !strings.Contains(string(q.Result.StructuredContent), `"sizes":["s","l"]`) {
		t.Errorf("got %s", a.body)
	}
}

// TestAPersonIsAskedInTheFormThatTheArgumentNeeds: the form may call the argument
// by another name; the answer counts under that name only, and the next question
// does not keep it.
func TestAPersonIsAskedInTheFormThatTheArgumentNeeds(t *testing.T) {
	for name, tc := range map[string]struct {
		arguments, key, schema, content, wrong string
		with                                   string // the arguments that the tool gets
	}{
		"words under another name": {
			`{"q":"words"}`, "color", `{"Your color":{"type":"string","minLength":1,"maxLength":20}},"required":["Your color"]`,
			`{"Your color":"sea \"green\""}`, `{"color":"red"}`, `{"q":"words","color":"sea \"green\"","sizes":["l"]}`,
		},
		"words of any length": {
			`{"q":"any words"}`, "color", `{"color":{"type":"string","minLength":1}},"required":["color"]`,
			`{"color":"sea"}`, `{"Your color":"red"}`, `{"q":"any words","color":"sea","sizes":["l"]}`,
		},
		"yes or no": {
			`{"q":"sure","color":"r"}`, "sure", `{"sure":{"type":"boolean"}},"required":["sure"]`,
			`{"sure":false}`, `{"ok":true}`, `{"q":"sure","color":"r","sure":false,"sizes":["l"]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, asking)
			q, a := e.ask(t, chooseCall(canElicit, tc.arguments, ""))
			if !strings.Contains(a.body, `"requestedSchema":{"type":"object","properties":`+tc.schema+`}`) {
				t.Fatalf("got %s", a.body)
			}
			answer := func(content string) string {
				return retried(q.Result.RequestState, `{"`+tc.key+`":{"action":"accept","content":`+content+`}}`)
			}
			if again, a := e.ask(t, chooseCall(canElicit, tc.arguments, answer(tc.wrong))); again.Result.InputRequests[tc.key].Method == "" {
				t.Errorf("an answer under another name counts: %s", a.body)
			}
			q, a = e.ask(t, chooseCall(canElicit, tc.arguments, answer(tc.content)))
			if q.Result.InputRequests["sizes"].Method == "" {
				t.Fatalf("got %s", a.body)
			}
			q, a = e.ask(t, chooseCall(canElicit, tc.arguments, retried(q.Result.RequestState, `{"sizes":{"action":"accept","content":{"sizes":"l"}}}`)))
			if !strings.Contains(string(q.Result.StructuredContent), tc.with) {
				t.Errorf("got %s", a.body)
			}
		})
	}
}

// TestNobodyIsAskedWhoseClientDidNotSayThatItCan: a server must not send what
// was not declared, and nothing is remembered of earlier requests.
func TestNobodyIsAskedWhoseClientDidNotSayThatItCan(t *testing.T) {
	old := legacyCall("tools/call", `"name":"choose","_meta":{"io.modelcontextprotocol/clientCapabilities":`+canElicit+`}`)
	for name, tc := range map[string]struct {
		call call
		asks bool
	}{
		"nothing declared":                      {chooseCall(`{}`, `{}`, ""), false},
		"something else declared":               {chooseCall(`{"sampling":{},"roots":{}}`, `{}`, ""), false},
		"only by opening an address":            {chooseCall(`{"elicitation":{"url":{}}}`, `{}`, ""), false},
		"not an object":                         {chooseCall(`{"elicitation":true}`, `{}`, ""), false},
		"null":                                  {chooseCall(`{"elicitation":null}`, `{}`, ""), false},
		"a form that is no object":              {chooseCall(`{"elicitation":{"form":false}}`, `{}`, ""), false},
		"an older revision with the same _meta": {old, false},
		"a handshake":                           {legacyCall("tools/call", `"name":"choose"`), false},
		"a form":                                {chooseCall(`{"elicitation":{"form":{}}}`, `{}`, ""), true},
		"a form and an address":                 {chooseCall(`{"elicitation":{"form":{},"url":{}}}`, `{}`, ""), true},
		"an empty object":                       {chooseCall(canElicit, `{}`, ""), true},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, asking)
			e.ask(t, chooseCall(canElicit, `{}`, "")) // somebody who can be asked came before
			q, a := e.ask(t, tc.call)
			if got := q.Result.ResultType == "input_required"; got != tc.asks || q.Result.IsError == tc.asks || strings.Contains(a.body, "requestState") != tc.asks {
				t.Errorf("got %s", a.body)
			}
			if !tc.asks && (!strings.Contains(a.body, "Choose among") || !strings.Contains(a.body, `"choice_required"`)) {
				t.Errorf("the choices are not listed: %s", a.body)
			}
		})
	}
	t.Run("a server without a seal", func(t *testing.T) {
		if q, a := serve(t).ask(t, chooseCall(canElicit, `{}`, "")); q.Result.ResultType != "complete" || !q.Result.IsError {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestAPersonMayDeclineAndNothingIsRun(t *testing.T) {
	for _, action := range []string{"decline", "cancel"} {
		t.Run(action, func(t *testing.T) {
			ran := 0
			e := serve(t, asking)
			q, _ := e.ask(t, chooseCall(canElicit, `{}`, ""))
			e.tools.ran = func(string) { ran++ }
			q, a := e.ask(t, chooseCall(canElicit, `{}`, retried(q.Result.RequestState, `{"color":{"action":"`+action+`"}}`)))
			if !q.Result.IsError || q.Result.ResultType != "complete" || !strings.Contains(a.body, `"code":"declined"`) || !strings.Contains(a.body, "Nothing was sent") || ran != 0 {
				t.Errorf("the tool ran %d times: %s", ran, a.body)
			}
			events := e.trail.all()
			if last := events[len(events)-1]; last.Name != mcpbridge.EventWriteOutcome || last.ErrorCode != "declined" || last.WriteOutcome != "" {
				t.Errorf("event %+v", last)
			}
		})
	}
}

func TestWhatIsMissingIsAskedAgain(t *testing.T) {
	for name, more := range map[string]string{
		"no responses":            `,"requestState":%q`,
		"no response to this":     `,"requestState":%q,"inputResponses":{}`,
		"a response to another":   `,"requestState":%q,"inputResponses":{"size":{"action":"accept","content":{"size":"l"}}}`,
		"accepted without a word": `,"requestState":%q,"inputResponses":{"color":{"action":"accept"}}`,
		"accepted with another":   `,"requestState":%q,"inputResponses":{"color":{"action":"accept","content":{"x":1}}}`,
		"accepted with null":      `,"requestState":%q,"inputResponses":{"color":{"action":"accept","content":{"color":null}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, asking)
			q, _ := e.ask(t, chooseCall(canElicit, `{}`, ""))
			q, a := e.ask(t, chooseCall(canElicit, `{}`, fmt.Sprintf(more, q.Result.RequestState)))
			if q.Result.ResultType != "input_required" || q.Result.InputRequests["color"].Method == "" {
				t.Errorf("got %s", a.body)
			}
		})
	}
	t.Run("responses without a state are ignored", func(t *testing.T) {
		e := serve(t, asking)
		if q, a := e.ask(t, chooseCall(canElicit, `{}`, `,"inputResponses":{"color":{"action":"accept","content":{"color":"r"}}}`)); q.Result.InputRequests["color"].Method == "" {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestAStateIsOfOnePersonOneCallAndTenMinutes(t *testing.T) {
	const accept = `{"color":{"action":"accept","content":{"color":"g"}}}`
	for name, tc := range map[string]struct {
		change func(e *endpoint, state string) call
		ok     bool
	}{
		"unchanged": {func(_ *endpoint, s string) call { return chooseCall(canElicit, `{"q":"x"}`, retried(s, accept)) }, true},
		"another person": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, accept)).as("lma_user2")
		}, false},
		"other arguments": {func(_ *endpoint, s string) call { return chooseCall(canElicit, `{"q":"y"}`, retried(s, accept)) }, false},
		"an argument more": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x","color":"r"}`, retried(s, accept))
		}, false},
		"no arguments": {func(_ *endpoint, s string) call { return chooseCall(canElicit, `{}`, retried(s, accept)) }, false},
		"damaged": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried("A"+s[1:], accept))
		}, false},
		"cut": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s[:len(s)-9], accept))
		}, false},
		"empty": {func(_ *endpoint, _ string) call { return chooseCall(canElicit, `{"q":"x"}`, retried("", accept)) }, false},
		"long": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s+strings.Repeat("A", 16<<10), accept))
		}, false},
		"not a string": {func(_ *endpoint, _ string) call { return chooseCall(canElicit, `{"q":"x"}`, `,"requestState":{"a":1}`) }, false},
		"another tool": {func(_ *endpoint, s string) call {
			return modernCall("tools/call", `"name":"write","arguments":{"q":"x"}`+retried(s, accept))
		}, false},
		"in the last second": {func(e *endpoint, s string) call {
			e.clock.Advance(10*time.Minute - time.Second)
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, accept))
		}, true},
		"after ten minutes": {func(e *endpoint, s string) call {
			e.clock.Advance(10 * time.Minute)
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, accept))
		}, false},
		"responses are a list": {func(_ *endpoint, s string) call { return chooseCall(canElicit, `{"q":"x"}`, retried(s, `[]`)) }, false},
		"a response is text": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, `{"color":"g"}`))
		}, false},
		"an unknown action": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, `{"color":{"action":"ACCEPT"}}`))
		}, false},
		"content is a list": {func(_ *endpoint, s string) call {
			return chooseCall(canElicit, `{"q":"x"}`, retried(s, `{"color":{"action":"accept","content":[]}}`))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, asking)
			q, _ := e.ask(t, chooseCall(canElicit, `{"q":"x"}`, ""))
			before := len(e.trail.all())
			q, a := e.ask(t, tc.change(e, q.Result.RequestState))
			if tc.ok {
				if q.Result.InputRequests["sizes"].Method == "" {
					t.Errorf("got %d %s", a.status, a.body)
				}
				return
			}
			if a.status != http.StatusBadRequest || a.errorCode(t) != -32602 || len(e.trail.all()) != before {
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
	}
}

// TestAChoiceIsAnArgumentAndNothingElse: what comes back from a person is
// checked by the tool like what comes from a model.
func TestAChoiceIsAnArgumentAndNothingElse(t *testing.T) {
	e := serve(t, asking)
	for _, value := range []string{`{"q":"y"}`, `["r"]`, `1`, `true`} {
		q, _ := e.ask(t, chooseCall(canElicit, `{}`, ""))
		q, a := e.ask(t, chooseCall(canElicit, `{}`, retried(q.Result.RequestState, `{"color":{"action":"accept","content":{"color":`+value+`}}}`)))
		if !q.Result.IsError || !strings.Contains(a.body, "invalid_arguments") {
			t.Errorf("%s: %s", value, a.body)
		}
	}
	q, _ := e.ask(t, chooseCall(canElicit, `{}`, ""))
	q, a := e.ask(t, chooseCall(canElicit, `{}`, retried(q.Result.RequestState, `{"color":{"action":"accept","content":{"color":"r\",\"q\":\"several"}}}`)))
	if q.Result.InputRequests["sizes"].Method == "" || strings.Contains(a.body, "maxItems") {
		t.Errorf("a choice became another argument: %s", a.body)
	}
}

// TestADeniedPersonIsNotAskedAndAStateIsNoRight: the decision comes first.
func TestADeniedPersonIsNotAskedAndAStateIsNoRight(t *testing.T) {
	e := serve(t, asking)
	q, _ := e.ask(t, chooseCall(canElicit, `{}`, ""))
	for _, c := range []call{chooseCall(canElicit, `{}`, ""), chooseCall(canElicit, `{}`, retried(q.Result.RequestState, `{}`))} {
		if a := e.do(t, c.as(tokenGuest)); !strings.Contains(a.body, "permission_denied") {
			t.Errorf("a guest: %s", a.body)
		}
		if a := e.do(t, c.as(tokenMember)); a.status != http.StatusForbidden {
			t.Errorf("a member: %d %s", a.status, a.body)
		}
	}
}

func TestTheOfficialSDKAsksThePersonAndGoesOn(t *testing.T) {
	e := serve(t, asking)
	var questions []string
	b := &bearer{token: tokenWriter, next: &http.Transport{}}
	t.Cleanup(b.next.CloseIdleConnections)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			questions = append(questions, r.Params.Message)
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"color": "g", "sizes": "l"}}, nil
		},
	})
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: e.url, HTTPClient: &http.Client{Transport: b}, MaxRetries: -1}, &sdk.ClientSessionOptions{ProtocolVersion: "2026-07-28"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "choose", Arguments: map[string]string{"q": "x"}})
	if err != nil || result.IsError {
		t.Fatalf("%v, %+v", err, result)
	}
	if diff := cmp.Diff([]string{"Which color?", "Which size?"}, questions); diff != "" {
		t.Error(diff)
	}
	if text := result.Content[0].(*sdk.TextContent).Text; !strings.Contains(text, `{"q":"x","color":"g","sizes":["l"]}`) {
		t.Errorf("result %s", text)
	}
}
