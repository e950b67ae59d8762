package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// explained asks as the command does, and puts something else in the place of
// what differs from run to run.
func (a *administered) explained(question url.Values, asJSON bool) string {
	a.t.Helper()
	var out bytes.Buffer
	if err := printExplanation(&out, &adminClient{"unix/" + a.socket}, question, asJSON); err != nil {
		a.t.Fatal(err)
	}
	text := strings.ReplaceAll(out.String(), a.resource, "RESOURCE")
	text = regexp.MustCompile(`\d{4}-\d{2}-\d{2}[T ][0-9:.]+Z?`).ReplaceAllStringFunc(text, func(at string) string {
		if strings.HasSuffix(at, "Z") {
			return "2026-01-02T03:04:05Z"
		}
		return "2026-01-02 03:04"
	})
	return regexp.MustCompile(`[A-Za-z0-9_-]{20,}`).ReplaceAllStringFunc(text, func(word string) string {
		if word == strings.ToLower(word) { // the name of a tool
			return word
		}
		return "ID"
	})
}

func TestACallIsExplainedLayerByLayer(t *testing.T) {
	read := url.Values{"user": {"ada@demo.example"}, "client": {"claude"}, "tool": {"search_apps"}}
	with := func(pairs ...string) url.Values {
		q := url.Values{}
		for name, value := range read {
			q[name] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	for _, tt := range []struct {
		name     string
		edits    []string
		question url.Values
		verdict  string
		status   int // of the same call with the person's token; 0: it is another call
	}{
		{"allowed", nil, read, "allowed", 200},
		{"domain_unknown", nil, with("user", "ada@other.example"), "refused", 0},
		{"domain_off", []string{"\t\t\tenabled\n", ""}, read, "refused", 401},
		{"user_unknown", nil, with("user", "bob@demo.example"), "refused", 0},
		{"user_not_allowed", []string{"users everyone", "users group it-admins"}, read, "refused", 401},
		{"client_unknown", nil, with("client", "nobody"), "refused", 0},
		{"client_not_allowed", []string{"clients claude", "clients chatgpt"}, read, "refused", 401},
		{"grant_missing", []string{"clients claude", "clients claude chatgpt"}, with("client", "chatgpt"), "refused", 0},
		{"role", []string{"allow *", "allow appstore.requests.view"}, read, "refused", 200},
		{"scope", nil, with("tool", "submit_access_request"), "step_up", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAdministered(t)
			a.run()
			token := a.token()
			if tt.edits != nil {
				a.run(tt.edits...)
			}
			got := a.explained(tt.question, false)
			var e explanation
			if err := json.Unmarshal([]byte(a.explained(tt.question, true)), &e); err != nil || e.Verdict != tt.verdict {
				t.Errorf("as JSON: %+v, %v", e, err)
			}
			if tt.status != 0 {
				status, body, err := a.search(t.Context(), token, "x")
				allowed := status == 200 && !strings.Contains(body, `"isError":true`)
				if err != nil || status != tt.status || allowed != (e.Verdict == "allowed") {
					t.Errorf("the call itself: %d %s %v", status, body, err)
				}
			}
			file := filepath.Join("testdata", "explain", tt.name+".txt")
			if flag.Lookup("update").Value.String() == "true" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(string(want), got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestOneClientIsExplainedByItsID(t *testing.T) {
	a := newAdministered(t)
	a.run()
	first, _ := a.grant()
	a.grant()
	var e explanation
	ask := func(client string) []explainGrant {
		t.Helper()
		e = explanation{}
		question := url.Values{"user": {"ADA@demo.example"}, "client": {client}, "tool": {"search_apps"}, "resource": {a.resource}}
		raw, err := json.Marshal(a.mustAsk(http.MethodGet, adminExplain+"?"+question.Encode()))
		if err != nil || json.Unmarshal(raw, &e) != nil || e.Resource != a.resource {
			t.Fatalf("%s %v", raw, err)
		}
		return e.Grants
	}
	if grants := ask(first.ID); len(grants) != 1 || grants[0].Client != first.ID || e.Client.Name != "Claude" || e.Verdict != "allowed" {
		t.Errorf("of the client: %+v", e)
	}
	if grants := ask("claude"); len(grants) != 2 || e.Client.ID != "" {
		t.Errorf("of the profile: %+v", e)
	}
	a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(first.ID)+"?grants=only")
	if grants := ask(first.ID); len(grants) != 0 || e.Reason != "grant/unknown" {
		t.Errorf("after its grants ended: %+v", e)
	}
}

func TestExplainReadsStrictly(t *testing.T) {
	a := newAdministered(t)
	a.run()
	good := "?user=a@b.c&client=claude&tool=search_apps"
	for name, c := range map[string]struct {
		uri, says string
	}{
		"nothing":             {"", "needs user, client and tool"},
		"no tool":             {"?user=a@b.c&client=claude", "needs user, client and tool"},
		"an unknown tool":     {"?user=a@b.c&client=claude&tool=search_app", "did you mean search_apps?"},
		"an unknown resource": {good + "&resource=https://other.example/mcp", "no such resource"},
		"an empty resource":   {good + "&resource=", "no such resource"},
		"a tool twice":        {good + "&tool=x", "once each"},
		"another parameter":   {good + "&limit=1", "once each"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, answer := a.ask(http.MethodGet, adminExplain+c.uri)
			if text, _ := answer["error"].(string); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, c.says) {
				t.Errorf("%d %v", resp.StatusCode, answer)
			}
		})
	}
	if resp, _ := a.ask(http.MethodPost, adminExplain+good); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %d", resp.StatusCode)
	}
	if before := a.audit(); strings.Contains(before, "admin_action") {
		t.Error("an explanation is in the trail as an act")
	}
}
