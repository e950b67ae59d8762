package e2e_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/appstore"
)

// appstoreTools are all tools, in alphabetical order.
var appstoreTools = []string{
	"cancel_access_request", "get_access_request", "get_app", "list_access_requests", "list_requestable_permissions", "search_apps", "submit_access_request",
}

// structured is what is looked at in the structured content of all tools.
type structured struct {
	ID          string
	Outcome     string
	Apps        []struct{ ID string }
	Permissions []struct{ ID string }
	Requests    []struct{ ID string }
	Request     struct{ ID, State string }
}

// callAllSeven calls every tool by a real client, of which call is one call,
// and wants what was asked for in the structured content of each.
func callAllSeven(t *testing.T, call func(tool string, arguments map[string]any) (json.RawMessage, error)) {
	t.Helper()
	called := map[string]bool{}
	ask := func(tool string, arguments map[string]any, isRight func(structured) bool) structured {
		t.Helper()
		called[tool] = true
		var c structured
		raw, err := call(tool, arguments)
		if err == nil {
			err = json.Unmarshal(raw, &c)
		}
		if err != nil || !isRight(c) {
			t.Errorf("%s: %v in %s", tool, err, raw)
		}
		return c
	}
	const app = appstore.AppVisible
	ask("search_apps", map[string]any{"query": "Cinderpost Source"}, func(c structured) bool { return len(c.Apps) == 1 && c.Apps[0].ID == app })
	ask("get_app", map[string]any{"app_id": app}, func(c structured) bool { return c.ID == app })
	offered := ask("list_requestable_permissions", map[string]any{"app_id": app}, func(c structured) bool { return len(c.Permissions) == 4 })
	if t.Failed() {
		return
	}
	made := ask("submit_access_request", map[string]any{"app_id": app, "justification": "all seven", "permission_ids": []string{offered.Permissions[0].ID}},
		func(c structured) bool { return c.Outcome == "created" && c.Request.ID != "" })
	id := made.Request.ID
	ask("get_access_request", map[string]any{"request_id": id}, func(c structured) bool { return c.Request.ID == id && c.Request.State == "open" })
	ask("list_access_requests", map[string]any{"state": "open"}, func(c structured) bool {
		return slices.ContainsFunc(c.Requests, func(r struct{ ID string }) bool { return r.ID == id })
	})
	ask("cancel_access_request", map[string]any{"request_id": id, "reason": "tried"}, func(c structured) bool { return c.Outcome == "updated" })
	if got := slices.Sorted(maps.Keys(called)); !slices.Equal(got, appstoreTools) {
		t.Errorf("called %v, want all of %v", got, appstoreTools)
	}
}

// calledAllSeven judges what clients/seven.mjs reports.
func calledAllSeven(t *testing.T, report map[string]any) {
	t.Helper()
	for _, tool := range appstoreTools {
		if report[tool] != true {
			t.Errorf("%s: %v", tool, report[tool])
		}
	}
}
