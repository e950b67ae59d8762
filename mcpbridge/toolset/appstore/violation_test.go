package appstore_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// refused is what a refusal of arguments says, without what all of them say.
func refused(tb testing.TB, got toolset.Result) string {
	tb.Helper()
	const before, after = "The arguments do not match the tool's schema: ", ". Nothing was done. Correct them and call again."
	text, ok := strings.CutPrefix(got.Text, before)
	text, end := strings.CutSuffix(text, after)
	if got.Code != "invalid_arguments" || !ok || !end {
		tb.Fatalf("result %+v", got)
	}
	return text
}

// internals are words of Go, of the schema language and of regular expressions,
// and the sentence for what has no sentence of its own.
var internals = regexp.MustCompile(`reflect|invalid Value|validating|minimum|maximum|minLength|maxLength|uniqueItems|additional|enum|pattern|json:|/1 |\^|\\x|the form that the schema asks for`)

// plain fails on a refusal of arguments whose words are not ours.
func plain(tb testing.TB, what string, got toolset.Result) {
	tb.Helper()
	if got.Code != "invalid_arguments" {
		return
	}
	text := refused(tb, got)
	// The name of an unknown argument is the caller's, and may be any word.
	if rest, unknown := strings.CutPrefix(text, "there is no argument "); unknown {
		text = rest[strings.LastIndex(rest, "; allowed here: "):]
	}
	if found := internals.FindString(text); found != "" {
		tb.Errorf("%s is answered with %q: %s", what, found, got.Text)
	}
}

func TestARefusalNamesTheArgumentWhatIsAllowedAndWhatWasWrong(t *testing.T) {
	t.Parallel()
	const (
		pageRange = "page must be a whole number from 1 to 10000; it is "
		anID      = "an id of at most 128 characters out of A-Z a-z 0-9 . _ ~ - that does not start with . or ~"
		aLine     = "text of 1 to 200 characters on one line, without control characters"
		prose     = "text of 1 to 2000 characters, at least one of them visible, without control characters other than tabs and line breaks"
		someIDs   = "permission_ids must be a list of 1 to 20 entries, no two the same; it is "
	)
	ids := func(list string) string {
		return `{"app_id":"hub","justification":"x","permission_ids":` + list + `}`
	}
	because := func(text string) string { return `{"app_id":"hub","justification":"` + text + `"}` }
	tests := []struct{ name, tool, arguments, want string }{
		{"a number below the range", "search_apps", `{"page":0}`, pageRange + "0"},
		{"a number below zero", "search_apps", `{"page":-1}`, pageRange + "-1"},
		{"a number above the range", "search_apps", `{"page":10001}`, pageRange + "10001"},
		{"a huge number is not written out", "search_apps", `{"page":1e30}`, pageRange + "a number far out of that range"},
		{"a number beyond a float64", "search_apps", `{"page":1e999}`, pageRange + "a number far out of that range"},
		{"a number beyond a float64 below zero", "search_apps", `{"page":-1e999}`, pageRange + "a number far out of that range"},
		{"a fraction", "search_apps", `{"page":1.5}`, pageRange + "1.5"},
		{"text for a number", "search_apps", `{"page":"1"}`, pageRange + "text"},
		{"null for a number", "search_apps", `{"page":null}`, pageRange + "null"},
		{"a truth value for a number", "search_apps", `{"page":true}`, pageRange + "true"},
		{"text for a truth value", "search_apps", `{"exact":"true"}`, "exact must be true or false; it is text"},
		{"a number for a truth value", "search_apps", `{"exact":1}`, "exact must be true or false; it is a number"},
		{"null for an id", "get_app", `{"app_id":null}`, "app_id must be " + anID + "; it is null"},
		{"an id with a slash", "get_app", `{"app_id":"../x"}`, "app_id must be " + anID + "; it is not of that form"},
		{"an empty id", "get_app", `{"app_id":""}`, "app_id must be " + anID + "; it is empty"},
		{"a long id", "get_app", `{"app_id":"` + strings.Repeat("a", 129) + `"}`, "app_id must be " + anID + "; it is 129 characters long"},
		{"a missing argument", "get_app", `{}`, "app_id is missing; it must be " + anID},
		{"an empty line", "search_apps", `{"query":""}`, "query must be " + aLine + "; it is empty"},
		{"two lines for one", "search_apps", `{"query":"a\nb"}`, "query must be " + aLine + "; it is more than one line or has a control character"},
		{"length is counted in characters", "search_apps", `{"query":"` + strings.Repeat("ä", 201) + `"}`, "query must be " + aLine + "; it is 201 characters long"},
		{"blank prose", "submit_access_request", because(` \n`), "justification must be " + prose + "; it is blank or has another control character"},
		{"empty prose", "submit_access_request", because(``), "justification must be " + prose + "; it is empty"},
		{"a choice that is none", "list_access_requests", `{"state":"OPEN"}`, `state must be one of "open", "granted", "refused", "ended" or "all"; it is another text`},
		{"a list for text", "search_apps", `{"query":[["deep"]]}`, "query must be " + aLine + "; it is a list"},
		{"an object for text", "search_apps", `{"query":{}}`, "query must be " + aLine + "; it is an object"},
		{"an empty list", "submit_access_request", ids(`[]`), someIDs + "empty"},
		{"a long list", "submit_access_request", ids(`["a"` + strings.Repeat(`,"a"`, 20) + `]`), someIDs + "a list of 21"},
		{"text for a list", "submit_access_request", ids(`"read"`), someIDs + "text"},
		{"an entry that is no id", "submit_access_request", ids(`["read",".."]`), "permission_ids[1] must be " + anID + "; it is not of that form"},
		{"an entry of another type", "submit_access_request", ids(`["read",[]]`), "permission_ids[1] must be " + anID + "; it is a list"},
		{"an entry twice", "submit_access_request", ids(`["read","write","read"]`), "permission_ids[2] must differ from the others; it is the same as permission_ids[0]"},
		{"a nested argument has its full path", "search_apps", `{"telemetry":{"intent":1e999}}`, "telemetry.intent must be text of at most 500 characters; it is a number"},
		{"a list for an object", "search_apps", `{"telemetry":[]}`, "telemetry must be a JSON object; it is a list"},
		{"an unknown argument", "get_app", `{"name":"hub"}`, `there is no argument "name"; allowed here: app_id and telemetry`},
		{"a misspelt argument is not said to be missing", "get_app", `{"App_ID":"hub"}`, `there is no argument "App_ID"; allowed here: app_id and telemetry`},
		{"an unknown nested argument", "search_apps", `{"telemetry":{"user":"x"}}`, `there is no argument "telemetry.user"; allowed here: telemetry.intent`},
		{"what is hidden in a name is not repeated", "get_app", `{"a\u202e\u0000\nb\"":1}`, `there is no argument "a b\""; allowed here: app_id and telemetry`},
		{"a long name is cut", "get_app", `{"` + strings.Repeat("n", 1000) + `":1}`, `there is no argument "` + strings.Repeat("n", 63) + `…"; allowed here: app_id and telemetry`},
		{"the first of several, by name", "search_apps", `{"query":1,"page":0,"exact":1}`, "exact must be true or false; it is a number"},
		{"what is no object", "search_apps", `[]`, "the whole of the arguments must be a JSON object; it is a list"},
		{"what is no JSON", "search_apps", `{"page":01}`, "the arguments are not one JSON object with unique names in valid UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			got := run(t.Context(), set, tt.tool, tt.arguments)
			if diff := cmp.Diff(tt.want, refused(t, got)); diff != "" {
				t.Errorf("text differs (-want +got):\n%s", diff)
			}
			if len(f.lines()) != 0 {
				t.Errorf("sent %v", f.lines())
			}
		})
	}
}

// TestEveryArgumentIsDescribedInWords gives null to each argument of each tool:
// none of them allows it, so the answers are all that is said about arguments.
func TestEveryArgumentIsDescribedInWords(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t)
	said := make(map[string]map[string]string)
	for _, tool := range set.List() {
		schema := new(jsonschema.Schema)
		if err := json.Unmarshal(tool.InputSchema, schema); err != nil {
			t.Fatal(err)
		}
		said[tool.Name] = make(map[string]string)
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			members := map[string]any{"app_id": "hub", "request_id": "req-1", "justification": "x"}
			maps.DeleteFunc(members, func(name string, _ any) bool { return schema.Properties[name] == nil })
			members[name] = nil
			got := run(t.Context(), set, tool.Name, string(mustEncode(t, members)))
			plain(t, tool.Name+" "+name, got)
			said[tool.Name][name] = refused(t, got)
		}
	}
	encoded, err := json.Marshal(said, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "violations", encoded)
}

func TestAnIntegerMayBeWrittenAsAFloat(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"2", "2.0", "2.00", "2e0", "20e-1", "0.2E1", "2.0e+0"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			got := run(t.Context(), set, "search_apps", `{"page":`+page+`,"page_size":1.0}`)
			if got.IsError {
				t.Fatalf("result %+v", got)
			}
			if diff := cmp.Diff([]string{"GET /appstore/apps?page=2&size=1"}, f.lines()); diff != "" {
				t.Errorf("requests differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEmptyPageIsToldFromAnEmptyList(t *testing.T) {
	t.Parallel()
	const (
		past   = "There is nothing on this page: the results end before it. Ask for an earlier page; the first is 1."
		hidden = "Nothing on this page can be shown. More results: page 3."
		first  = "Nothing on this page can be shown. More results: page 2."
	)
	empty := func(total, pages int) reply {
		return reply{body: fmt.Sprintf(`{"items":[],"total":%d,"page":2,"size":25,"pages":%d}`, total, pages)}
	}
	tests := []struct {
		name, tool, arguments, line string
		reply                       reply
		want                        string
	}{
		{"apps past the end", "search_apps", `{"page":10000}`, "GET /appstore/apps", empty(3, 1), past},
		{"apps that cannot be shown, with more to come", "search_apps", `{"page":2}`, "GET /appstore/apps", empty(70, 3), hidden},
		{"a first page that cannot be shown, with more apps to come", "search_apps", `{}`, "GET /appstore/apps", empty(70, 3), first},
		{"a first page that cannot be shown, with more permissions to come", "list_requestable_permissions", `{"app_id":"hub"}`, "GET /appstore/requestable_permissions", empty(150, 3), first},
		{"a first page of others only, with more requests to come", "list_access_requests", `{}`, "GET /appstore/access_requests", empty(70, 3), first},
		{"no app at all", "search_apps", `{}`, "GET /appstore/apps", empty(0, 0), "No app matches. Try a shorter part of the name, or leave query out to list all apps."},
		{"permissions past the end", "list_requestable_permissions", `{"app_id":"hub","page":2}`, "GET /appstore/requestable_permissions", empty(3, 1), past},
		{"permissions that cannot be shown, with more to come", "list_requestable_permissions", `{"app_id":"hub","page":2}`, "GET /appstore/requestable_permissions", empty(150, 3), hidden},
		{
			"no permission at all", "list_requestable_permissions", `{"app_id":"hub"}`, "GET /appstore/requestable_permissions", empty(0, 0),
			"This app has no permissions to choose. Call submit_access_request without permission_ids.",
		},
		{"requests past the end", "list_access_requests", `{"page":2}`, "GET /appstore/access_requests", empty(3, 1), past},
		{"requests for one app past the end", "list_access_requests", `{"app_id":"hub","page":2}`, "GET /appstore/access_requests", empty(0, 0), past},
		{"requests of others only, with more to come", "list_access_requests", `{"page":2}`, "GET /appstore/access_requests", empty(70, 3), hidden},
		{"no request at all", "list_access_requests", `{"state":"all"}`, "GET /appstore/access_requests", empty(0, 0), "The user has no such access requests."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on(tt.line, tt.reply)
			got := run(t.Context(), set, tt.tool, tt.arguments)
			var v struct {
				NextStep string `json:"next_step"`
			}
			if err := json.Unmarshal(got.Structured, &v); err != nil {
				t.Fatalf("%v in %+v", err, got)
			}
			conforms(t, set, tt.tool, got.Structured)
			if diff := cmp.Diff(tt.want, v.NextStep); diff != "" {
				t.Errorf("next step differs (-want +got):\n%s", diff)
			}
		})
	}
}
