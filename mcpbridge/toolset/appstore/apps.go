package appstore

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Default page sizes.
const (
	appsPerPage        = 25
	permissionsPerPage = 50
)

type searchAppsView struct {
	Apps     []appView `json:"apps"`
	Page     int       `json:"page"`
	HasMore  bool      `json:"has_more"`
	Total    *int      `json:"total,omitzero"`
	NextStep string    `json:"next_step"`
}

// searchApps is GET /appstore/apps. It never asks for all_visibilities, which
// would show an administrator what is hidden from the store.
func (s *Set) searchApps(ctx context.Context, c *call, a *searchAppsArgs) (answer, error) {
	page, size := cmp.Or(a.Page, 1), cmp.Or(a.PageSize, appsPerPage)
	r := c.request(http.MethodGet, needApps, "appstore", "apps")
	if a.Query != "" {
		r.Query = append(r.Query, backend.Param{Name: "name_search", Value: a.Query})
		if a.Exact {
			r.Query = append(r.Query, backend.Param{Name: "exact_match", Value: "true"})
		}
	}
	r.Query = paged(r.Query, page, size)
	found, err := get[wirePage[wireApp]](ctx, s, r)
	if err != nil {
		return answer{}, err
	}
	v := searchAppsView{
		Apps: make([]appView, 0, len(found.Items)), Page: page,
		HasMore: found.hasMore(page, size), Total: positive(found.Total),
	}
	for i := range found.Items[:min(len(found.Items), size)] {
		if backend.ValidSegment(found.Items[i].ID) {
			v.Apps = append(v.Apps, viewApp(&found.Items[i]))
		}
	}
	switch {
	case len(v.Apps) == 0 && (page > 1 || v.HasMore):
		v.NextStep = emptyPage(page, v.HasMore)
	case len(v.Apps) == 0:
		v.NextStep = "No app matches. Try a shorter part of the name, or leave query out to list all apps."
	case len(v.Apps) == 1 && page == 1:
		v.NextStep = "Call get_app with this id to see how access is requested."
	case v.HasMore:
		v.NextStep = "Ask the user which app they mean, then call get_app with its id. More matches: page " + strconv.Itoa(page+1) + ", or a longer query."
	default:
		v.NextStep = "Ask the user which app they mean, then call get_app with its id."
	}
	return answer{view: &v}, nil
}

// Values of permission_selection.
const (
	selectNone    = "none"
	selectOne     = "one"
	selectSeveral = "several"
	selectUnknown = "unknown"
)

type getAppView struct {
	appView
	Instructions        string      `json:"instructions,omitzero"`
	RedirectURL         string      `json:"redirect_url,omitzero"`
	PermissionSelection string      `json:"permission_selection"`
	AccessLengths       []string    `json:"access_lengths"`
	DefaultAccessLength string      `json:"default_access_length,omitzero"`
	DefaultPermission   *choiceView `json:"default_permission,omitzero"`
	ManagerApproval     bool        `json:"manager_approval,omitzero"`
	ManualSteps         bool        `json:"manual_steps,omitzero"`
	NextStep            string      `json:"next_step"`
}

// getApp is GET /appstore/apps/{app_id} and its settings.
func (s *Set) getApp(ctx context.Context, c *call, a *getAppArgs) (answer, error) {
	done := answer{target: a.AppID}
	app, err := get[wireApp](ctx, s, c.request(http.MethodGet, needApps, "appstore", "apps", a.AppID))
	if err != nil {
		return done, err
	}
	if app.ID != a.AppID {
		return done, &backend.Error{Kind: backend.BadAnswer, Cause: errors.New("answer is about another app")}
	}
	settings, err := s.settings(ctx, c, a.AppID)
	if err != nil {
		return done, err
	}
	v := getAppView{
		appView:             viewApp(&app),
		Instructions:        result.Text(cmp.Or(settings.Instructions, app.RequestInstructions), maxInstructions),
		RedirectURL:         result.Link(settings.RedirectURL),
		PermissionSelection: selectionOf(&settings),
		AccessLengths:       viewLabels(settings.Provisioning.TimeBasedAccess),
		DefaultAccessLength: result.Line(settings.Provisioning.DefaultLength, maxLabel),
		ManagerApproval:     settings.RequestFlow.ManagerApproval,
		ManualSteps:         settings.Provisioning.ManualSteps,
	}
	if p := settings.Provisioning.DefaultPermission; p != nil && p.requestable(a.AppID) {
		choice := viewChoice(p)
		v.DefaultPermission = &choice
	}
	switch {
	case settings.RedirectURL != "":
		v.NextStep = "Access to this app is not requested here. Give the user redirect_url."
	case v.PermissionSelection == selectOne || v.PermissionSelection == selectSeveral:
		v.NextStep = "Call list_requestable_permissions, let the user choose, ask for a justification, then call submit_access_request."
	default:
		v.NextStep = "Ask the user for a justification, then call submit_access_request without permission_ids."
	}
	done.view = &v
	return done, nil
}

// selectionOf says whether a request names permissions.
func selectionOf(s *wireSettings) string {
	switch s.Provisioning.Groups {
	case provisionDirect, provisionHidden:
		return selectNone
	case provisionVisible:
		if s.Provisioning.AllowMultiple {
			return selectSeveral
		}
		return selectOne
	}
	return selectUnknown
}

type listPermissionsView struct {
	Permissions []permissionView `json:"permissions"`
	Page        int              `json:"page"`
	HasMore     bool             `json:"has_more"`
	Total       *int             `json:"total,omitzero"`
	NextStep    string           `json:"next_step"`
}

// listPermissions is GET /appstore/requestable_permissions for one app.
func (s *Set) listPermissions(ctx context.Context, c *call, a *listPermissionsArgs) (answer, error) {
	done := answer{target: a.AppID}
	page := cmp.Or(a.Page, 1)
	found, err := s.permissionsPage(ctx, c, a.AppID, a.Query, page, permissionsPerPage)
	if err != nil {
		return done, err
	}
	v := listPermissionsView{
		Permissions: make([]permissionView, 0, len(found.Items)), Page: page,
		HasMore: found.hasMore(page, permissionsPerPage), Total: positive(found.Total),
	}
	for i := range found.Items[:min(len(found.Items), permissionsPerPage)] {
		p := &found.Items[i]
		if !p.requestable(a.AppID) {
			continue
		}
		lengths, _ := p.lengths()
		v.Permissions = append(v.Permissions, permissionView{
			ID: result.Line(p.ID, maxID), Label: result.Line(p.Label, maxLabel), AccessLengths: viewLabels(lengths),
			ManagerApproval: p.Config != nil && p.Config.Approval.Manager == "INITIAL_APPROVAL",
		})
	}
	switch {
	case len(v.Permissions) == 0 && (page > 1 || v.HasMore):
		v.NextStep = emptyPage(page, v.HasMore)
	case len(v.Permissions) == 0 && a.Query != "":
		v.NextStep = "No permission matches. Leave query out to list all of the app."
	case len(v.Permissions) == 0:
		v.NextStep = "This app has no permissions to choose. Call submit_access_request without permission_ids."
	default:
		v.NextStep = "Let the user choose, then call submit_access_request with the chosen permission_ids."
	}
	done.view = &v
	return done, nil
}

// emptyPage says what to do about a page without results where others have
// some: it is past the end, or what it has cannot be shown.
func emptyPage(page int, more bool) string {
	if more {
		return "Nothing on this page can be shown. More results: page " + strconv.Itoa(page+1) + "."
	}
	return "There is nothing on this page: the results end before it. Ask for an earlier page; the first is 1."
}

// positive returns n if it can be a total.
func positive(n *int) *int {
	if n == nil || *n < 0 {
		return nil
	}
	return n
}
