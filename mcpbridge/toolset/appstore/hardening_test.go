package appstore_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

// injections are values that mean something to a server, a proxy or a log.
var injections = []struct{ name, value string }{
	{"parent", "../users/current"},
	{"parent alone", ".."},
	{"this", "."},
	{"encoded parent", "%2e%2e%2fusers"},
	{"double encoded", "%252e%252e%252f"},
	{"backslash", `..\users`},
	{"query", "hub?all_visibilities=true"},
	{"parameter", "hub&target_user_id=you"},
	{"fragment", "hub#x"},
	{"matrix parameter", "hub;x=1"},
	{"line break", "hub\r\nX-Evil: 1"},
	{"NUL", "hub\x00"},
	{"delete", "hub\x7f"},
	{"division slash", "hub\u2215settings"},
	{"full width slash", "hub\uff0fsettings"},
	{"full width dots", "\uff0e\uff0e"},
	{"bidirectional override", "hub\u202e"},
	{"absolute address", "https://evil.example/"},
	{"user information", "@evil.example"},
	{"template", "{app_id}"},
	{"one megabyte", strings.Repeat("A", 1<<20)},
	{"empty", ""},
	{"space", " "},
}

type place struct {
	tool, member string
	id           bool
	rest         string
}

// places are all arguments that take a string. An id refuses every injection; a
// text may take those that are text, and then they arrive as its value.
var places = []place{
	{"search_apps", "query", false, ``},
	{"search_apps", "telemetry.intent", false, ``},
	{"get_app", "telemetry.intent", false, `,"app_id":"hub"`},
	{"list_requestable_permissions", "telemetry.intent", false, `,"app_id":"hub"`},
	{"list_access_requests", "telemetry.intent", false, ``},
	{"get_access_request", "telemetry.intent", false, `,"request_id":"req-1"`},
	{"submit_access_request", "telemetry.intent", false, `,"app_id":"hub","justification":"x","permission_ids":["read"]`},
	{"cancel_access_request", "telemetry.intent", false, `,"request_id":"req-1"`},
	{"get_app", "app_id", true, ``},
	{"list_requestable_permissions", "app_id", true, ``},
	{"list_requestable_permissions", "query", false, `,"app_id":"hub"`},
	{"list_access_requests", "app_id", true, ``},
	{"list_access_requests", "state", true, ``},
	{"get_access_request", "request_id", true, ``},
	{"submit_access_request", "app_id", true, `,"justification":"x"`},
	{"submit_access_request", "justification", false, `,"app_id":"hub","permission_ids":["read"]`},
	{"submit_access_request", "permission_ids", true, `,"app_id":"hub","justification":"x"`},
	{"submit_access_request", "access_length", true, `,"app_id":"hub","justification":"x","permission_ids":["read"]`},
	{"submit_access_request", "idempotency_key", false, `,"app_id":"hub","justification":"x","permission_ids":["read"]`},
	{"cancel_access_request", "request_id", true, ``},
	{"cancel_access_request", "idempotency_key", false, `,"request_id":"req-1"`},
	{"cancel_access_request", "reason", false, `,"request_id":"req-1"`},
}

// arguments puts a value in a place.
func (p place) arguments(t *testing.T, value string) string {
	t.Helper()
	text := string(mustEncode(t, value))
	switch p.member {
	case "permission_ids":
		text = "[" + text + "]"
	case "telemetry.intent":
		return fmt.Sprintf(`{"telemetry":{"intent":%s}%s}`, text, p.rest)
	}
	return fmt.Sprintf(`{"%s":%s%s}`, p.member, text, p.rest)
}

// harmless is a value that means nothing to anybody.
const harmless = "harmless"

// calm returns what is sent for a harmless value.
func (p place) calm(t *testing.T) *fake {
	t.Helper()
	set, calm := newSet(t)
	if got := run(t.Context(), set, p.tool, p.arguments(t, harmless)); got.Code != "" {
		t.Fatalf("%s %s takes no value: %+v", p.tool, p.member, got)
	}
	return calm
}

// inItsPlace compares what was sent for a value with what is sent for a harmless
// one: nothing but that value may differ.
func (p place) inItsPlace(t *testing.T, calm, f *fake, value string, sent []string) {
	t.Helper()
	var want []string
	for _, line := range calm.lines() {
		want = append(want, strings.ReplaceAll(line, harmless, url.QueryEscape(value)))
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("%s %s with %q (-want +sent):\n%s", p.tool, p.member, value, diff)
	}
	posts, bodies := f.posts(), calm.posts()
	if len(bodies) > 0 {
		wanted := strings.ReplaceAll(bodies[0], harmless, strings.Trim(string(mustEncode(t, value)), `"`))
		if diff := cmp.Diff(wanted, posts[len(posts)-1]); diff != "" {
			t.Errorf("%s %s with %q (-want +posted):\n%s", p.tool, p.member, value, diff)
		}
	}
}

// TestThePlacesAreAllThereAre holds the list against the published schemas.
func TestThePlacesAreAllThereAre(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t)
	var want, got []string
	for _, tool := range set.List() {
		schema := new(jsonschema.Schema)
		if err := json.Unmarshal(tool.InputSchema, schema); err != nil {
			t.Fatal(err)
		}
		var walk func(prefix string, s *jsonschema.Schema)
		walk = func(prefix string, s *jsonschema.Schema) {
			for name, p := range s.Properties {
				switch {
				case p.Type == "string", p.Type == "array" && p.Items.Type == "string":
					want = append(want, tool.Name+" "+prefix+name)
				case p.Type == "object":
					walk(prefix+name+".", p)
				}
			}
		}
		walk("", schema)
	}
	for _, p := range places {
		got = append(got, p.tool+" "+p.member)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("string arguments without a test (-schemas +tested):\n%s", diff)
	}
}

func TestNoArgumentLeavesItsPlace(t *testing.T) {
	t.Parallel()
	set, f := newSet(t) // refuses every request that is not documented
	for _, p := range places {
		var calm *fake
		if !p.id {
			calm = p.calm(t)
		}
		for _, in := range injections {
			before := len(f.lines())
			got := run(t.Context(), set, p.tool, p.arguments(t, in.value))
			sent := f.lines()[before:]
			if got.Code == "" && !p.id {
				p.inItsPlace(t, calm, f, in.value, sent)
			}
			switch {
			case p.id && !got.IsError:
				t.Errorf("%s %s took %s: %v", p.tool, p.member, in.name, sent)
			case got.Code == "invalid_arguments" && len(sent) > 0:
				t.Errorf("%s %s with %s was sent before it was checked: %v", p.tool, p.member, in.name, sent)
			case p.id && p.member != "access_length" && got.Code != "invalid_arguments":
				t.Errorf("%s %s with %s: %s", p.tool, p.member, in.name, got.Code)
			}
			if len(got.Text) > 1000 {
				t.Errorf("%s %s with %s is answered with %d bytes", p.tool, p.member, in.name, len(got.Text))
			}
			plain(t, p.tool, got)
		}
	}
	for _, body := range f.posts() {
		var sent map[string]any
		if err := json.Unmarshal([]byte(body), &sent); err != nil || sent["app_id"] != "hub" {
			t.Errorf("posted %s", body)
		}
	}
}

func TestArgumentsMustMatchTheSchema(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, tool, arguments string }{
		{"not an object", "search_apps", `[]`},
		{"null", "search_apps", `null`},
		{"nothing", "search_apps", ``},
		{"trailing data", "search_apps", `{}{}`},
		{"an unknown member", "search_apps", `{"all_visibilities":true}`},
		{"another case", "get_app", `{"App_ID":"hub"}`},
		{"a duplicate member", "get_app", `{"app_id":"hub","app_id":"wiki"}`},
		{"a duplicate by escape", "get_app", `{"app_id":"hub","app_\u0069d":"wiki"}`},
		{"a duplicate inside telemetry", "search_apps", `{"telemetry":{"intent":"a","intent":"b"}}`},
		{"invalid UTF-8", "search_apps", "{\"query\":\"\xff\"}"},
		{"a missing member", "get_app", `{}`},
		{"null in place of a value", "search_apps", `{"page":null}`},
		{"a string in place of a number", "search_apps", `{"page":"1"}`},
		{"a fraction", "search_apps", `{"page":1.5}`},
		{"page zero", "search_apps", `{"page":0}`},
		{"a negative page", "search_apps", `{"page":-1}`},
		{"a huge page", "search_apps", `{"page":1e300}`},
		{"a number that is none", "search_apps", `{"page":1e999999999}`},
		{"a page size over the limit", "search_apps", `{"page_size":51}`},
		{"an unknown state", "list_access_requests", `{"state":"OPEN"}`},
		{"no justification", "submit_access_request", `{"app_id":"hub"}`},
		{"an empty justification", "submit_access_request", `{"app_id":"hub","justification":""}`},
		{"a blank justification", "submit_access_request", `{"app_id":"hub","justification":" \n\t"}`},
		{"a long justification", "submit_access_request", `{"app_id":"hub","justification":"` + strings.Repeat("x", 2001) + `"}`},
		{"no permissions in the list", "submit_access_request", `{"app_id":"hub","justification":"x","permission_ids":[]}`},
		{"a permission twice", "submit_access_request", `{"app_id":"hub","justification":"x","permission_ids":["read","read"]}`},
		{"too many permissions", "submit_access_request", `{"app_id":"hub","justification":"x","permission_ids":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 21), ",") + `]}`},
		{"a request for another person", "submit_access_request", `{"app_id":"hub","justification":"x","target_user_id":"you"}`},
		{"a request by another person", "submit_access_request", `{"app_id":"hub","justification":"x","requester_user_id":"you"}`},
		{"an empty idempotency key", "submit_access_request", `{"app_id":"hub","justification":"x","idempotency_key":""}`},
		{"a long idempotency key", "submit_access_request", `{"app_id":"hub","justification":"x","idempotency_key":"` + strings.Repeat("k", 256) + `"}`},
		{"an idempotency key with a space", "submit_access_request", `{"app_id":"hub","justification":"x","idempotency_key":"a b"}`},
		{"an idempotency key beyond ASCII", "submit_access_request", `{"app_id":"hub","justification":"x","idempotency_key":"ключ"}`},
		{"an idempotency key of a read", "get_app", `{"app_id":"hub","idempotency_key":"k"}`},
		{"a long intent", "search_apps", `{"telemetry":{"intent":"` + strings.Repeat("x", 501) + `"}}`},
		{"more telemetry", "search_apps", `{"telemetry":{"intent":"x","user":"you"}}`},
		{"deep nesting", "search_apps", `{"query":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			got := run(t.Context(), set, tt.tool, tt.arguments)
			if !got.IsError || got.Code != "invalid_arguments" || len(f.lines()) != 0 {
				t.Errorf("result %+v after %v", got, f.lines())
			}
			plain(t, tt.tool, got)
			if want := map[bool]string{true: "failed_validation"}[tt.tool == "submit_access_request"]; got.WriteOutcome != want {
				t.Errorf("outcome %q, want %q", got.WriteOutcome, want)
			}
		})
	}
}

func TestTextArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	const prose = "On call: \"prod\" & <b>more</b>\n\t2nd line, äöü, 日本 👩‍💻 ../?x=#"
	set, f := newSet(t)
	got := run(t.Context(), set, submit, fmt.Sprintf(`{"app_id":"hub","permission_ids":["read"],"justification":%s}`, mustEncode(t, prose)))
	if got.WriteOutcome != "created" {
		t.Fatalf("result %+v", got)
	}
	var sent struct {
		Justification string `json:"business_justification"`
	}
	if err := json.Unmarshal([]byte(f.posts()[0]), &sent); err != nil || sent.Justification != prose {
		t.Errorf("posted %s", f.posts()[0])
	}
}

func FuzzArguments(f *testing.F) {
	set, backend := newSet(f) // fails on every request that is not documented
	tools := set.List()
	for i := range tools {
		f.Add(i, `{"app_id":"hub","justification":"x","permission_ids":["read"],"telemetry":{"intent":"x"}}`)
		f.Add(i, `{"request_id":"req-1","reason":"x"}`)
		f.Add(i, `{"query":"../%2e","page":2}`)
		f.Add(i, `{"page":1e999,"state":"all","exact":1.0}`)
		f.Add(i, `{"page":2.0,"page_size":250e-1}`)
	}
	f.Fuzz(func(t *testing.T, i int, arguments string) {
		tool := tools[(i%len(tools)+len(tools))%len(tools)].Name
		before := len(backend.lines())
		got := run(t.Context(), set, tool, arguments)
		if got.IsError == (got.Code == "") || got.IsError == (got.Structured != nil) || got.IsError && got.Text == "" {
			t.Fatalf("%s %s: %+v", tool, arguments, got)
		}
		if got.Code == "invalid_arguments" && len(backend.lines()) != before {
			t.Fatalf("%s %s was sent before it was checked", tool, arguments)
		}
		plain(t, tool+" "+arguments, got)
		if !got.IsError {
			conforms(t, set, tool, got.Structured)
		}
	})
}

func BenchmarkCall(b *testing.B) {
	for _, bench := range []struct{ name, tool, arguments string }{
		{"refused arguments", "get_app", `{"app_id":"../x"}`},
		{"search_apps", "search_apps", `{"query":"hub","page_size":25}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			set, err := appstore.New(appstore.Config{Backend: canned{}, Ledger: newLedger()})
			if err != nil {
				b.Fatal(err)
			}
			call := &toolset.Call{Tool: bench.tool, Arguments: []byte(bench.arguments), Principal: principal(), RequestID: "txn-1"}
			b.ReportAllocs()
			for b.Loop() {
				set.Call(context.Background(), call)
			}
		})
	}
}

func TestTheLongestValidArgumentsFit(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	escaped := func(n int) string { return strings.Repeat(`\ud83d\ude00`, n) }
	got := run(t.Context(), set, submit, fmt.Sprintf(`{"app_id":"hub","permission_ids":["read"],"justification":"%s","telemetry":{"intent":"%s"}}`, escaped(2000), escaped(500)))
	if got.WriteOutcome != "created" || len(f.posts()) != 1 {
		t.Errorf("result %+v", got)
	}
}
