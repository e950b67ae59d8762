package appstore_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// listed is what the tests read of list_access_requests.
type listed struct {
	Requests []struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		State  string `json:"state"`
	} `json:"requests"`
	HasMore    bool `json:"has_more"`
	Incomplete bool `json:"incomplete"`
}

func readList(t *testing.T, r toolset.Result) (ids []string, l listed) {
	t.Helper()
	if err := json.Unmarshal(r.Structured, &l); err != nil {
		t.Fatalf("%v in %+v", err, r)
	}
	for _, q := range l.Requests {
		ids = append(ids, q.ID)
	}
	return ids, l
}

func TestStatusesHaveStatesAndNewOnesPassThrough(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"PENDING": "open", "PENDING_MANAGER_APPROVAL": "open", "MANAGER_APPROVED": "open", "PENDING_APPROVAL": "open",
		"PENDING_PROVISIONING": "open", "PENDING_MANUAL_PROVISIONING": "open",
		"APPROVED": "granted", "PROVISIONED": "granted", "COMPLETED": "granted",
		"MANAGER_DENIED": "refused", "DENIED": "refused", "DENIED_PROVISIONING": "refused",
		"EXPIRED": "ended", "CANCELLED": "ended", "PENDING_DEPROVISIONING": "ended", "PENDING_MANUAL_DEPROVISIONING": "ended",
		"REVERTING": "ended", "REVERTED": "ended", "TIME_BASED_EXPIRED": "ended", "TIME_BASED_EXPIRED_FAILED": "ended",
		"TIME_BASED_EXPIRED_CANCELLED": "ended",
		"PENDING_ON_THE_MOON":          "unknown", "": "unknown", "pending": "unknown",
	}
	set, f := newSet(t)
	var requests []string
	for status := range want {
		requests = append(requests, accessRequest("r-"+status, "me", "hub", status))
	}
	f.on("GET /appstore/access_requests", page(requests...))
	r := run(t.Context(), set, "list_access_requests", `{"state":"all"}`)
	conforms(t, set, "list_access_requests", r.Structured)
	if strings.Contains(f.lines()[0], "statuses") {
		t.Errorf("sent %s", f.lines()[0])
	}
	got := make(map[string]string)
	_, l := readList(t, r)
	for _, q := range l.Requests {
		got[q.Status] = q.State
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states differ (-want +got):\n%s", diff)
	}
	steps := make(map[string]bool)
	for status := range want {
		f.on("GET /appstore/access_requests/r", reply{body: accessRequest("r", "me", "hub", status)})
		r := run(t.Context(), set, "get_access_request", `{"request_id":"r"}`)
		conforms(t, set, "get_access_request", r.Structured)
		steps[string(r.Structured)] = true
	}
	if len(steps) != len(want) {
		t.Errorf("%d different answers for %d statuses", len(steps), len(want))
	}
}

func TestListingForOneAppIsFilteredAndPagedHere(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 60 {
		all = append(all, accessRequest(fmt.Sprintf("r%02d", i), "me", []string{"hub", "wiki"}[i%2], "PENDING"))
	}
	all = append(all, accessRequest("foreign", "you", "hub", "PENDING"))
	pages := func() []reply {
		first, second := page(all[:40]...), page(all[40:]...)
		first.body = strings.Replace(first.body, `"pages":1`, `"pages":2`, 1)
		second.body = strings.Replace(second.body, `"pages":1`, `"pages":2`, 1)
		return []reply{first, second}
	}
	for _, tt := range []struct {
		name      string
		arguments string
		count     int
		first     string
		more      bool
	}{
		{"the first page", `{"app_id":"hub"}`, 25, "r00", true},
		{"the second page", `{"app_id":"hub","page":2}`, 5, "r50", false},
		{"after the last page", `{"app_id":"hub","page":3}`, 0, "", false},
		{"another app", `{"app_id":"nothing"}`, 0, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/access_requests", pages()...)
			ids, l := readList(t, run(t.Context(), set, "list_access_requests", tt.arguments))
			if len(ids) != tt.count || tt.count > 0 && ids[0] != tt.first || l.HasMore != tt.more || l.Incomplete || slices.Contains(ids, "foreign") {
				t.Errorf("%v, more %v, incomplete %v", ids, l.HasMore, l.Incomplete)
			}
			if len(f.lines()) != 2 || strings.Contains(f.lines()[0], "app_id") {
				t.Errorf("sent %v", f.lines())
			}
		})
	}
	t.Run("a search that is too long says so", func(t *testing.T) {
		t.Parallel()
		set, f := newSet(t)
		endless := page(accessRequest("r", "me", "wiki", "PENDING"))
		endless.body = strings.Replace(endless.body, `"pages":1`, `"pages":1000`, 1)
		f.on("GET /appstore/access_requests", endless)
		r := run(t.Context(), set, "list_access_requests", `{"app_id":"hub"}`)
		conforms(t, set, "list_access_requests", r.Structured)
		if _, l := readList(t, r); !l.Incomplete || len(f.lines()) != 5 {
			t.Errorf("incomplete %v after %d requests", l.Incomplete, len(f.lines()))
		}
	})
}

func TestPagesAreToldEvenWhereTheBackendDoesNotCount(t *testing.T) {
	t.Parallel()
	one := accessRequest("r", "me", "hub", "PENDING")
	full := strings.TrimSuffix(strings.Repeat(one+",", 25), ",")
	tests := []struct {
		name, body string
		more       bool
	}{
		{"by pages", `{"items":[` + one + `],"total":null,"page":1,"size":25,"pages":2}`, true},
		{"by total", `{"items":[` + one + `],"total":26,"page":1,"size":25}`, true},
		{"by total, the last", `{"items":[` + one + `],"total":25,"page":1,"size":25}`, false},
		{"by a full page", `{"items":[` + full + `],"total":null,"page":null,"size":null}`, true},
		{"by a page that is not full", `{"items":[` + one + `],"total":null,"page":null,"size":null}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/access_requests", reply{body: tt.body})
			if _, l := readList(t, run(t.Context(), set, "list_access_requests", `{}`)); l.HasMore != tt.more {
				t.Errorf("has_more = %v", l.HasMore)
			}
		})
	}
}

func TestSomebodyElsesRequestLooksLikeNone(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"get_access_request", "cancel_access_request"} {
		set, f := newSet(t)
		missing := run(t.Context(), set, tool, `{"request_id":"none"}`)
		f.on("GET /appstore/access_requests/theirs", reply{body: accessRequest("theirs", "you", "hub", "PENDING")})
		theirs := run(t.Context(), set, tool, `{"request_id":"theirs"}`)
		if !missing.IsError || missing.Code != "not_found" {
			t.Errorf("%s of none: %+v", tool, missing)
		}
		missing.TargetResourceID = "theirs"
		if diff := cmp.Diff(missing, theirs); diff != "" {
			t.Errorf("%s tells the difference (-none +theirs):\n%s", tool, diff)
		}
	}
}

func TestARequestIMadeForSomebodyElseIsMine(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	f.on("GET /appstore/access_requests/r", reply{body: strings.Replace(accessRequest("r", "you", "hub", "PENDING"), `"requester_user":null`, `"requester_user":`+ada, 1)})
	r := run(t.Context(), set, "get_access_request", `{"request_id":"r"}`)
	if r.IsError || !strings.Contains(string(r.Structured), `"is_you":true`) || !strings.Contains(string(r.Structured), `"is_you":false`) {
		t.Errorf("result %+v %s", r, r.Structured)
	}
}

func TestOnlyMyOpenRequestIsCancelled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request string
		answer  reply
		deletes int
		code    string
		outcome string
		reason  reason.Reason
	}{
		{"open", accessRequest("r", "me", "hub", "PENDING_APPROVAL"), reply{status: 204}, 1, "", "updated", ""},
		{"open, confirmed with a body", accessRequest("r", "me", "hub", "PENDING"), reply{status: 200, body: `{}`}, 1, "", "updated", ""},
		{"cancelled before", accessRequest("r", "me", "hub", "CANCELLED"), reply{}, 0, "", "deduped", ""},
		{"granted", accessRequest("r", "me", "hub", "COMPLETED"), reply{}, 0, "request_not_open", "failed_validation", reason.BackendRefused},
		{"a status that is not known", accessRequest("r", "me", "hub", "NEW_ONE"), reply{}, 0, "request_not_open", "failed_validation", reason.BackendRefused},
		{"somebody else's", accessRequest("r", "you", "hub", "PENDING"), reply{}, 0, "not_found", "failed_validation", reason.BackendRefused},
		{"an answer about another request", accessRequest("other", "me", "hub", "PENDING"), reply{}, 0, "backend_bad_answer", "", reason.BackendBadAnswer},
		{"it moved on meanwhile", accessRequest("r", "me", "hub", "PENDING"), reply{status: 409, body: `{"detail":"x"}`}, 1, "conflict", "failed_validation", reason.BackendRefused},
		{"connection lost", accessRequest("r", "me", "hub", "PENDING"), reply{drop: true}, 1, "outcome_unknown", "unknown", reason.BackendUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/access_requests/r", reply{body: tt.request})
			f.on("DELETE /appstore/access_requests/r", tt.answer)
			got := run(t.Context(), set, "cancel_access_request", `{"request_id":"r"}`)
			if got.Code != tt.code || got.WriteOutcome != tt.outcome || got.Reason != tt.reason || got.TargetResourceID != "r" {
				t.Errorf("result %+v", got)
			}
			deletes := 0
			for _, line := range f.lines() {
				if strings.HasPrefix(line, "DELETE ") {
					deletes++
				}
			}
			if deletes != tt.deletes {
				t.Errorf("%d deletes", deletes)
			}
			if !got.IsError {
				conforms(t, set, "cancel_access_request", got.Structured)
			}
		})
	}
}

func TestFailuresOfReadsHaveACodeAReasonAndANextStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		reply  reply
		code   string
		reason reason.Reason
		says   string
	}{
		{"401 is the gateway's fault and no reason to sign in", reply{status: 401, body: `{"detail":"bad signature"}`}, "backend_refused_gateway", reason.BackendRefusedGateway, "signing in again will not help"},
		{"403", reply{status: 403, body: `{"detail":"No role"}`}, "not_allowed", reason.BackendRefused, `"No role"`},
		{"404", reply{status: 404, body: `{}`}, "not_found", reason.BackendRefused, "search_apps"},
		{"422", reply{status: 422, body: `{"detail":[{"loc":["query","page"],"msg":"bad","type":"x"}]}`}, "rejected", reason.BackendRefused, `"page: bad"`},
		{"429", reply{status: 429, header: http.Header{"Retry-After": {"1"}}}, "backend_rate_limited", reason.BackendRateLimited, "after 1 second."},
		{"500", reply{status: 500}, "backend_unavailable", reason.BackendUnavailable, "Try again"},
		{"503 with a time", reply{status: 503, header: http.Header{"Retry-After": {"30"}}}, "backend_unavailable", reason.BackendUnavailable, "after 30 seconds"},
		{"connection lost", reply{drop: true}, "backend_unavailable", reason.BackendUnavailable, "Try again"},
		{"not what was promised", reply{body: `{"id":5}`}, "backend_bad_answer", reason.BackendBadAnswer, "Tell the user"},
		{"another app", reply{body: strings.Replace(hub, `"id":"hub"`, `"id":"wiki"`, 1)}, "backend_bad_answer", reason.BackendBadAnswer, ""},
		{"too large", reply{body: `"` + strings.Repeat("x", 3<<20) + `"`}, "backend_bad_answer", reason.BackendBadAnswer, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/apps/hub", tt.reply)
			got := run(t.Context(), set, "get_app", `{"app_id":"hub"}`)
			if !got.IsError || got.Code != tt.code || got.Reason != tt.reason || got.WriteOutcome != "" || got.Structured != nil || !strings.Contains(got.Text, tt.says) {
				t.Errorf("result %+v", got)
			}
			if strings.Contains(got.Text, "bad signature") {
				t.Errorf("the client is told why the gateway is refused: %s", got.Text)
			}
		})
	}
}
