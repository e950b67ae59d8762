package appstore

import (
	"net/http"
	"strings"
)

// currentUser answers with the caller, whatever their state: a caller learns
// from it that a person is no longer active.
func (s *Server) currentUser(c *call) answer { return ok(c.person.wire()) }

// info is the liveness check. It needs no credential.
func (s *Server) info(*call) answer {
	return answer{
		status: http.StatusOK,
		header: http.Header{
			"X-Ratelimit-Limit": {"10"}, "X-Ratelimit-Remaining": {"9"},
			"X-Ratelimit-Reset": {"1795392000.25"}, // a fraction, as on the real host
		},
		body: struct {
			Version string `json:"version"`
		}{"0.1.0"},
	}
}

// listApps answers with a page of the apps that the caller may find.
func (s *Server) listApps(c *call) answer {
	q := c.query()
	paging := q.paging()
	exact, _ := q.flag("exact_match")
	all, _ := q.flag("all_visibilities")
	if len(q.errors) > 0 {
		return invalid(q.errors...)
	}
	if all {
		return refusal(http.StatusForbidden, "Only admins may list all visibilities.")
	}
	search, appID := q.text("name_search"), q.text("app_id")
	found := []appJSON{}
	for _, a := range s.catalog.apps {
		visible := a.settings.RequestFlow.Discoverability
		if visible == discoverNone || (visible == discoverLimited && search == "" && appID == "") {
			continue
		}
		if appID != "" && a.wire.ID != appID {
			continue
		}
		if search != "" && !matches(search, exact, a.wire.UserFriendlyLabel, a.wire.InstanceID, a.wire.AppClassID) {
			continue
		}
		found = append(found, a.wire)
	}
	return ok(cut(found, paging))
}

// getApp answers with one app.
func (s *Server) getApp(c *call) answer {
	a, found := s.visibleApp(c.request.PathValue("id"))
	if !found {
		return refusal(http.StatusNotFound, "App not found")
	}
	return ok(a.wire)
}

// getSettings answers with the App Store settings of one app.
func (s *Server) getSettings(c *call) answer {
	a, found := s.visibleApp(c.request.PathValue("id"))
	if !found {
		return refusal(http.StatusNotFound, "App not found")
	}
	return ok(a.settings)
}

// listPermissions answers with a page of permissions, of one app or of all.
func (s *Server) listPermissions(c *call) answer {
	q := c.query()
	paging := q.paging()
	exact, _ := q.flag("exact_match")
	inStore, filtered := q.flag("in_app_store")
	q.flag("include_inherited_configs")
	if len(q.errors) > 0 {
		return invalid(q.errors...)
	}
	search, appID := q.text("search_term"), q.text("app_id")
	found := []permissionJSON{}
	for _, a := range s.catalog.apps {
		if (appID != "" && a.wire.ID != appID) || a.settings.RequestFlow.Discoverability == discoverNone {
			continue
		}
		for _, p := range a.permissions {
			if filtered && inStore != (p.RequestConfig.AppstoreVisibility == "VISIBLE") {
				continue
			}
			if search != "" && !matches(search, exact, p.Label) {
				continue
			}
			found = append(found, p)
		}
	}
	return ok(cut(found, paging))
}

// visibleApp returns an app that the caller may know of.
func (s *Server) visibleApp(id string) (*app, bool) {
	a, found := s.catalog.byID[id]
	if !found || a.settings.RequestFlow.Discoverability == discoverNone {
		return nil, false
	}
	return a, true
}

// matches reports whether one of the texts is, or without exact contains, the
// search text in any letter case.
func matches(search string, exact bool, texts ...string) bool {
	for _, text := range texts {
		if exact && strings.EqualFold(text, search) {
			return true
		}
		if !exact && strings.Contains(strings.ToLower(text), strings.ToLower(search)) {
			return true
		}
	}
	return false
}
