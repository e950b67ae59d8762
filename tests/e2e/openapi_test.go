package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// openAPIToolset is a toolset that is made of the backend's own description.
const openAPIToolset = `		toolset openapi %s {
			title "Apps by document"
			scope appstore:read "Look at apps and requests"
			scope appstore:request "Ask for access and call it off"
			tool list_apps {
				operation getAppStoreApps
				scope appstore:read
				permission appstore.apps.view
			}
			tool get_app {
				operation GET /appstore/apps/{app_id}
				scope appstore:read
				permission appstore.apps.view
			}
			tool get_request {
				operation getAccessRequest
				scope appstore:read
				permission appstore.requests.view
			}
			tool submit_request {
				operation createAccessRequest
				scope appstore:request
				permission appstore.requests.create
				write
			}
			tool cancel_request {
				operation cancelAccessRequest
				scope appstore:request
				permission appstore.requests.cancel
				write
			}
			tool delete_permission {
				operation deleteRequestablePermission
				scope appstore:request
				permission appstore.catalog.change
				write
			}
		}
`

func TestAToolsetIsMadeOfAnOpenAPIDocument(t *testing.T) {
	document := filepath.Join(gateway.Root(), "docs", "lumos-appstore.openapi.json")
	root := filepath.Join(gateway.Root(), "Caddyfile")
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, root, "\t\ttoolset appstore\n", fmt.Sprintf(openAPIToolset, document)))
	a := register(t, g)

	person := newRobot(g.Stack, "member")
	var pages []string
	person.OnPage = func(p *robot.Page) { pages = append(pages, p.Text()) }
	tokens, err := a.Connect(t.Context(), person, "appstore:read appstore:request")
	if err != nil {
		t.Fatal(err)
	}
	if shown := strings.Join(pages, "\n"); !strings.Contains(shown, "Look at apps and requests") || !strings.Contains(shown, "Ask for access and call it off") {
		t.Errorf("the consent page does not have the declared words:\n%s", shown)
	}
	answer, err := g.Stack.Client().Get(strings.Replace(g.Stack.Resource, stack.ResourcePath, "/.well-known/oauth-protected-resource"+stack.ResourcePath, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var published struct {
		Name   string   `json:"resource_name"`
		Scopes []string `json:"scopes_supported"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&published); err != nil {
		t.Fatal(err)
	}
	if published.Name != "Apps by document" || !slices.Equal(published.Scopes, []string{"appstore:read", "appstore:request"}) {
		t.Errorf("the metadata says %+v", published)
	}

	// What the person's role does not allow is not listed, and refused by name.
	var listed struct {
		Result struct {
			Tools []struct {
				Name string `json:"name"`
			} `json:"tools"`
		} `json:"result"`
	}
	list := must[assistant.Answer](t)(a.MCP(t.Context(), tokens.AccessToken, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err := json.Unmarshal(list.Body, &listed); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range listed.Result.Tools {
		names = append(names, tool.Name)
	}
	if want := []string{"list_apps", "get_app", "get_request", "submit_request", "cancel_request"}; !slices.Equal(names, want) {
		t.Errorf("tools %q, want %q", names, want)
	}
	type result struct {
		failed    bool
		raw, text string
	}
	call := func(tool, arguments string) result {
		t.Helper()
		r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, tool, arguments))
		if r.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", tool, r.Status, r.Body)
		}
		got := result{failed: r.Result.IsError, raw: string(r.Result.StructuredContent)}
		for _, c := range r.Result.Content {
			got.text += c.Text
		}
		return got
	}
	if r := call("delete_permission", `{"permission_id":"x"}`); !r.failed || !strings.Contains(r.text, "Your role does not allow this") {
		t.Errorf("a tool beyond the role: %+v", r)
	}

	apps := call("list_apps", `{"name_search":"Brightloom Wiki","size":5}`)
	if apps.failed || strings.Contains(apps.raw, "popularity") { // the backend says it, the document does not
		t.Fatalf("%+v", apps)
	}
	var page struct {
		Items []struct {
			ID    string `json:"id"`
			Label string `json:"user_friendly_label"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(apps.raw), &page); err != nil || len(page.Items) == 0 {
		t.Fatalf("%v: %s", err, apps.raw)
	}
	app := page.Items[0]
	if r := call("get_app", `{"app_id":"`+app.ID+`"}`); r.failed || !strings.Contains(r.raw, app.Label) {
		t.Errorf("%+v", r)
	}
	if r := call("get_app", `{"app_id":"../../users/current"}`); !r.failed || !strings.Contains(r.text, "app_id must be an id") {
		t.Errorf("an id that leaves its place: %+v", r)
	}

	before := g.Stack.Backend.CountPOST()
	made := call("submit_request", `{"app_id":"`+app.ID+`","business_justification":"On call this week","telemetry":{"intent":"to fix the build"}}`)
	var requests struct {
		Result []struct {
			ID    string `json:"id"`
			AppID string `json:"app_id"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(made.raw), &requests); err != nil || len(requests.Result) != 1 || requests.Result[0].AppID != app.ID {
		t.Fatalf("%v: %+v", err, made)
	}
	if n := g.Stack.Backend.CountPOST() - before; n != 1 {
		t.Errorf("%d requests were posted", n)
	}
	id := requests.Result[0].ID
	if r := call("cancel_request", `{"id":"`+id+`","reason":"not needed"}`); r.failed {
		t.Errorf("%+v", r)
	}
	if r := call("get_request", `{"id":"`+id+`"}`); r.failed || !strings.Contains(r.raw, `"CANCELLED"`) {
		t.Errorf("%+v", r)
	}
	for _, want := range []map[string]any{
		{"event_name": "tool_invoked", "tool_name": "submit_request"},
		{"event_name": "write_outcome", "tool_name": "submit_request", "write_outcome": "created", "target_resource_id": id},
		{"event_name": "write_outcome", "tool_name": "cancel_request", "write_outcome": "updated", "target_resource_id": id},
		{"event_name": "authorization_failed", "tool_name": "delete_permission", "reason": "role/no_permission"},
	} {
		if !audited(g, want) {
			t.Errorf("no audit line has %v in:\n%s", want, strings.Join(g.AuditLines(), "\n"))
		}
	}
}

func TestABackendWithoutADirectoryIsToldTheAddress(t *testing.T) {
	document := filepath.Join(gateway.Root(), "docs", "lumos-appstore.openapi.json")
	root := filepath.Join(gateway.Root(), "Caddyfile")
	toolset := strings.Replace(fmt.Sprintf(openAPIToolset, document), "\t\t\ttitle ", "\t\t\tdirectory none\n\t\t\ttitle ", 1)
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, root, "\t\ttoolset appstore\n", toolset))
	a := register(t, g)
	tokens := connect(t, g, a, "member", "appstore:read")
	if n := len(g.Stack.Backend.Requests()); n != 0 {
		t.Errorf("the backend was asked %d times before consent", n)
	}
	r := must[assistant.CallResult](t)(a.Call(t.Context(), tokens.AccessToken, "list_apps", `{"size":1}`))
	if r.Status != http.StatusOK || r.Result.IsError {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	seen := g.Stack.Backend.Requests()
	if len(seen) != 1 || seen[0].Subject != "email:"+g.Stack.User("member").Email {
		t.Errorf("the backend saw %+v", seen)
	}
}
