package transcripts_test

import "github.com/teamlumos/mcp-edge/tests/appstore"

// revisions are all that the gateway serves.
var revisions = []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}

// nobody is an id that no object has.
const nobody = "00000000-0000-4000-8000-00000000dead"

// step is one call. In its arguments and in other steps {name} is the id of the
// access request that the step of that name made.
type step struct {
	name string
	// token is whose: the member's with all scopes, unless it says another.
	token     string
	arguments string
}

// Tokens besides the member's own.
const (
	reader  = "member with appstore:read" // may be asked for more
	visitor = "guest"                     // in no role
	admin   = "admin"
)

// script is what happens to one tool in the order in which it happens. Scripts
// run one after the other at the same backend, which remembers: what is
// submitted is shown and cancelled by the scripts after it.
type script struct {
	tool  string
	steps []step
}

var scripts = []script{
	{"search_apps", []step{
		{"success", "", `{"query":"Brightloom","page_size":2}`},
		{"empty", "", `{"query":"no app has this name"}`},
		{"validation error", "", `{"page_size":0}`},
		{"denied by the role", visitor, `{}`},
	}},
	{"get_app", []step{
		{"success", "", `{"app_id":"` + appstore.AppMultiple + `"}`},
		{"elsewhere", "", `{"app_id":"` + appstore.AppRedirect + `"}`},
		{"not found", "", `{"app_id":"` + nobody + `"}`},
		{"validation error", "", `{"app_id":"../users/current"}`},
	}},
	{"list_requestable_permissions", []step{
		{"success", "", `{"app_id":"` + appstore.AppVisible + `"}`},
		{"empty", "", `{"app_id":"` + appstore.AppVisible + `","query":"no permission has this name"}`},
		{"of no app", "", `{"app_id":"` + nobody + `"}`},
		{"validation error", "", `{"query":"x"}`},
	}},
	{"list_access_requests", []step{
		{"success", "", `{"state":"all"}`},
		{"empty", "", `{"state":"refused"}`},
		{"validation error", "", `{"state":"pending"}`},
	}},
	{"submit_access_request", []step{
		{"created", "", `{"app_id":"` + appstore.AppVisible + `","justification":"To read the code","permission_ids":["{permission}"]}`},
		{"deduped", "", `{"app_id":"` + appstore.AppVisible + `","justification":"To read the code","permission_ids":["{permission}"]}`},
		{"created for a while", "", `{"app_id":"` + appstore.AppTimeBound + `","justification":"For one shift","access_length":"1 day"}`},
		{"length not offered", "", `{"app_id":"` + appstore.AppTimeBound + `","justification":"For one shift","access_length":"3 years","allow_duplicate":true}`},
		{"denied by the backend", "", `{"app_id":"` + appstore.AppRestricted + `","justification":"Please"}`},
		{"denied by the role", visitor, `{"app_id":"` + appstore.AppDirect + `","justification":"Please"}`},
		{"scope missing", reader, `{"app_id":"` + appstore.AppDirect + `","justification":"Please"}`},
		{"elsewhere", "", `{"app_id":"` + appstore.AppRedirect + `","justification":"Please"}`},
		{"not found", "", `{"app_id":"` + nobody + `","justification":"Please"}`},
		{"validation error", "", `{"app_id":"` + appstore.AppDirect + `"}`},
		{"of somebody else", admin, `{"app_id":"` + appstore.AppManual + `","justification":"For the admin"}`},
	}},
	{"get_access_request", []step{
		{"success", "", `{"request_id":"{created}","include_tasks":true}`},
		{"of somebody else", "", `{"request_id":"{of somebody else}"}`},
		{"not found", "", `{"request_id":"` + nobody + `"}`},
		{"validation error", "", `{"request_id":"a/b"}`},
	}},
	{"cancel_access_request", []step{
		{"updated", "", `{"request_id":"{created}","reason":"Not needed any more"}`},
		{"deduped", "", `{"request_id":"{created}"}`},
		{"of somebody else", "", `{"request_id":"{of somebody else}"}`},
		{"denied by the role", visitor, `{"request_id":"{created for a while}"}`},
		{"scope missing", reader, `{"request_id":"{created for a while}"}`},
		{"not found", "", `{"request_id":"` + nobody + `"}`},
		{"validation error", "", `{"request_id":"{created for a while}","reason":7}`},
	}},
}
