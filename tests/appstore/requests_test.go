package appstore_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/tests/appstore"
)

type accessRequest struct {
	ID        string `json:"id"`
	AppID     string `json:"app_id"`
	Requester *struct {
		ID string `json:"id"`
	} `json:"requester_user"`
	Target struct {
		ID string `json:"id"`
	} `json:"target_user"`
	Status      string            `json:"status"`
	Notes       map[string]string `json:"notes"`
	ExpiresAt   *string           `json:"expires_at"`
	Seconds     *int              `json:"expiration_in_seconds"`
	Permissions []struct {
		ID string `json:"id"`
	} `json:"requestable_permissions"`
	RequestedAt string `json:"requested_at"`
	Tasks       []any  `json:"tasks"`
}

type requestPage struct {
	Items []accessRequest `json:"items"`
	Total int             `json:"total"`
}

// create makes a request that must succeed.
func create(b *backend, body string) accessRequest {
	b.t.Helper()
	status, answer := b.do(http.MethodPost, "/appstore/access_request", body)
	if status != http.StatusCreated {
		b.t.Fatalf("answered %d %s", status, answer)
	}
	made := decode[[]accessRequest](b.t, answer)
	if len(made) != 1 {
		b.t.Fatalf("made %d requests", len(made))
	}
	return made[0]
}

func TestCreate(t *testing.T) {
	b := start(t)
	me := appstore.DemoPeople()[0].ID
	t.Run("answers with an array of the request as it was asked for", func(t *testing.T) {
		id := appstore.PermissionID(appstore.AppMultiple, 0)
		got := create(b, fmt.Sprintf(`{"app_id":%q,"business_justification":"on call","access_length":"12 hours","requestable_permission_ids":[%q]}`, appstore.AppMultiple, id))
		if got.Status != "PENDING" || got.Requester == nil || got.Requester.ID != me || got.Target.ID != me {
			t.Errorf("request %+v", got)
		}
		if got.Seconds == nil || *got.Seconds != 43200 || len(got.Permissions) != 1 || got.Permissions[0].ID != id {
			t.Errorf("request %+v", got)
		}
		if diff := cmp.Diff(map[string]string{"PENDING": "on call"}, got.Notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
		if _, err := time.Parse("2006-01-02T15:04:05", got.RequestedAt); err != nil {
			t.Errorf("requested_at %q has a zone or another form", got.RequestedAt)
		}
	})
	t.Run("makes a second request of a repeated call", func(t *testing.T) {
		if first, second := create(b, createBody), create(b, createBody); first.ID == second.ID {
			t.Error("both are one request")
		}
	})
	t.Run("takes seconds in place of a label", func(t *testing.T) {
		got := create(b, fmt.Sprintf(`{"app_id":%q,"expiration_in_seconds":7200}`, appstore.AppTimeBound))
		if got.Seconds == nil || *got.Seconds != 7200 {
			t.Errorf("seconds %v", got.Seconds)
		}
	})
	t.Run("counts every POST that arrives", func(t *testing.T) {
		before := b.server.CountPOST()
		create(b, createBody)
		b.do(http.MethodPost, "/appstore/access_request", `{"app_id":"nothing"}`)
		if got := b.server.CountPOST() - before; got != 2 {
			t.Errorf("counted %d", got)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	permission := appstore.PermissionID
	tests := []struct {
		name, body string
		status     int
		text       string // empty: the list form
	}{
		{"a body without app_id", `{}`, 422, ""},
		{"a body that is no JSON", `{"app_id":`, 422, ""},
		{"an app_id that is a number", `{"app_id":7}`, 422, ""},
		{"permissions that are no list", `{"app_id":"x","requestable_permission_ids":"y"}`, 422, ""},
		{"an unknown app", `{"app_id":"nothing"}`, 404, "App not found"},
		{"an unlisted app", `{"app_id":"` + appstore.AppUnlisted + `"}`, 404, "App not found"},
		{"an app that is requested elsewhere", `{"app_id":"` + appstore.AppRedirect + `"}`, 422, "Access to this app is requested elsewhere."},
		{"an app for a group", `{"app_id":"` + appstore.AppRestricted + `"}`, 403, "You are not in a group that may request this app."},
		{
			"a length that is not offered", `{"app_id":"` + appstore.AppTimeBound + `","access_length":"4 hours"}`,
			422, "This access length is not offered for the app.",
		},
		{
			"no length where all offered ones end", `{"app_id":"` + appstore.AppTimeBound + `"}`,
			422, "This access length is not offered for the app.",
		},
		{
			"a length for an app without lengths", `{"app_id":"` + appstore.AppDirect + `","access_length":"1 day"}`,
			422, "This access length is not offered for the app.",
		},
		{
			"a length that one chosen permission does not offer",
			fmt.Sprintf(`{"app_id":%q,"access_length":"7 days","requestable_permission_ids":[%q,%q]}`, appstore.AppMultiple, permission(appstore.AppMultiple, 0), permission(appstore.AppMultiple, 1)),
			422, "This access length is not offered for the app.",
		},
		{
			"two ways to give the length", `{"app_id":"` + appstore.AppTimeBound + `","access_length":"1 day","expiration_in_seconds":86400}`,
			422, "Send access_length or expiration_in_seconds, not both.",
		},
		{
			"an unknown permission", `{"app_id":"` + appstore.AppVisible + `","requestable_permission_ids":["nothing"]}`,
			404, "Requestable permission not found",
		},
		{
			"a permission of another app", fmt.Sprintf(`{"app_id":%q,"requestable_permission_ids":[%q]}`, appstore.AppVisible, permission(appstore.AppMultiple, 0)),
			422, "A permission belongs to another app.",
		},
		{
			"a hidden permission", fmt.Sprintf(`{"app_id":%q,"requestable_permission_ids":[%q]}`, appstore.AppHidden, permission(appstore.AppHidden, 0)),
			422, "Permissions of this app cannot be chosen.",
		},
		{
			"two permissions where one may be chosen", fmt.Sprintf(`{"app_id":%q,"requestable_permission_ids":[%q,%q]}`, appstore.AppVisible, permission(appstore.AppVisible, 0), permission(appstore.AppVisible, 1)),
			422, "Only one permission of this app may be requested at a time.",
		},
		{
			"another requester", fmt.Sprintf(`{"app_id":%q,"requester_user_id":%q}`, appstore.AppDirect, appstore.DemoPeople()[1].ID),
			403, "Only organisation admins may set requester_user_id.",
		},
		{"an unknown target", `{"app_id":"` + appstore.AppDirect + `","target_user_id":"nobody"}`, 404, "User not found"},
	}
	b := start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := get[requestPage](b, "/appstore/access_requests").Total
			status, body := b.do(http.MethodPost, "/appstore/access_request", tt.body)
			if status != tt.status {
				t.Fatalf("answered %d %s, want %d", status, body, tt.status)
			}
			if list := strings.HasPrefix(string(body), `{"detail":[{"loc":["body"`); list != (tt.text == "") {
				t.Errorf("answered in the wrong form: %s", body)
			}
			if tt.text != "" && detail(t, body) != tt.text {
				t.Errorf("answered %s, want %q", body, tt.text)
			}
			if got := get[requestPage](b, "/appstore/access_requests").Total; got != before {
				t.Error("a request was made all the same")
			}
		})
	}
}

func TestStatusMovesWithTheClock(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string // one per minute
	}{
		{
			"of an app that approves by itself", `{"app_id":"` + appstore.AppDirect + `"}`,
			[]string{"PENDING", "APPROVED", "PENDING_PROVISIONING", "COMPLETED", "COMPLETED"},
		},
		{
			"of an app with an approver", `{"app_id":"` + appstore.AppVisible + `"}`,
			[]string{"PENDING", "PENDING_APPROVAL", "APPROVED", "PENDING_PROVISIONING", "COMPLETED", "COMPLETED"},
		},
		{
			"of an app that denies", `{"app_id":"` + appstore.AppDenied + `"}`,
			[]string{"PENDING", "PENDING_APPROVAL", "DENIED", "DENIED"},
		},
		{
			"of an app with manual steps", `{"app_id":"` + appstore.AppManual + `"}`,
			[]string{"PENDING", "PENDING_MANAGER_APPROVAL", "MANAGER_APPROVED", "PENDING_APPROVAL", "APPROVED", "PENDING_MANUAL_PROVISIONING", "COMPLETED"},
		},
		{
			"of time-bound access", `{"app_id":"` + appstore.AppTimeBound + `","access_length":"2 hours"}`,
			[]string{"PENDING", "APPROVED", "PENDING_PROVISIONING", "PROVISIONED", "PROVISIONED"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, func(c *appstore.Config) { c.StatusEvery = time.Minute })
			made := create(b, tt.body)
			var got []string
			for range tt.want {
				got = append(got, get[accessRequest](b, "/appstore/access_requests/"+made.ID).Status)
				b.clock.Advance(time.Minute)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("until time-bound access has ended", func(t *testing.T) {
		b := start(t, func(c *appstore.Config) { c.StatusEvery = time.Minute })
		made := create(b, `{"app_id":"`+appstore.AppTimeBound+`","access_length":"2 hours"}`)
		b.clock.Advance(3 * time.Minute)
		got := get[accessRequest](b, "/appstore/access_requests/"+made.ID)
		if got.ExpiresAt == nil || *got.ExpiresAt != "2026-11-23T11:03:00" {
			t.Errorf("expires_at %v", got.ExpiresAt)
		}
		b.clock.Advance(2*time.Hour + time.Second)
		if got := get[accessRequest](b, "/appstore/access_requests/"+made.ID).Status; got != "TIME_BASED_EXPIRED" {
			t.Errorf("state %s", got)
		}
	})
	t.Run("not at all without an interval", func(t *testing.T) {
		b := start(t)
		made := create(b, createBody)
		b.clock.Advance(24 * time.Hour)
		if got := get[accessRequest](b, "/appstore/access_requests/"+made.ID).Status; got != "PENDING" {
			t.Errorf("state %s", got)
		}
	})
}

func TestListRequests(t *testing.T) {
	b := start(t)
	me := appstore.DemoPeople()[0].ID
	var made []string
	for range 3 {
		made = append(made, create(b, createBody).ID)
		b.clock.Advance(time.Second)
	}
	ids := func(query string) []string {
		var found []string
		for _, r := range get[requestPage](b, "/appstore/access_requests?"+query).Items {
			found = append(found, r.ID)
		}
		return found
	}
	t.Run("shows the whole organisation unless it is filtered", func(t *testing.T) {
		all := get[requestPage](b, "/appstore/access_requests?size=100").Items
		strangers := slices.ContainsFunc(all, func(r accessRequest) bool { return r.Target.ID != me })
		if !strangers {
			t.Error("only the caller's requests are listed")
		}
		for _, r := range get[requestPage](b, "/appstore/access_requests?target_user_id="+me).Items {
			if r.Target.ID != me {
				t.Errorf("the filter let %s through", r.Target.ID)
			}
		}
	})
	t.Run("has a request without requester", func(t *testing.T) {
		mine := get[requestPage](b, "/appstore/access_requests?target_user_id="+me).Items
		if !slices.ContainsFunc(mine, func(r accessRequest) bool { return r.Requester == nil }) {
			t.Error("every request has a requester")
		}
		if diff := cmp.Diff(made, ids("requester_user_id="+me)); diff != "" {
			t.Errorf("requested by me (-want +got):\n%s", diff)
		}
	})
	t.Run("sorts oldest first, and newest first with sort in any letter case", func(t *testing.T) {
		if diff := cmp.Diff(made, ids("statuses=PENDING&target_user_id="+me)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		newest := slices.Clone(made)
		slices.Reverse(newest)
		for _, sort := range []string{"DESC", "desc"} {
			if diff := cmp.Diff(newest, ids("statuses=PENDING&sort="+sort+"&target_user_id="+me)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", sort, diff)
			}
		}
	})
	t.Run("takes several states and pages", func(t *testing.T) {
		if got := len(ids("statuses=PENDING&statuses=COMPLETED&user_id=" + me)); got != 4 {
			t.Errorf("%d requests, want 3 pending and 1 completed", got)
		}
		if diff := cmp.Diff(made[2:], ids("statuses=PENDING&size=2&page=2&target_user_id="+me)); diff != "" {
			t.Errorf("page 2 (-want +got):\n%s", diff)
		}
	})
	t.Run("shows tasks only where they are asked for", func(t *testing.T) {
		if got := get[accessRequest](b, "/appstore/access_requests/"+made[0]); got.Tasks != nil {
			t.Error("tasks without expand")
		}
		if got := get[accessRequest](b, "/appstore/access_requests/"+made[0]+"?expand=tasks"); len(got.Tasks) != 1 {
			t.Errorf("%d tasks with expand", len(got.Tasks))
		}
	})
	t.Run("keeps other organisations apart", func(t *testing.T) {
		people := append(appstore.DemoPeople(), appstore.Person{ID: "elsewhere", Email: "eve@other.example", DomainID: "other.example"})
		b := start(t, func(c *appstore.Config) { c.People = people })
		made := create(b, createBody)
		eve := as(0)
		eve["sub"], eve["email"], eve["domain_id"] = "elsewhere", "eve@other.example", "other.example"
		if status, _ := b.do(http.MethodGet, "/appstore/access_requests/"+made.ID, "", eve); status != http.StatusNotFound {
			t.Errorf("answered %d", status)
		}
	})
}

func TestCancel(t *testing.T) {
	cancel := func(b *backend, id string, person int) (int, []byte) {
		return b.do(http.MethodDelete, "/appstore/access_requests/"+id+"?reason=not%20needed", "", as(person))
	}
	t.Run("cancels an open request of the caller and keeps the reason", func(t *testing.T) {
		b := start(t)
		made := create(b, createBody)
		if status, body := cancel(b, made.ID, 0); status != http.StatusNoContent || len(body) != 0 {
			t.Fatalf("answered %d %s", status, body)
		}
		got := get[accessRequest](b, "/appstore/access_requests/"+made.ID)
		if got.Status != "CANCELLED" || got.Notes["CANCELLED"] != "not needed" {
			t.Errorf("state %s notes %v", got.Status, got.Notes)
		}
	})
	t.Run("refuses a second time", func(t *testing.T) {
		b := start(t)
		made := create(b, createBody)
		cancel(b, made.ID, 0)
		if status, body := cancel(b, made.ID, 0); status != http.StatusConflict || detail(t, body) == "" {
			t.Errorf("answered %d %s", status, body)
		}
	})
	t.Run("refuses a request that is granted", func(t *testing.T) {
		b := start(t, func(c *appstore.Config) { c.StatusEvery = time.Minute })
		made := create(b, createBody)
		b.clock.Advance(time.Hour)
		if status, _ := cancel(b, made.ID, 0); status != http.StatusConflict {
			t.Errorf("answered %d", status)
		}
	})
	t.Run("refuses somebody else's request", func(t *testing.T) {
		b := start(t)
		made := create(b, createBody)
		if status, _ := cancel(b, made.ID, 1); status != http.StatusForbidden {
			t.Errorf("answered %d", status)
		}
	})
}
