package appstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

const submit = "submit_access_request"

func TestSubmitPostsWhatTheRulesOfTheAppAllow(t *testing.T) {
	t.Parallel()
	const visible, direct, hidden = "GROUPS_AND_VISIBLE", "DIRECT_TO_USER", "GROUPS_AND_HIDDEN"
	lengths := `["12 hours","7 days"]`
	tests := []struct {
		name      string
		settings  reply
		arguments string // without app_id and justification
		body      string // that is posted, without app_id and justification; "" if nothing is
		code      string
		outcome   string
		says      string
	}{
		{
			"an app without permissions is requested alone",
			settings(direct, false, `[]`, `null`, `null`), ``, `{}`, "", "created", "",
		},
		{
			"permissions of such an app cannot be named",
			settings(direct, false, `[]`, `null`, `null`), `"permission_ids":["read"]`, "", "permissions_not_selectable", "failed_validation", "without permission_ids",
		},
		{
			"hidden permissions cannot be named",
			settings(hidden, true, `[]`, `null`, `null`), `"permission_ids":["read"]`, "", "permissions_not_selectable", "failed_validation", "",
		},
		{
			"an app with hidden permissions is requested alone",
			settings(hidden, true, `[]`, `null`, `null`), ``, `{}`, "", "created", "",
		},
		{
			"where permissions are chosen one must be named, and the preset is not taken silently",
			settings(visible, true, lengths, `null`, `null`), ``, "", "permission_required", "failed_validation", `"read access (read)", "write access (write)"`,
		},
		{
			"several permissions where the app allows several",
			settings(visible, true, `[]`, `"12 hours"`, `null`), `"permission_ids":["write","read"]`,
			`{"requestable_permission_ids":["write","read"],"access_length":"12 hours"}`, "", "created", "",
		},
		{
			"one permission where the app allows one",
			settings(visible, false, `[]`, `"12 hours"`, `null`), `"permission_ids":["read","write"]`, "", "one_permission_only", "failed_validation", "",
		},
		{
			"a hidden permission of a visible app",
			settings(visible, true, lengths, `null`, `null`), `"permission_ids":["root"]`, "", "permission_not_requestable", "failed_validation", "",
		},
		{
			"a permission of another app",
			settings(visible, true, lengths, `null`, `null`), `"permission_ids":["read","alien"]`, "", "permission_not_requestable", "failed_validation", "",
		},
		{
			"a permission that does not exist",
			settings(visible, true, lengths, `null`, `null`), `"permission_ids":["nothing"]`, "", "permission_not_requestable", "failed_validation", "",
		},
		{
			"a way of provisioning that is not known yet, without permissions",
			settings("BY_PIGEON", false, `[]`, `null`, `null`), ``, `{}`, "", "created", "",
		},
		{
			"a length that is offered, in the backend's spelling",
			settings(direct, false, lengths, `null`, `null`), `"access_length":" 12  HOURS"`, `{"access_length":"12 hours"}`, "", "created", "",
		},
		{
			"a length that is not offered",
			settings(direct, false, lengths, `null`, `null`), `"access_length":"90 days"`, "", "access_length_not_offered", "failed_validation", `"12 hours", "7 days"`,
		},
		{
			"Unlimited where it is not offered",
			settings(direct, false, lengths, `null`, `null`), `"access_length":"Unlimited"`, "", "access_length_not_offered", "failed_validation", "",
		},
		{
			"Unlimited is asked for by naming no length",
			settings(direct, false, `["12 hours","Unlimited"]`, `null`, `null`), `"access_length":"unlimited"`, `{}`, "", "created", "",
		},
		{
			"no length given: the preset",
			settings(direct, false, lengths, `"7 days"`, `null`), ``, `{"access_length":"7 days"}`, "", "created", "",
		},
		{
			"no length given: the only one",
			settings(direct, false, `["7 days"]`, `null`, `null`), ``, `{"access_length":"7 days"}`, "", "created", "",
		},
		{
			"no length given and no preset: the choices are named",
			settings(direct, false, lengths, `null`, `null`), ``, "", "access_length_required", "failed_validation", `"12 hours", "7 days"`,
		},
		{
			"a preset that is not offered is not taken",
			settings(direct, false, lengths, `"30 days"`, `null`), ``, "", "access_length_required", "failed_validation", "",
		},
		{
			"a length where there is no choice",
			settings(direct, false, `[]`, `null`, `null`), `"access_length":"7 days"`, "", "access_length_not_offered", "failed_validation", "without access_length",
		},
		{
			"the lengths of the permission count, not those of the app",
			settings(visible, true, `["90 days"]`, `"90 days"`, `null`), `"permission_ids":["read"],"access_length":"90 days"`, "", "access_length_not_offered", "failed_validation", "",
		},
		{
			"an app that is requested elsewhere",
			settings(direct, false, `[]`, `null`, `"https://tickets.example/new"`), ``, "", "requested_elsewhere", "denied", "https://tickets.example/new",
		},
		{
			"an elsewhere that may not be shown",
			settings(direct, false, `[]`, `null`, `"javascript:alert(1)"`), ``, "", "requested_elsewhere", "denied", "administrator",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/apps/hub/settings", tt.settings)
			got := run(t.Context(), set, submit, joined(`"app_id":"hub","justification":"On call"`, tt.arguments))
			if got.Code != tt.code || got.WriteOutcome != tt.outcome || !strings.Contains(got.Text, tt.says) || strings.Contains(got.Text, "javascript") {
				t.Errorf("result %+v", got)
			}
			var want []string
			if tt.body != "" {
				want = []string{joined(`"app_id":"hub"`, strings.Trim(tt.body, "{}"), `"business_justification":"On call"`)}
				conforms(t, set, submit, got.Structured)
			}
			if diff := cmp.Diff(sorted(t, want), sorted(t, f.posts())); diff != "" {
				t.Errorf("posts differ (-want +got):\n%s", diff)
			}
		})
	}
}

// joined returns one JSON object of the parts that are not empty.
func joined(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return "{" + strings.Join(parts, ",") + "}"
}

// sorted returns the objects with sorted members.
func sorted(t *testing.T, objects []string) []string {
	t.Helper()
	var out []string
	for _, o := range objects {
		var v map[string]any
		if err := json.Unmarshal([]byte(o), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, string(mustEncode(t, fmt.Sprint(v))))
	}
	return out
}

func TestPermissionsWithoutACommonLengthAreNotRequestedTogether(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, a, b, code, body string }{
		{"nothing in common", `["12 hours"]`, `["7 days"]`, "access_length_not_offered", ""},
		{"one limited, one without choice: no length would be forever", `["12 hours"]`, `[]`, "access_length_not_offered", ""},
		{"one in common", `["12 hours","7 days"]`, `["7 days"]`, "", `"access_length":"7 days"`},
		{"neither has a choice", `[]`, `[]`, "", ""},
		{"unsaid means the app's", `null`, `["7 days"]`, "", `"access_length":"7 days"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/apps/hub/settings", settings("GROUPS_AND_VISIBLE", true, `["7 days"]`, `null`, `null`))
			f.on("GET /appstore/requestable_permissions", page(permission("a", "hub", "VISIBLE", tt.a), permission("b", "hub", "VISIBLE", tt.b)))
			got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call","permission_ids":["a","b"]}`)
			posts := f.posts()
			if got.Code != tt.code || len(posts) > 1 || (len(posts) == 1) != (tt.code == "") {
				t.Fatalf("%+v after %v", got, posts)
			}
			if tt.code == "" && (!strings.Contains(posts[0], tt.body) || tt.body == "" && strings.Contains(posts[0], "access_length")) {
				t.Errorf("posted %s", posts[0])
			}
		})
	}
}

func TestPermissionsAreLookedForOnEveryPage(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	first := page(permission("read", "hub", "VISIBLE", `[]`))
	first.body = strings.Replace(first.body, `"pages":1`, `"pages":2`, 1)
	f.on("GET /appstore/requestable_permissions", first, page(permission("write", "hub", "VISIBLE", `[]`)))
	got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call","permission_ids":["write"]}`)
	if got.WriteOutcome != "created" {
		t.Errorf("result %+v", got)
	}
}

func TestAnOpenRequestForTheSameThingIsReturned(t *testing.T) {
	t.Parallel()
	const both = `"permission_ids":["read","write"]`
	tests := []struct {
		name      string
		open      string
		arguments string
		outcome   string
	}{
		{"a common permission", accessRequest("old", "me", "hub", "PENDING", "read"), both, "deduped"},
		{"a manager's approval is still open", accessRequest("old", "me", "hub", "MANAGER_APPROVED", "read"), both, "deduped"},
		{"no common permission", accessRequest("old", "me", "hub", "PENDING", "other"), both, "created"},
		{"the app alone is something else", accessRequest("old", "me", "hub", "PENDING"), both, "created"},
		{"another app", accessRequest("old", "me", "wiki", "PENDING", "read"), both, "created"},
		{"another person's, though the backend listed it", accessRequest("old", "you", "hub", "PENDING", "read"), both, "created"},
		{"one that is not open, though the backend listed it", accessRequest("old", "me", "hub", "DENIED", "read"), both, "created"},
		{"a duplicate on demand", accessRequest("old", "me", "hub", "PENDING", "read"), both + `,"allow_duplicate":true`, "created"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/access_requests", page(tt.open))
			got := run(t.Context(), set, submit, joined(`"app_id":"hub","justification":"On call"`, tt.arguments))
			if got.WriteOutcome != tt.outcome || got.IsError {
				t.Fatalf("result %+v", got)
			}
			conforms(t, set, submit, got.Structured)
			if want := map[string]int{"deduped": 0, "created": 1}[tt.outcome]; len(f.posts()) != want {
				t.Errorf("posted %v", f.posts())
			}
			if tt.outcome == "deduped" && got.TargetResourceID != "old" {
				t.Errorf("returned %s", got.TargetResourceID)
			}
		})
	}
	t.Run("both for the app alone", func(t *testing.T) {
		t.Parallel()
		set, f := newSet(t)
		f.on("GET /appstore/apps/hub/settings", settings("DIRECT_TO_USER", false, `[]`, `null`, `null`))
		f.on("GET /appstore/access_requests", page(accessRequest("old", "me", "hub", "PENDING")))
		if got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call"}`); got.WriteOutcome != "deduped" || len(f.posts()) != 0 {
			t.Errorf("result %+v", got)
		}
	})
}

func TestTheOutcomeOfASubmissionIsToldAsItIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		reply   reply
		code    string
		outcome string
		reason  reason.Reason
		says    string
	}{
		{"refused by a rule", reply{status: 422, body: `{"detail":"Not for contractors."}`}, "rejected", "failed_validation", reason.BackendRefused, `"Not for contractors."`},
		{"conflict", reply{status: 409, body: `{"detail":"Already there"}`}, "conflict", "failed_validation", reason.BackendRefused, "Nothing was changed."},
		{"not allowed", reply{status: 403, body: `{"detail":"No role"}`}, "not_allowed", "denied", reason.BackendRefused, "Nothing was changed."},
		{"the gateway is not trusted", reply{status: 401, body: `{}`}, "backend_refused_gateway", "", reason.BackendRefusedGateway, "administrator"},
		{"too many", reply{status: 429, header: map[string][]string{"Retry-After": {"7"}}}, "backend_rate_limited", "", reason.BackendRateLimited, "after 7 seconds"},
		{"server error", reply{status: 500, body: `{}`}, "outcome_unknown", "unknown", reason.BackendUnavailable, "list_access_requests"},
		{"connection lost", reply{drop: true}, "outcome_unknown", "unknown", reason.BackendUnavailable, "Do not submit again"},
		{"an empty array", reply{status: 201, body: `[]`}, "outcome_unknown", "unknown", reason.BackendBadAnswer, "list_access_requests"},
		{"an object in place of the array", reply{status: 201, body: accessRequest("req-9", "me", "hub", "PENDING")}, "outcome_unknown", "unknown", reason.BackendBadAnswer, ""},
		{"a request for another app", reply{status: 201, body: "[" + accessRequest("req-9", "me", "wiki", "PENDING") + "]"}, "outcome_unknown", "unknown", reason.BackendBadAnswer, ""},
		{"a redirect", reply{status: 307, header: map[string][]string{"Location": {"/appstore/access_request"}}}, "outcome_unknown", "unknown", reason.BackendBadAnswer, ""},
		{"HTML", reply{status: 201, body: `[]`, header: map[string][]string{"Content-Type": {"text/html"}}}, "outcome_unknown", "unknown", reason.BackendBadAnswer, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("POST /appstore/access_request", tt.reply)
			got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call","permission_ids":["read"]}`)
			if got.Code != tt.code || got.WriteOutcome != tt.outcome || got.Reason != tt.reason || !got.IsError || got.Structured != nil || !strings.Contains(got.Text, tt.says) {
				t.Errorf("result %+v", got)
			}
			if len(f.posts()) != 1 {
				t.Errorf("posted %d times", len(f.posts()))
			}
		})
	}
}

func TestNothingIsPostedWhenThePreparationFails(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"GET /appstore/apps/hub/settings", "GET /appstore/requestable_permissions", "GET /appstore/access_requests"} {
		for status, outcome := range map[int]string{500: "", 404: "failed_validation", 403: "denied", 401: "", 429: ""} {
			t.Run(fmt.Sprintf("%s answers %d", line, status), func(t *testing.T) {
				t.Parallel()
				set, f := newSet(t)
				f.on(line, reply{status: status, body: `{}`})
				got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call","permission_ids":["read"]}`)
				if !got.IsError || got.WriteOutcome != outcome || len(f.posts()) != 0 || !strings.Contains(got.Text, "Nothing was changed.") {
					t.Errorf("result %+v after %v", got, f.lines())
				}
			})
		}
	}
}

func TestOneSubmissionOfAPersonForAnAppAtATime(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	hold := make(chan struct{})
	let := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(let)
	f.on("POST /appstore/access_request", reply{status: 201, hold: hold, body: "[" + accessRequest("req-9", "me", "hub", "PENDING", "read") + "]"})
	results := make(chan toolset.Result, 2)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			results <- run(context.WithoutCancel(t.Context()), set, submit, `{"app_id":"hub","justification":"On call","permission_ids":["read"]}`)
		})
	}
	waitFor(t, func() bool { return len(f.posts()) > 0 })
	// The one that waits must see what the other one made.
	f.on("GET /appstore/access_requests", page(accessRequest("req-9", "me", "hub", "PENDING", "read")))
	let()
	wg.Wait()
	outcomes := []string{(<-results).WriteOutcome, (<-results).WriteOutcome}
	slices.Sort(outcomes)
	if diff := cmp.Diff([]string{"created", "deduped"}, outcomes); diff != "" || len(f.posts()) != 1 {
		t.Errorf("outcomes %v after %d posts", outcomes, len(f.posts()))
	}
}

// waitFor yields until the condition holds, which other goroutines bring about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("it never happened")
		case <-tick.C:
		}
	}
}

func TestASubmissionWithoutReadingRightsAssertsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	p := principal()
	p.Scopes = []string{"appstore:request"}
	p.Permissions = []string{"appstore.requests.create"}
	got := set.Call(t.Context(), &toolset.Call{Tool: submit, Principal: p, RequestID: "txn-1",
		Arguments: []byte(`{"app_id":"hub","justification":"On call","permission_ids":["read"]}`)})
	if got.WriteOutcome != "created" {
		t.Fatalf("result %+v", got)
	}
	for _, s := range f.seen {
		if s.claims.Scope != "appstore:request" || !slices.Equal(s.claims.Permissions, []string{"appstore.requests.create"}) {
			t.Errorf("%s asserts %s %v", s.line, s.claims.Scope, s.claims.Permissions)
		}
	}
}

func TestAPersonWhoseIDIsNotKnownIsLookedUpFirst(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, user string
		code       string
		outcome    string
	}{
		{"active", ada, "", "created"},
		{"suspended", strings.Replace(ada, "ACTIVE", "SUSPENDED", 1), "not_allowed", "denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /users/current", reply{body: tt.user})
			p := principal()
			p.UserID = ""
			got := set.Call(t.Context(), &toolset.Call{Tool: submit, Principal: p, RequestID: "txn-1",
				Arguments: []byte(`{"app_id":"hub","justification":"On call","permission_ids":["read"]}`)})
			if got.Code != tt.code || got.WriteOutcome != tt.outcome || f.lines()[0] != "GET /users/current" {
				t.Errorf("result %+v after %v", got, f.lines())
			}
		})
	}
}
