package appstore

import "slices"

// The arguments of the tools, one struct each. A zero field was left out: the
// schemas admit no zero value other than the default.

// telemetry is what a client may say about why it calls. It is audited and
// never sent to the backend.
type telemetry struct {
	Intent string `json:"intent"`
}

type searchAppsArgs struct {
	Query     string    `json:"query"`
	Exact     bool      `json:"exact"`
	Page      int       `json:"page"`
	PageSize  int       `json:"page_size"`
	Telemetry telemetry `json:"telemetry"`
}

type getAppArgs struct {
	AppID     string    `json:"app_id"`
	Telemetry telemetry `json:"telemetry"`
}

type listPermissionsArgs struct {
	AppID     string    `json:"app_id"`
	Query     string    `json:"query"`
	Page      int       `json:"page"`
	Telemetry telemetry `json:"telemetry"`
}

type listRequestsArgs struct {
	State     string    `json:"state"`
	AppID     string    `json:"app_id"`
	Page      int       `json:"page"`
	Telemetry telemetry `json:"telemetry"`
}

type getRequestArgs struct {
	RequestID    string    `json:"request_id"`
	IncludeTasks bool      `json:"include_tasks"`
	Telemetry    telemetry `json:"telemetry"`
}

type submitArgs struct {
	AppID          string    `json:"app_id"`
	Justification  string    `json:"justification"`
	PermissionIDs  []string  `json:"permission_ids"`
	AccessLength   string    `json:"access_length"`
	AllowDuplicate bool      `json:"allow_duplicate"`
	IdempotencyKey string    `json:"idempotency_key"`
	Telemetry      telemetry `json:"telemetry"`
}

type cancelArgs struct {
	RequestID      string    `json:"request_id"`
	Reason         string    `json:"reason"`
	IdempotencyKey string    `json:"idempotency_key"`
	Telemetry      telemetry `json:"telemetry"`
}

func (a *searchAppsArgs) intent() string      { return a.Telemetry.Intent }
func (a *getAppArgs) intent() string          { return a.Telemetry.Intent }
func (a *listPermissionsArgs) intent() string { return a.Telemetry.Intent }
func (a *listRequestsArgs) intent() string    { return a.Telemetry.Intent }
func (a *getRequestArgs) intent() string      { return a.Telemetry.Intent }
func (a *submitArgs) intent() string          { return a.Telemetry.Intent }
func (a *cancelArgs) intent() string          { return a.Telemetry.Intent }

// typed is what all of them have.
type typed interface{ intent() string }

// namedWrite is what the arguments of a write have.
type namedWrite interface {
	typed
	// key is the client's idempotency key, or "".
	key() string
	// meant returns the arguments that make up what is written: two calls that
	// mean the same have equal ones.
	meant() any
}

func (a *submitArgs) key() string { return a.IdempotencyKey }
func (a *cancelArgs) key() string { return a.IdempotencyKey }

func (a *submitArgs) meant() any {
	m := *a
	m.IdempotencyKey, m.Telemetry = "", telemetry{}
	m.PermissionIDs = slices.Sorted(slices.Values(a.PermissionIDs)) // a set
	return m
}

func (a *cancelArgs) meant() any {
	m := *a
	m.IdempotencyKey, m.Telemetry = "", telemetry{}
	return m
}
