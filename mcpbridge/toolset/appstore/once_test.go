package appstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

const (
	cancelTool = "cancel_access_request"
	keyed      = `{"app_id":"hub","justification":"On call this week","permission_ids":["read","write"],"idempotency_key":"k-1"}`
)

// madeAt is a request of the person with the permissions of keyed.
func madeAt(id, status string, at time.Time) string {
	r := accessRequest(id, "me", "hub", status, "write", "read")
	return strings.Replace(r, "2026-11-23T01:02:03", at.Format("2006-01-02T15:04:05"), 1)
}

func (f *fake) deletes() int {
	n := 0
	for _, line := range f.lines() {
		if strings.HasPrefix(line, "DELETE ") {
			n++
		}
	}
	return n
}

// again is a result as a repeated call gets it: in the audit trail the change was
// made once.
func again(r toolset.Result) toolset.Result {
	if r.WriteOutcome == "created" || r.WriteOutcome == "updated" {
		r.WriteOutcome = "deduped"
	}
	return r
}

func TestARepeatedKeyGetsTheFirstAnswerWithoutACall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, tool string
		reply      reply
		first      string // outcome
		calls      []string
	}{
		{"a submission that was made", submit, reply{status: 201, body: "[" + accessRequest("req-9", "me", "hub", "PENDING", "read") + "]"}, "created", []string{
			keyed,
			`{"idempotency_key":"k-1","permission_ids":["write","read"],"justification":"On call this week","app_id":"hub","allow_duplicate":false}`,
			strings.Replace(keyed, `"k-1"`, `"k-1","telemetry":{"intent":"again"}`, 1),
		}},
		{"a submission that was refused", submit, reply{status: 422, body: `{"detail":"Not for contractors."}`}, "failed_validation", []string{keyed}},
		{"a submission that was denied", submit, reply{status: 403, body: `{"detail":"No role"}`}, "denied", []string{keyed}},
		{"a cancellation", cancelTool, reply{status: 204}, "updated", []string{`{"request_id":"req-1","idempotency_key":"k-1"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("POST /appstore/access_request", tt.reply)
			f.on("DELETE /appstore/access_requests/req-1", tt.reply)
			first := run(t.Context(), set, tt.tool, tt.calls[0])
			if first.WriteOutcome != tt.first {
				t.Fatalf("first %+v", first)
			}
			sent := len(f.lines())
			for _, after := range []*appstore.Set{set, f.newSet(t)} {
				for _, arguments := range tt.calls {
					got := run(t.Context(), after, tt.tool, arguments)
					got.Intent = ""
					if diff := cmp.Diff(again(first), got); diff != "" {
						t.Errorf("%s (-first +repeated):\n%s", arguments, diff)
					}
				}
			}
			if len(f.lines()) != sent {
				t.Errorf("repeated calls reached the backend: %v", f.lines()[sent:])
			}
		})
	}
}

func TestAKeyIsOfOneGrantAndOneTool(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	other := principal()
	other.GrantID = "another"
	first := run(t.Context(), set, submit, keyed)
	second := set.Call(t.Context(), &toolset.Call{Tool: submit, Arguments: []byte(keyed), Principal: other, RequestID: "txn-1"})
	third := run(t.Context(), set, cancelTool, `{"request_id":"req-1","idempotency_key":"k-1"}`)
	if first.WriteOutcome != "created" || second.WriteOutcome != "created" || third.WriteOutcome != "updated" || len(f.posts()) != 2 {
		t.Errorf("%s, %s, %s after %d posts", first.WriteOutcome, second.WriteOutcome, third.WriteOutcome, len(f.posts()))
	}
}

func TestAKeyWithOtherArgumentsIsRefused(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	run(t.Context(), set, submit, keyed)
	for _, change := range []string{
		`"app_id":"wiki"`, `"justification":"Other"`, `"permission_ids":["read"]`, `"access_length":"7 days"`, `"allow_duplicate":true`,
	} {
		arguments := map[string]string{"app_id": `"hub"`, "justification": `"On call this week"`, "permission_ids": `["read","write"]`}
		name, value, _ := strings.Cut(change, ":")
		arguments[strings.Trim(name, `"`)] = value
		var members []string
		for name, value := range arguments {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
		got := run(t.Context(), set, submit, joined(append(members, `"idempotency_key":"k-1"`)...))
		if !got.IsError || got.Code != "idempotency_key_reused" || got.WriteOutcome != "failed_validation" {
			t.Errorf("%s: %+v", change, got)
		}
	}
	if len(f.posts()) != 1 {
		t.Errorf("posted %d times", len(f.posts()))
	}
}

func TestManyEqualCallsWithOneKeyAreOnePostAndOneAnswer(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	hold := make(chan struct{})
	f.on("POST /appstore/access_request", reply{status: 201, hold: hold, body: "[" + accessRequest("req-9", "me", "hub", "PENDING", "read") + "]"})
	const calls = 200
	results := make([]toolset.Result, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { results[i] = run(context.WithoutCancel(t.Context()), set, submit, keyed) })
	}
	waitFor(t, func() bool { return len(f.posts()) > 0 })
	close(hold)
	wg.Wait()
	for _, r := range results {
		if diff := cmp.Diff(again(results[0]), again(r)); diff != "" {
			t.Fatalf("two answers differ:\n%s", diff)
		}
	}
	if len(f.posts()) != 1 || results[0].IsError {
		t.Errorf("%d posts, %+v", len(f.posts()), results[0])
	}
}

// TestNothingIsSentWithoutItsRecord: the record comes before the request.
func TestNothingIsSentWithoutItsRecord(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Find", "Begin"} {
		for tool, arguments := range map[string]string{submit: keyed, cancelTool: `{"request_id":"req-1","idempotency_key":"k-1"}`} {
			t.Run(method+" fails before "+tool, func(t *testing.T) {
				t.Parallel()
				set, f := newSet(t)
				f.ledger.fail(method)
				got := run(t.Context(), set, tool, arguments)
				if !got.IsError || got.Code != "idempotency_unavailable" || got.WriteOutcome != "" || got.Reason != reason.StoreUnavailable || len(f.posts())+f.deletes() != 0 {
					t.Errorf("%+v after %v", got, f.lines())
				}
			})
		}
	}
	t.Run("the record is there when the request arrives", func(t *testing.T) {
		t.Parallel()
		set, f := newSet(t)
		hold := make(chan struct{})
		f.on("POST /appstore/access_request", reply{status: 201, hold: hold, body: "[" + accessRequest("req-9", "me", "hub", "PENDING") + "]"})
		done := make(chan toolset.Result)
		go func() { done <- run(context.WithoutCancel(t.Context()), set, submit, keyed) }()
		waitFor(t, func() bool { return len(f.posts()) > 0 })
		if f.ledger.len() != 1 {
			t.Error("it was sent before it was remembered")
		}
		close(hold)
		<-done
	})
}

func TestAnAnswerThatCannotBeKeptIsGivenAndNothingIsSentAgain(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	f.ledger.fail("Answer")
	if got := run(t.Context(), set, submit, keyed); got.WriteOutcome != "created" {
		t.Errorf("first %+v", got)
	}
	f.on("GET /appstore/access_requests", page(madeAt("req-9", "PENDING", start)))
	if got := run(t.Context(), set, submit, keyed); got.IsError || got.TargetResourceID != "req-9" || len(f.posts()) != 1 {
		t.Errorf("second %+v after %d posts", got, len(f.posts()))
	}
}

func TestAKeyIsFreeAsLongAsNothingWasMade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		line  string
		reply reply
		posts int
	}{
		{"the arguments were wrong", "GET /appstore/apps/hub/settings", settings("DIRECT_TO_USER", false, `[]`, `null`, `null`), 0},
		{"the preparation failed", "GET /appstore/apps/hub/settings", reply{status: 500, body: `{}`}, 0},
		{"the app is requested elsewhere", "GET /appstore/apps/hub/settings", settings("DIRECT_TO_USER", false, `[]`, `null`, `"https://tickets.example/"`), 0},
		{"too many requests", "POST /appstore/access_request", reply{status: 429}, 1},
		{"the gateway was not trusted", "POST /appstore/access_request", reply{status: 401}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on(tt.line, tt.reply)
			if got := run(t.Context(), set, submit, keyed); !got.IsError || len(f.posts()) != tt.posts || f.ledger.len() != 0 {
				t.Errorf("%+v after %d posts, %d are remembered", got, len(f.posts()), f.ledger.len())
			}
			f.defaults()
			if got := run(t.Context(), set, submit, keyed); got.WriteOutcome != "created" || len(f.posts()) != tt.posts+1 {
				t.Errorf("again %+v", got)
			}
		})
	}
}

// TestAfterAnUnknownOutcomeTheNextCallFindsOut is about every way in which a
// submission may end without an answer; each time the call is repeated by a
// process that knows nothing but the ledger.
func TestAfterAnUnknownOutcomeTheNextCallFindsOut(t *testing.T) {
	t.Parallel()
	ours := func(r string) string { return strings.Replace(r, `"requester_user":null`, `"requester_user":`+ada, 1) }
	for _, tt := range []struct {
		name  string
		lost  reply
		shown []string // by the backend afterwards
		found string   // "" if it is not there
		later time.Duration
		says  string
	}{
		{name: "made, the connection dropped", lost: reply{drop: true}, shown: []string{madeAt("req-9", "PENDING", start)}, found: "req-9"},
		{name: "made, a server error", lost: reply{status: 502, body: `{}`}, shown: []string{ours(madeAt("req-9", "PENDING", start))}, found: "req-9"},
		{name: "made, and approved meanwhile", lost: reply{drop: true}, shown: []string{madeAt("req-9", "COMPLETED", start)}, found: "req-9"},
		{name: "made, and denied meanwhile", lost: reply{drop: true}, shown: []string{madeAt("req-9", "DENIED", start)}, found: "req-9"},
		{name: "made, by a clock that is behind", lost: reply{drop: true}, shown: []string{madeAt("req-9", "PENDING", start.Add(-20*time.Second))}, found: "req-9"},
		{name: "not there yet", lost: reply{drop: true}, later: 30 * time.Second, says: "may still come"},
		{name: "not there later", lost: reply{drop: true}, later: 2 * time.Minute, says: "most likely it was lost"},
		{name: "an older one is not it", lost: reply{drop: true}, shown: []string{madeAt("old", "PENDING", start.Add(-time.Minute))}, says: "does not show"},
		{name: "one for other permissions is not it", lost: reply{drop: true}, shown: []string{accessRequest("x", "me", "hub", "PENDING", "read")}, says: "does not show"},
		{name: "one for another reason is not it", lost: reply{drop: true}, shown: []string{strings.Replace(madeAt("x", "PENDING", start), "On call this week", "Other", 1)}, says: "does not show"},
		{name: "one that somebody else made is not it", lost: reply{drop: true}, shown: []string{strings.Replace(ours(madeAt("x", "PENDING", start)), `"requester_user":{"id":"me"`, `"requester_user":{"id":"boss"`, 1)}, says: "does not show"},
		{name: "another person's is not it", lost: reply{drop: true}, shown: []string{strings.Replace(madeAt("x", "PENDING", start), `"target_user":{"id":"me"`, `"target_user":{"id":"you"`, 1)}, says: "does not show"},
		{name: "one without a time is not it", lost: reply{drop: true}, shown: []string{strings.Replace(madeAt("x", "PENDING", start), start.Format("2006-01-02T15:04:05"), "soon", 1)}, says: "does not show"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("POST /appstore/access_request", tt.lost)
			if got := run(t.Context(), set, submit, keyed); got.WriteOutcome != "unknown" || got.Code != "outcome_unknown" || !strings.Contains(got.Text, "with the same idempotency_key") {
				t.Fatalf("first %+v", got)
			}
			f.on("GET /appstore/access_requests", page(tt.shown...))
			f.ledger.clock.Advance(tt.later)
			set = f.newSet(t)
			got := run(t.Context(), set, submit, keyed)
			if len(f.posts()) != 1 {
				t.Fatalf("posted %d times", len(f.posts()))
			}
			if tt.found == "" {
				if !got.IsError || got.Code != "outcome_unknown" || got.WriteOutcome != "unknown" || !strings.Contains(got.Text, tt.says) || !strings.Contains(got.Text, "Nothing was sent by this call") {
					t.Errorf("second %+v", got)
				}
				return
			}
			if got.IsError || got.WriteOutcome != "created" || got.TargetResourceID != tt.found || !strings.Contains(string(got.Structured), "its answer was lost") {
				t.Fatalf("second %+v", got)
			}
			conforms(t, set, submit, got.Structured)
			sent := len(f.lines())
			if third := run(t.Context(), set, submit, keyed); cmp.Diff(again(got), third) != "" || len(f.lines()) != sent {
				t.Errorf("third %+v", third)
			}
		})
	}
}

// TestAnAnswerOfAnotherProcessIsTheAnswer: two processes without common locks
// begin at once, and only the ledger knows who was first.
func TestAnAnswerOfAnotherProcessIsTheAnswer(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]reply{"about to post": page(), "having found an open request": page(madeAt("req-9", "PENDING", start))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, f := newSet(t)
			theirs := run(t.Context(), first, submit, keyed)
			for _, w := range f.ledger.writes {
				f.ledger.faster = &w
			}
			clear(f.ledger.writes)
			f.on("GET /appstore/access_requests", open)
			ours := run(t.Context(), f.newSet(t), submit, keyed)
			if diff := cmp.Diff(again(theirs), ours); diff != "" || len(f.posts()) != 1 {
				t.Errorf("%d posts (-theirs +ours):\n%s", len(f.posts()), diff)
			}
		})
	}
}

func TestFindingOutMayFailAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	f.on("POST /appstore/access_request", reply{drop: true})
	run(t.Context(), set, submit, keyed)
	f.on("GET /appstore/access_requests", reply{status: 503, body: `{}`}, page(madeAt("req-9", "PENDING", start)))
	if got := run(t.Context(), set, submit, keyed); got.WriteOutcome != "unknown" || !strings.Contains(got.Text, "cannot be asked now") {
		t.Errorf("second %+v", got)
	}
	if got := run(t.Context(), set, submit, keyed); got.TargetResourceID != "req-9" || len(f.posts()) != 1 {
		t.Errorf("third %+v after %d posts", got, len(f.posts()))
	}
}

func TestACancellationOfUnknownOutcomeIsFoundOut(t *testing.T) {
	t.Parallel()
	const arguments = `{"request_id":"req-1","idempotency_key":"k-1"}`
	for status, want := range map[string]string{"CANCELLED": "updated", "PENDING_APPROVAL": "unknown"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("DELETE /appstore/access_requests/req-1", reply{drop: true})
			if got := run(t.Context(), set, cancelTool, arguments); got.WriteOutcome != "unknown" {
				t.Fatalf("first %+v", got)
			}
			f.on("GET /appstore/access_requests/req-1", reply{body: strings.Replace(detailed, "PENDING_APPROVAL", status, 1)})
			if got := run(t.Context(), set, cancelTool, arguments); got.WriteOutcome != want || f.deletes() != 1 {
				t.Errorf("second %+v after %d deletes", got, f.deletes())
			}
		})
	}
}

func TestALongAnswerIsShortenedSoThatItCanBeKept(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	long := strings.Replace(accessRequest("req-9", "me", "hub", "PENDING", "read"), `"custom_fields":null`, `"custom_fields":[`+
		strings.TrimSuffix(strings.Repeat(`{"prompt":"`+strings.Repeat("界", 500)+`","response":"`+strings.Repeat("界", 500)+`"},`, 20), ",")+`]`, 1)
	f.on("POST /appstore/access_request", reply{status: 201, body: "[" + long + "]"})
	first := run(t.Context(), set, submit, keyed)
	sent := len(f.lines())
	second := run(t.Context(), set, submit, keyed)
	if first.WriteOutcome != "created" || cmp.Diff(again(first), second) != "" || len(f.lines()) != sent || strings.Contains(string(first.Structured), "answers") {
		t.Errorf("%d and %d bytes, %d requests more", len(first.Structured), len(second.Structured), len(f.lines())-sent)
	}
	conforms(t, set, submit, first.Structured)
}

// TestWithoutAKeyAnOpenRequestIsFoundByAProcessThatKnowsNothing: what holds
// across a restart without a key is what the backend shows.
func TestWithoutAKeyAnOpenRequestIsFoundByAProcessThatKnowsNothing(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	const arguments = `{"app_id":"hub","justification":"On call","permission_ids":["read"]}`
	f.on("POST /appstore/access_request", reply{drop: true})
	if got := run(t.Context(), set, submit, arguments); got.WriteOutcome != "unknown" {
		t.Fatalf("first %+v", got)
	}
	f.on("GET /appstore/access_requests", page(accessRequest("req-9", "me", "hub", "PENDING", "read")))
	if got := run(t.Context(), f.newSet(t), submit, arguments); got.WriteOutcome != "deduped" || got.TargetResourceID != "req-9" || len(f.posts()) != 1 {
		t.Errorf("second %+v after %d posts", got, len(f.posts()))
	}
}

// TestACallThatEndsAnExchangeIsMadeOnce: the state of an exchange can be sent
// again by whoever holds it.
func TestACallThatEndsAnExchangeIsMadeOnce(t *testing.T) {
	t.Parallel()
	set, f := newSet(t)
	call := func(arguments string) toolset.Result {
		return set.Call(t.Context(), &toolset.Call{Tool: submit, Arguments: []byte(arguments), Principal: principal(), RequestID: "txn-1", Exchange: "x-1"})
	}
	const arguments = `{"app_id":"hub","justification":"On call","permission_ids":["read"],"allow_duplicate":true}`
	first, second := call(arguments), call(arguments)
	third := call(strings.Replace(arguments, "read", "write", 1))
	if first.WriteOutcome != "created" || cmp.Diff(again(first), second) != "" || third.Code != "idempotency_key_reused" || len(f.posts()) != 1 {
		t.Errorf("%+v, %+v, %+v after %d posts", first, second, third, len(f.posts()))
	}
}

func TestAMissingChoiceSaysWhatMayBeChosen(t *testing.T) {
	t.Parallel()
	const visible, direct = "GROUPS_AND_VISIBLE", "DIRECT_TO_USER"
	options := func(values ...string) (o []toolset.Option) {
		for _, v := range values {
			value, title, found := strings.Cut(v, "=")
			if !found {
				title = value
			}
			o = append(o, toolset.Option{Value: value, Title: title})
		}
		return o
	}
	many := make([]string, 51)
	for i := range many {
		many[i] = permission(fmt.Sprint("p", i), "hub", "VISIBLE", `[]`)
	}
	more := page(permission("a", "hub", "VISIBLE", `[]`), permission("b", "hub", "VISIBLE", `[]`))
	more.body = strings.Replace(more.body, `"pages":1`, `"pages":2`, 1)
	for _, tt := range []struct {
		name        string
		settings    reply
		permissions reply
		want        *toolset.Ask
		code        string
	}{
		{"several lengths", settings(direct, false, `["12 hours","7 days"]`, `null`, `null`), page(),
			&toolset.Ask{Argument: "access_length", Text: "For how long is the access needed?", Options: options("12 hours", "7 days")}, "access_length_required"},
		{"one of several permissions", settings(visible, false, `[]`, `null`, `null`), page(permission("a", "hub", "VISIBLE", `[]`), permission("b", "hub", "VISIBLE", `[]`), permission("c", "hub", "HIDDEN", `[]`)),
			&toolset.Ask{Argument: "permission_ids", Text: "Which permission of the app is needed?", Options: options("a=a access", "b=b access"), List: true, Most: 1}, "permission_required"},
		{"several of several permissions", settings(visible, true, `[]`, `null`, `null`), page(permission("a", "hub", "VISIBLE", `[]`), permission("b", "hub", "VISIBLE", `[]`)),
			&toolset.Ask{Argument: "permission_ids", Text: "Which permissions of the app are needed?", Options: options("a=a access", "b=b access"), List: true, Most: 2}, "permission_required"},
		{"one permission is no choice, and is not taken silently", settings(visible, true, `[]`, `null`, `null`), page(permission("a", "hub", "VISIBLE", `[]`)), nil, "permission_required"},
		{"too many permissions to choose among", settings(visible, true, `[]`, `null`, `null`), page(many...), nil, "permission_required"},
		{"there are more permissions on another page", settings(visible, true, `[]`, `null`, `null`), more, nil, "permission_required"},
		{"a length whose label is too long to be given", settings(direct, false, `["12 hours","`+strings.Repeat("x", 50)+`"]`, `null`, `null`), page(), nil, "access_length_required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, f := newSet(t)
			f.on("GET /appstore/apps/hub/settings", tt.settings)
			f.on("GET /appstore/requestable_permissions", tt.permissions)
			got := run(t.Context(), set, submit, `{"app_id":"hub","justification":"On call"}`)
			if !got.IsError || got.Code != tt.code || len(f.posts()) != 0 {
				t.Errorf("result %+v", got)
			}
			if diff := cmp.Diff(tt.want, got.Ask); diff != "" {
				t.Errorf("asks (-want +got):\n%s", diff)
			}
		})
	}
}
