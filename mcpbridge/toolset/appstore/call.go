package appstore

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// call is a tool call on its way to the backend.
type call struct {
	principal *mcpbridge.Principal
	person    backend.Person
	need      mcpbridge.Need // of the tool
	// begin must succeed immediately before a write is sent; nil where nothing is
	// to be remembered of it.
	begin func() error
	begun bool // begin was called, and the write sent
	keyed bool // the client gave an idempotency key
	came  time.Time
}

// send sends the write of a call, once it is remembered where that was asked for.
func (s *Set) send(ctx context.Context, c *call, r *backend.Request) ([]byte, error) {
	if c.begin != nil {
		if err := c.begin(); err != nil {
			return nil, &notBegunError{err}
		}
	}
	c.begun = true
	return s.backend.Do(ctx, r)
}

func newCall(tc *toolset.Call, need mcpbridge.Need) *call {
	p := tc.Principal
	return &call{
		principal: p,
		need:      need,
		came:      time.Now(), // for deadlines, which are of the same clock
		person: backend.Person{
			Email: p.Email, Domain: p.DomainID, Subject: p.UserID, ClientID: p.ClientID, TXN: tc.RequestID,
		},
	}
}

// request returns a request that asserts what it is for: n, if the person has
// consented to that and holds it. A write tool reads first, and its caller may
// hold no right to read; then the request asserts the right of the tool, never
// one that was not granted, and the backend decides.
func (c *call) request(method string, n mcpbridge.Need, path ...string) *backend.Request {
	if !slices.Contains(c.principal.Scopes, n.Scope) || !slices.Contains(c.principal.Permissions, n.Permission) {
		n = c.need
	}
	return &backend.Request{
		Person: c.person, Scope: n.Scope, Permissions: []string{n.Permission},
		Method: method, Path: path,
	}
}

// get reads one JSON answer into a T.
func get[T any](ctx context.Context, s *Set, r *backend.Request) (T, error) {
	var v T
	body, err := s.backend.Do(ctx, r)
	if err != nil {
		return v, err
	}
	err = backend.Decode(body, &v, false)
	return v, err
}

// me returns the backend's id of the person who calls.
func (s *Set) me(ctx context.Context, c *call) (string, error) {
	if id := c.principal.UserID; id != "" {
		return id, nil
	}
	u, err := s.backend.CurrentUser(ctx, c.person)
	if err != nil {
		return "", err
	}
	if cmp.Or(u.Status, backend.StatusActive) != backend.StatusActive {
		f := fault.New(fault.NotAllowed, "The user's account at the App Store is not active. %s", fault.SayTellUser)
		f.Reason, f.Outcome = reason.UserNotActive, fault.Denied
		return "", f
	}
	return u.ID, nil
}

// settings reads how access to an app is requested.
func (s *Set) settings(ctx context.Context, c *call, appID string) (wireSettings, error) {
	return get[wireSettings](ctx, s, c.request(http.MethodGet, needApps, "appstore", "apps", appID, "settings"))
}

// permissionsPage reads one page of what can be requested of an app.
func (s *Set) permissionsPage(ctx context.Context, c *call, appID, query string, page, size int) (wirePage[wirePermission], error) {
	r := c.request(http.MethodGet, needApps, "appstore", "requestable_permissions")
	r.Query = append(r.Query, backend.Param{Name: "app_id", Value: appID}, backend.Param{Name: "in_app_store", Value: "true"})
	if query != "" {
		r.Query = append(r.Query, backend.Param{Name: "search_term", Value: query})
	}
	r.Query = paged(r.Query, page, size)
	return get[wirePage[wirePermission]](ctx, s, r)
}

// requestsPage reads one page of the requests for the person, the newest first.
// The backend is asked for that person's only; what it returns of others is
// dropped, because its contract describes the list as that of the whole
// organisation.
func (s *Set) requestsPage(ctx context.Context, c *call, me, state string, page, size int) (wirePage[wireRequest], error) {
	r := c.request(http.MethodGet, needRequests, "appstore", "access_requests")
	r.Query = append(r.Query, backend.Param{Name: "target_user_id", Value: me})
	for _, status := range statuses[state] {
		r.Query = append(r.Query, backend.Param{Name: "statuses", Value: status})
	}
	r.Query = append(r.Query, backend.Param{Name: "sort", Value: "DESC"})
	r.Query = paged(r.Query, page, size)
	p, err := get[wirePage[wireRequest]](ctx, s, r)
	return p, err
}

// mine keeps the requests for the person.
func mine(requests []wireRequest, me string) []wireRequest {
	return slices.DeleteFunc(requests, func(r wireRequest) bool { return !r.isFor(me) })
}

func paged(query []backend.Param, page, size int) []backend.Param {
	return append(query,
		backend.Param{Name: "page", Value: strconv.Itoa(page)},
		backend.Param{Name: "size", Value: strconv.Itoa(size)})
}
