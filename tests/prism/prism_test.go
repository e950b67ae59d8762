package prism_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// Ids of the examples in the interface description.
const (
	app        = "0f5b7c1e-0000-4000-8000-0000000000a1"
	permission = "0f5b7c1e-0000-4000-8000-0000000000b1"
	request    = "0f5b7c1e-0000-4000-8000-0000000000c1"
)

const currentUser = "GET /users/current"

// use is a call of a tool with the operations that it needs.
type use struct {
	tool, arguments string
	operations      []string
}

var uses = []use{
	{"search_apps", `{"query":"Git Hub & co","exact":true,"page":2,"page_size":50}`, []string{"GET /appstore/apps"}},
	{"get_app", `{"app_id":"` + app + `"}`, []string{"GET /appstore/apps/{app_id}", "GET /appstore/apps/{app_id}/settings"}},
	{"list_requestable_permissions", `{"app_id":"` + app + `","query":"main","page":3}`, []string{"GET /appstore/requestable_permissions"}},
	{"list_access_requests", `{"state":"all","page":2}`, []string{"GET /appstore/access_requests"}},
	{"list_access_requests", `{"state":"ended","app_id":"` + app + `"}`, []string{"GET /appstore/access_requests"}},
	{"get_access_request", `{"request_id":"` + request + `","include_tasks":true}`, []string{"GET /appstore/access_requests/{id}"}},
	{
		"submit_access_request",
		`{"app_id":"` + app + `","justification":"On call\nthis week","permission_ids":["` + permission + `"],"access_length":"12 hours","allow_duplicate":true}`,
		[]string{"GET /appstore/apps/{app_id}/settings", "GET /appstore/requestable_permissions", "POST /appstore/access_request"},
	},
	{"submit_access_request", `{"app_id":"` + app + `","justification":"On call","permission_ids":["` + permission + `"],"access_length":"7 days"}`, []string{"GET /appstore/access_requests"}},
	{"cancel_access_request", `{"request_id":"` + request + `","reason":"No longer & never"}`, []string{"GET /appstore/access_requests/{id}", "DELETE /appstore/access_requests/{id}"}},
}

// codes are what a tool's error is called for a status of the backend.
var codes = map[int]string{
	401: "backend_refused_gateway", 403: "not_allowed", 404: "not_found", 409: "conflict", 422: "rejected", 429: "backend_rate_limited",
}

func TestEveryToolMatchesTheInterfaceDescription(t *testing.T) {
	w := newWorld(t)
	t.Run("the mock finds what is wrong", w.theMockFindsWhatIsWrong)
	for _, u := range uses {
		for _, id := range u.operations {
			o := w.operation(t, id)
			for _, status := range o.statuses(t) {
				t.Run(fmt.Sprintf("%s, %s %d", u.tool, id, status), func(t *testing.T) {
					w.answer(map[string]int{id: status})
					defer w.answer(nil)
					r, err := w.assistant.Call(t.Context(), w.token, u.tool, u.arguments)
					if err != nil {
						t.Fatal(err)
					}
					if wrong := w.wrong(); wrong != "" {
						t.Errorf("a request does not match the description: %s", wrong)
					}
					if !w.saw(id, status) {
						t.Fatalf("the tool did not come to %s", id)
					}
					if r.Status != http.StatusOK || r.RPCError != nil {
						t.Fatalf("not a result of a tool: %d %s", r.Status, r.Body)
					}
					got := errorCode(t, r.Body)
					if want := codes[status]; got != want || r.Result.IsError != (want != "") {
						t.Errorf("error %q, want %q: %s", got, want, r.Body)
					}
				})
			}
		}
	}
}

// TestEveryStatusAtSignInIsHandled has the backend answer the question who
// somebody is with each status that is described.
func TestEveryStatusAtSignInIsHandled(t *testing.T) {
	w := newWorld(t)
	for _, status := range w.operation(t, currentUser).statuses(t) {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			w.answer(map[string]int{currentUser: status})
			defer w.answer(nil)
			person := w.person()
			last := 0
			person.OnPage = func(p *robot.Page) { last = p.Status }
			tokens, err := w.assistant.Connect(t.Context(), person, "appstore:read")
			if !w.saw(currentUser, status) {
				t.Fatalf("nobody asked: %v", err)
			}
			if wrong := w.wrong(); wrong != "" {
				t.Errorf("the question does not match the description: %s", wrong)
			}
			if status == http.StatusOK {
				if err != nil || tokens.AccessToken == "" {
					t.Errorf("an active person does not get in: %v", err)
				}
				return
			}
			if err == nil {
				t.Error("a person gets in whom the backend does not vouch for")
			}
			if last == 0 || last == http.StatusInternalServerError {
				t.Errorf("the last page had status %d: %v", last, err)
			}
		})
	}
}

// TestTheDemosBackendMatchesTheInterfaceDescription has Prism watch the requests
// and the answers between the gateway and the demo's backend, so that what the
// other tests stand on is the same interface.
func TestTheDemosBackendMatchesTheInterfaceDescription(t *testing.T) {
	address := freeAddress(t)
	m := newMock(t, "http://"+address)
	// What the demo's backend does because the real one is known to, or may: the
	// gateway has to live with it.
	m.deviations = []deviation{
		{"enum", "sources"},                                                            // values that are newer than the description
		{"type", "admins"},                                                             // an empty list where there are none
		{"format", "requested_at"}, {"format", "created_at"}, {"format", "updated_at"}, // UTC, without saying so
	}
	w := connect(t, m, stack.Options{BackendAddr: address})
	if w.g.Stack.Backend.URL() != "http://"+address {
		t.Fatal("somebody else took the port")
	}
	call := func(tool, arguments string) (made struct {
		Request struct{ ID string }
	}) {
		t.Helper()
		r, err := w.assistant.Call(t.Context(), w.token, tool, arguments)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := w.wrong(); wrong != "" {
			t.Errorf("%s: not as described: %s", tool, wrong)
		}
		if r.Result.IsError || json.Unmarshal(r.Result.StructuredContent, &made) != nil {
			t.Errorf("%s: %s", tool, r.Body)
		}
		return made
	}
	call("search_apps", `{"page_size":50}`)
	for _, id := range []string{appstore.AppMultiple, appstore.AppHidden, appstore.AppRedirect, appstore.AppManual} {
		call("get_app", `{"app_id":"`+id+`"}`)
		call("list_requestable_permissions", `{"app_id":"`+id+`"}`)
	}
	id := call("submit_access_request", `{"app_id":"`+appstore.AppTimeBound+`","justification":"To see","access_length":"1 day"}`).Request.ID
	call("list_access_requests", `{"state":"all"}`)
	call("get_access_request", `{"request_id":"`+id+`","include_tasks":true}`)
	call("cancel_access_request", `{"request_id":"`+id+`","reason":"Seen"}`)
	for _, d := range m.deviations {
		if !m.deviated[d] {
			t.Errorf("the backend does not deviate by %v", d)
		}
	}
}

// world is the gateway in front of the mock, and a person who is connected.
type world struct {
	*mock
	g         *gateway.Gateway
	assistant *assistant.Assistant
	token     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return connect(t, newMock(t, ""), stack.Options{})
}

// connect starts the gateway in front of m and connects a person.
func connect(t *testing.T, m *mock, o stack.Options) *world {
	t.Helper()
	w := &world{mock: m, g: gateway.Start(t, o, "", "MCP_EDGE_BACKEND="+m.URL)}
	m.email = w.g.Stack.User("member").Email
	var err error
	if w.assistant, err = assistant.Register(t.Context(), w.g.Stack.Client(), w.g.Stack.Issuer, w.g.Stack.Resource); err != nil {
		t.Fatal(err)
	}
	tokens, err := w.assistant.Connect(t.Context(), w.person(), "appstore:read appstore:request")
	if err != nil {
		t.Fatal(err)
	}
	w.token = tokens.AccessToken
	return w
}

func (w *world) person() *robot.Robot {
	u := w.g.Stack.User("member")
	return robot.New(w.g.Stack.Transport(), robot.Person{Email: u.Email, Password: u.Password})
}

func (w *world) operation(t *testing.T, id string) *operation {
	t.Helper()
	method, path, _ := strings.Cut(id, " ")
	o := w.document.Paths[path][strings.ToLower(method)]
	if o == nil {
		t.Fatalf("%s is not described", id)
	}
	return o
}

// theMockFindsWhatIsWrong sends requests past the gateway that must be noticed.
func (w *world) theMockFindsWhatIsWrong(t *testing.T) {
	for _, bad := range []string{
		"POST /appstore/access_request", // without a body
		"GET /appstore/apps?size=many",
		"GET /appstore/apps?colour=red",
		"GET /appstore/nothing",
	} {
		method, target, _ := strings.Cut(bad, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, w.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer x")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if w.wrong() == "" {
			t.Errorf("%s: nothing is wrong", bad)
		}
	}
}

// errorCode returns the stable code of a tool's error, "" for a success.
func errorCode(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Result struct {
			Meta map[string]struct{ Code string } `json:"_meta"`
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return answer.Result.Meta["com.lumos.mcp-edge/error"].Code
}

// TestEveryToolIsUsed holds that no tool is forgotten above.
func TestEveryToolIsUsed(t *testing.T) {
	var used []string
	for _, u := range uses {
		used = append(used, u.tool)
	}
	slices.Sort(used)
	if got := len(slices.Compact(used)); got != 7 {
		t.Errorf("%d tools are used, want all seven", got)
	}
}
