package appstore_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares got with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	v := jsontext.Value(slices.Clone(got))
	if err := v.Indent(); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	pretty := append([]byte(v), '\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(pretty)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// conforms checks a result against the tool's output schema.
func conforms(tb testing.TB, set *appstore.Set, tool string, structured []byte) {
	tb.Helper()
	i := slices.IndexFunc(set.List(), func(t toolset.Tool) bool { return t.Name == tool })
	schema := new(jsonschema.Schema)
	if err := json.Unmarshal(set.List()[i].OutputSchema, schema); err != nil {
		tb.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		tb.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(structured, &instance); err != nil {
		tb.Fatalf("%v in %s", err, structured)
	}
	if err := resolved.Validate(instance); err != nil {
		tb.Errorf("the output of %s does not match its schema: %v", tool, err)
	}
}

func TestEachToolSendsTheDocumentedRequestsAndReturnsWhatItsSchemaSays(t *testing.T) {
	t.Parallel()
	const telemetry = `"telemetry":{"intent":"Get Ada to work"}`
	permissions := "GET /appstore/requestable_permissions?app_id=hub&in_app_store=true&page=1&size=100"
	openRequests := "GET /appstore/access_requests?target_user_id=me&statuses=PENDING&statuses=PENDING_MANAGER_APPROVAL&statuses=MANAGER_APPROVED" +
		"&statuses=PENDING_APPROVAL&statuses=PENDING_PROVISIONING&statuses=PENDING_MANUAL_PROVISIONING&sort=DESC"
	tests := []struct {
		tool, arguments string
		want            []string
		result          toolset.Result // without Structured
	}{
		{
			"search_apps", `{"query":"code & hub","exact":true,"page":2,"page_size":10,` + telemetry + `}`,
			[]string{"GET /appstore/apps?name_search=code+%26+hub&exact_match=true&page=2&size=10"}, toolset.Result{},
		},
		{
			"get_app", `{"app_id":"hub",` + telemetry + `}`,
			[]string{"GET /appstore/apps/hub", "GET /appstore/apps/hub/settings"}, toolset.Result{TargetResourceID: "hub"},
		},
		{
			"list_requestable_permissions", `{"app_id":"hub","query":"re",` + telemetry + `}`,
			[]string{"GET /appstore/requestable_permissions?app_id=hub&in_app_store=true&search_term=re&page=1&size=50"},
			toolset.Result{TargetResourceID: "hub"},
		},
		{
			"list_access_requests", `{"state":"granted",` + telemetry + `}`,
			[]string{"GET /appstore/access_requests?target_user_id=me&statuses=APPROVED&statuses=PROVISIONED&statuses=COMPLETED&sort=DESC&page=1&size=25"},
			toolset.Result{},
		},
		{
			"get_access_request", `{"request_id":"req-1","include_tasks":true,` + telemetry + `}`,
			[]string{"GET /appstore/access_requests/req-1?expand=custom_fields&expand=tasks"}, toolset.Result{TargetResourceID: "req-1"},
		},
		{
			"submit_access_request", `{"app_id":"hub","justification":"On call","permission_ids":["read"],"access_length":"7 DAYS",` + telemetry + `}`,
			[]string{"GET /appstore/apps/hub/settings", permissions, openRequests + "&page=1&size=100", "POST /appstore/access_request"},
			toolset.Result{TargetResourceID: "req-9", WriteOutcome: "created"},
		},
		{
			"cancel_access_request", `{"request_id":"req-1","reason":"no longer needed",` + telemetry + `}`,
			[]string{"GET /appstore/access_requests/req-1", "DELETE /appstore/access_requests/req-1?reason=no+longer+needed"},
			toolset.Result{TargetResourceID: "req-1", WriteOutcome: "updated"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.tool, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/access_requests", page(accessRequest("req-2", "me", "other", "APPROVED", "read"), accessRequest("req-3", "someone", "hub", "APPROVED")))
			got := run(t.Context(), set, tt.tool, tt.arguments)
			if got.IsError {
				t.Fatalf("%s: %s", got.Code, got.Text)
			}
			if diff := cmp.Diff(tt.want, f.lines()); diff != "" {
				t.Errorf("requests differ (-want +got):\n%s", diff)
			}
			conforms(t, set, tt.tool, got.Structured)
			golden(t, tt.tool, got.Structured)
			got.Structured = nil
			tt.result.Intent = "Get Ada to work"
			if diff := cmp.Diff(tt.result, got); diff != "" {
				t.Errorf("result differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheListIsWhatClientsArePromised(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t)
	golden(t, "tools", mustEncode(t, set.List()))
	type row struct {
		Name string
		Need mcpbridge.Need
		Note toolset.Annotations
	}
	read := toolset.Annotations{ReadOnly: true, Idempotent: true}
	apps := mcpbridge.Need{Scope: "appstore:read", Permission: "appstore.apps.view"}
	requests := mcpbridge.Need{Scope: "appstore:read", Permission: "appstore.requests.view"}
	want := []row{
		{"search_apps", apps, read},
		{"get_app", apps, read},
		{"list_requestable_permissions", apps, read},
		{"list_access_requests", requests, read},
		{"get_access_request", requests, read},
		{"submit_access_request", mcpbridge.Need{Scope: "appstore:request", Permission: "appstore.requests.create", Write: true}, toolset.Annotations{}},
		{
			"cancel_access_request", mcpbridge.Need{Scope: "appstore:request", Permission: "appstore.requests.cancel", Write: true},
			toolset.Annotations{Destructive: true, Idempotent: true},
		},
	}
	var got []row
	for _, tool := range set.List() {
		got = append(got, row{tool.Name, tool.Need, tool.Annotations})
		if tool.Title == "" || len(tool.Description) < 80 {
			t.Errorf("%s is not described", tool.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tools differ (-want +got):\n%s", diff)
	}
}

func TestEveryStringAndArrayOfAnInputIsBoundedAndNoObjectIsOpen(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t)
	var check func(tool, place string, s *jsonschema.Schema)
	check = func(tool, place string, s *jsonschema.Schema) {
		switch s.Type {
		case "string":
			if s.MaxLength == nil && s.Enum == nil {
				t.Errorf("%s %s has no maxLength", tool, place)
			}
		case "integer":
			if s.Minimum == nil || s.Maximum == nil {
				t.Errorf("%s %s has no bounds", tool, place)
			}
		case "array":
			if s.MaxItems == nil {
				t.Errorf("%s %s has no maxItems", tool, place)
			}
			check(tool, place+"[]", s.Items)
		case "object":
			if s.AdditionalProperties == nil || s.AdditionalProperties.Not == nil {
				t.Errorf("%s %s is open", tool, place)
			}
			for name, p := range s.Properties {
				check(tool, place+"."+name, p)
			}
		case "boolean":
		default:
			t.Errorf("%s %s has type %q", tool, place, s.Type)
		}
	}
	for _, tool := range set.List() {
		s := new(jsonschema.Schema)
		if err := json.Unmarshal(tool.InputSchema, s); err != nil {
			t.Fatal(err)
		}
		check(tool.Name, "", s)
		if s.Properties["telemetry"] == nil || *s.Properties["telemetry"].Properties["intent"].MaxLength != 500 {
			t.Errorf("%s takes no telemetry", tool.Name)
		}
	}
}

func TestScopesReachWhatToolsNeed(t *testing.T) {
	t.Parallel()
	set, _ := newSet(t)
	reach := make(map[string][]string)
	for _, s := range appstore.Scopes() {
		reach[s.Name] = s.Permissions
		if s.Title == "" {
			t.Errorf("%s has no words for people", s.Name)
		}
	}
	for _, tool := range set.List() {
		if !slices.Contains(reach[tool.Need.Scope], tool.Need.Permission) {
			t.Errorf("%s needs %s, which %s does not reach", tool.Name, tool.Need.Permission, tool.Need.Scope)
		}
	}
	want := []string{"appstore.apps.view", "appstore.requests.cancel", "appstore.requests.create", "appstore.requests.view"}
	if diff := cmp.Diff(want, appstore.Permissions()); diff != "" {
		t.Errorf("permissions differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"appstore:read", "appstore:request"}, appstore.InitialScopes()); diff != "" {
		t.Errorf("initial scopes differ (-want +got):\n%s", diff)
	}
}

func TestUnknownToolsAndConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	for _, name := range []string{"", "Search_Apps", "search_apps ", "delete_everything"} {
		if got := run(t.Context(), set, name, `{}`); !got.IsError || got.Code != "unknown_tool" {
			t.Errorf("tool %q: %+v", name, got)
		}
	}
	if got := set.Call(t.Context(), &toolset.Call{Tool: "search_apps", Arguments: []byte(`{}`)}); got.Code != "internal_error" {
		t.Errorf("without principal: %+v", got)
	}
	if len(f.lines()) != 0 {
		t.Errorf("sent %v", f.lines())
	}
	if _, err := appstore.New(appstore.Config{}); err == nil {
		t.Error("New without backend")
	}
}

func TestWhatTheBackendWroteIsCleanInTheResult(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	long := strings.Repeat("x", 100_000)
	f.on("GET /appstore/apps", page(strings.NewReplacer("Where the code is.", long, "https://hub.example/", "javascript:alert(1)").Replace(hub)))
	got := run(t.Context(), set, "search_apps", `{}`)
	conforms(t, set, "search_apps", got.Structured)
	if len(got.Structured) > 2000 {
		t.Errorf("result has %d bytes", len(got.Structured))
	}
	if regexp.MustCompile(`javascript|\\u0000|\x{202e}`).Match(got.Structured) {
		t.Errorf("result is %s", got.Structured)
	}
}

func mustEncode(tb testing.TB, v any) []byte {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}
