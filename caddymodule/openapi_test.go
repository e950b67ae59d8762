package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/authorize"
)

// smallDocument has one operation, which the backend of these tests answers.
const smallDocument = `openapi: 3.1.0
info: {title: Apps}
paths:
  /appstore/apps:
    get:
      operationId: listApps
      description: %s
      parameters: [{name: name_search, in: query}]
      responses: {200: {content: {application/json: {schema: {type: object, properties: {total: {type: integer}}}}}}}
`

// openAPI returns a Caddyfile whose bridge offers that operation, under a role
// that allows the given permissions. The bridge stands behind the role.
func (g *gateway) openAPI(document, permission, allow string) string {
	g.t.Helper()
	if document != "" {
		if err := os.WriteFile(g.path("apps.yaml"), []byte(document), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	block := fmt.Sprintf(`toolset openapi %s {
			scope appstore:read "Look at apps"
			tool list_apps {
				operation listApps
				scope appstore:read
				permission %s
			}
		}`, g.path("apps.yaml"), permission)
	return strings.NewReplacer("toolset appstore", block, "allow *", "allow "+allow).Replace(g.caddyfile(policyOf{}))
}

func (g *gateway) callTool(token, body string) (int, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.resource, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	status, answer, err := g.do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	return status, answer
}

func TestARoleMayAllowWhatADocumentDeclares(t *testing.T) {
	g := newGateway(t)
	document := fmt.Sprintf(smallDocument, "Lists apps.")
	if err := validate(t, g.openAPI(document, "apps.list", "apps.list appstore.requests.view")); err != nil {
		t.Errorf("what the bridge declares is refused: %v", err)
	}
	err := validate(t, g.openAPI(document, "apps.list", "apps.lst"))
	if err == nil || !strings.Contains(err.Error(), `domain demo.example, role member: unknown permission "apps.lst": did you mean apps.list?`) {
		t.Errorf("what nothing declares: %v", err)
	}
	if err := validate(t, g.openAPI(document, "apps.list", "other.things.view")); err == nil || !strings.Contains(err.Error(), "unknown permission") {
		t.Errorf("what nothing declares: %v", err)
	}
}

// TestStartRefusesAnUnknownPermissionByItself is for the day on which Caddy no
// longer shows the configuration to its apps.
func TestStartRefusesAnUnknownPermissionByItself(t *testing.T) {
	g := newGateway(t)
	if err := g.load(g.openAPI(fmt.Sprintf(smallDocument, "Lists apps."), "apps.list", "apps.list")); err != nil {
		t.Fatal(err)
	}
	app := g.app()
	if err := app.checkPermissions(app.declaredPermissions()); err != nil {
		t.Errorf("what the bridges declare: %v", err)
	}
	app.Domains[0].Roles[0].Allow = []string{"apps.other"}
	if err := app.checkPermissions(app.declaredPermissions()); err == nil {
		t.Error("what no bridge declares was accepted")
	}
}

func TestToolsOfADocumentAreServedAndAChangeIsAudited(t *testing.T) {
	g := newGateway(t)
	if err := g.load(g.openAPI(fmt.Sprintf(smallDocument, "Lists apps."), "appstore.apps.view", "*")); err != nil {
		t.Fatal(err)
	}
	token := g.token()
	const list, call = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_apps","arguments":{"name_search":"x"}}}`
	if status, answer := g.callTool(token, list); status != 200 || !strings.Contains(answer, "Lists apps.") || !strings.Contains(answer, `"list_apps"`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := g.callTool(token, call); status != 200 || !strings.Contains(answer, `"structuredContent":{"total":0}`) {
		t.Errorf("%d %s", status, answer)
	}
	if err := g.load(g.openAPI(fmt.Sprintf(smallDocument, "Says something else."), "appstore.apps.view", "*")); err != nil {
		t.Fatal(err)
	}
	if status, answer := g.callTool(token, list); status != 200 || !strings.Contains(answer, "Says something else.") {
		t.Errorf("after the reload: %d %s", status, answer)
	}
	prints := regexp.MustCompile(`sha256 [0-9a-f]{64}`).FindAllString(g.audit(), -1)
	if len(prints) != 2 || prints[0] == prints[1] {
		t.Errorf("the audit trail tells the two apart by %q", prints)
	}
	// A document that became unusable changes nothing that is in service.
	if err := g.load(g.openAPI("openapi: 3.1.0\npaths: {}\n", "appstore.apps.view", "*")); err == nil || !strings.Contains(err.Error(), "no operations") {
		t.Errorf("%v", err)
	}
	if status, _ := g.callTool(token, call); status != 200 {
		t.Errorf("after a refused reload: %d", status)
	}
}

func TestADocumentInAConfigurationOfJSONIsRefusedWithTheRemedy(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/apps.yaml"
	if err := os.WriteFile(file, []byte(fmt.Sprintf(smallDocument, "Lists apps.")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_DOCUMENT", file)
	tool := func(change func(map[string]any)) map[string]any {
		made := map[string]any{"name": "list_apps", "operation": "listApps", "scope": "a:b", "permission": "a.b"}
		block := map[string]any{"file": file, "scopes": []any{map[string]any{"name": "a:b", "title": "Do"}}, "tools": []any{made}, "tool": made}
		change(block)
		delete(block, "tool")
		return block
	}
	of := func(block map[string]any) map[string]any { return block["tool"].(map[string]any) }
	for name, test := range map[string]struct {
		toolset string
		block   map[string]any
		want    string
	}{
		"a document":                     {"openapi", tool(func(map[string]any) {}), ""},
		"a document by a placeholder":    {"openapi", tool(func(b map[string]any) { b["file"] = "{env.TEST_DOCUMENT}" }), ""},
		"no block":                       {"openapi", nil, "needs a file and a block of tools"},
		"a block of another toolset":     {"appstore", tool(func(map[string]any) {}), "belongs to the toolset openapi"},
		"no file":                        {"openapi", tool(func(b map[string]any) { b["file"] = "" }), "needs the file"},
		"a file that is not there":       {"openapi", tool(func(b map[string]any) { b["file"] = "/nowhere/a.json" }), "cannot be read"},
		"a directory for a file":         {"openapi", tool(func(b map[string]any) { b["file"] = dir }), "is not a file"},
		"an unknown field":               {"openapi", tool(func(b map[string]any) { b["base_url"] = "x" }), "base_url"},
		"an unknown directory":           {"openapi", tool(func(b map[string]any) { b["directory"] = "off" }), "want ask or none"},
		"a write that only reads":        {"openapi", tool(func(b map[string]any) { of(b)["write"] = true }), "remove write"},
		"a scope that is not declared":   {"openapi", tool(func(b map[string]any) { of(b)["scope"] = "a:c" }), "did you mean a:b?"},
		"an operation that is not there": {"openapi", tool(func(b map[string]any) { of(b)["operation"] = "listApp" }), "did you mean listApps?"},
		"a title with a line break":      {"openapi", tool(func(b map[string]any) { b["scopes"].([]any)[0].(map[string]any)["title"] = "a\nb" }), "on one line"},
	} {
		t.Run(name, func(t *testing.T) {
			bridge := map[string]any{
				"handler": "mcp_bridge", "path": "/mcp", "resource": "https://api.example.com/mcp", "toolset": test.toolset, "audience": "https://api.example.com",
				"upstream": map[string]any{"handler": "reverse_proxy", "upstreams": []any{map[string]any{"dial": "x:1"}}},
			}
			if test.block != nil {
				bridge["openapi"] = test.block
			}
			raw, err := json.Marshal(bridge)
			if err != nil {
				t.Fatal(err)
			}
			err = validateJSON(t, `{"apps":{"mcp_edge":{"issuer":"https://auth.example.com","store":{"engine":"sqlite","path":"/nowhere/e.db"},"audit":[{"sink":"file","path":"/nowhere/a"}]},`+
				`"http":{"servers":{"a":{"listen":["127.0.0.1:0"],"automatic_https":{"disable":true},"routes":[{"handle":[`+string(raw)+`]}]}}}}}`)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestABackendWithoutADirectoryIsNotAskedAboutPeople(t *testing.T) {
	for setting, has := range map[string]bool{"": true, "ask": true, "none": false} {
		if b := (&Bridge{OpenAPI: &OpenAPI{Directory: setting}}); b.hasDirectory() != has {
			t.Errorf("directory %q: %t", setting, b.hasDirectory())
		}
	}
	entry, err := directory{testResource: nil}.Lookup(t.Context(), testResource, authorize.Person{Email: "ada@demo.example"})
	if err != nil || entry != (authorize.Entry{Active: true, Unlisted: true}) {
		t.Errorf("%+v, %v", entry, err)
	}
}
