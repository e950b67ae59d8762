package appstore_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/tests/appstore"
)

type listedApp struct {
	ID    string `json:"id"`
	Label string `json:"user_friendly_label"`
}

type appPage struct {
	Items []listedApp `json:"items"`
	Total int         `json:"total"`
	Page  int         `json:"page"`
	Size  int         `json:"size"`
	Pages int         `json:"pages"`
}

type settings struct {
	RedirectURL *string `json:"redirect_url"`
	RequestFlow struct {
		Admins any `json:"admins"`
	} `json:"request_flow"`
	Provisioning struct {
		GroupsProvisioning string   `json:"groups_provisioning"`
		TimeBasedAccess    []string `json:"time_based_access"`
		Multiple           bool     `json:"allow_multiple_permission_selection"`
		Default            *string  `json:"default_time_based_access_option"`
	} `json:"provisioning"`
}

type permissionPage struct {
	Items []struct {
		ID    string `json:"id"`
		AppID string `json:"app_id"`
	} `json:"items"`
	Total int `json:"total"`
}

func TestPaging(t *testing.T) {
	b := start(t)
	first := get[appPage](b, "/appstore/apps")
	if first.Page != 1 || first.Size != 50 || len(first.Items) != 50 || first.Pages != (first.Total+49)/50 {
		t.Errorf("without parameters: page %d size %d, %d items, %d pages of %d", first.Page, first.Size, len(first.Items), first.Pages, first.Total)
	}
	seen := map[string]bool{}
	for n := 1; n <= first.Pages; n++ {
		for _, a := range get[appPage](b, "/appstore/apps?page="+strconv.Itoa(n)).Items {
			if seen[a.ID] {
				t.Errorf("%s is on two pages", a.Label)
			}
			seen[a.ID] = true
		}
	}
	if len(seen) != first.Total || first.Total < 250 {
		t.Errorf("all pages have %d apps of %d", len(seen), first.Total)
	}
	for _, page := range []string{"99", "2147483647"} {
		past := get[appPage](b, "/appstore/apps?page="+page)
		if past.Items == nil || len(past.Items) != 0 || past.Total != first.Total {
			t.Errorf("page %s: %d items of %d, want an empty list of %d", page, len(past.Items), past.Total, first.Total)
		}
	}
}

func TestQueryRefuses(t *testing.T) {
	tests := []struct {
		name, target, parameter, kind string
	}{
		{"page 0", "/appstore/apps?page=0", "page", "greater_than_equal"},
		{"size 0", "/appstore/apps?size=0", "size", "greater_than_equal"},
		{"size 101", "/appstore/apps?size=101", "size", "less_than_equal"},
		{"a page that is no number", "/appstore/requestable_permissions?page=one", "page", "int_parsing"},
		{"a flag that is no boolean", "/appstore/apps?exact_match=maybe", "exact_match", "bool_parsing"},
		{"a state that does not exist", "/appstore/access_requests?statuses=PENDING&statuses=OPEN", "statuses", "enum"},
	}
	b := start(t)
	for _, tt := range tests {
		t.Run(tt.name+" with the list form of 422", func(t *testing.T) {
			status, body := b.do(http.MethodGet, tt.target, "")
			got := decode[struct {
				Detail []struct {
					Loc  []any  `json:"loc"`
					Msg  string `json:"msg"`
					Type string `json:"type"`
				} `json:"detail"`
			}](t, body)
			if status != http.StatusUnprocessableEntity || len(got.Detail) != 1 {
				t.Fatalf("answered %d %s", status, body)
			}
			d := got.Detail[0]
			if d.Loc[0] != "query" || d.Loc[1] != tt.parameter || d.Type != tt.kind || d.Msg == "" {
				t.Errorf("detail %+v", d)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	b := start(t)
	has := func(p appPage, id string) bool {
		return slices.ContainsFunc(p.Items, func(a listedApp) bool { return a.ID == id })
	}
	all := appPage{}
	for _, n := range []string{"1", "2", "3"} {
		all.Items = append(all.Items, get[appPage](b, "/appstore/apps?size=100&page="+n).Items...)
	}
	tests := []struct {
		name string
		page appPage
		id   string
		want bool
	}{
		{"finds part of a name in any letter case", get[appPage](b, "/appstore/apps?name_search=LOOM%20wik"), appstore.AppDirect, true},
		{"finds a class id", get[appPage](b, "/appstore/apps?name_search=brightloom-wiki.example"), appstore.AppDirect, true},
		{"finds a whole name exactly", get[appPage](b, "/appstore/apps?exact_match=true&name_search=brightloom%20wiki"), appstore.AppDirect, true},
		{"finds no part of a name exactly", get[appPage](b, "/appstore/apps?exact_match=true&name_search=brightloom"), appstore.AppDirect, false},
		{"finds an app of limited discoverability", get[appPage](b, "/appstore/apps?name_search=brightloom"), appstore.AppSearchOnly, true},
		{"finds no hidden app", get[appPage](b, "/appstore/apps?name_search=cinderpost"), appstore.AppUnlisted, false},
		{"left out lists apps of full discoverability", all, appstore.AppDirect, true},
		{"left out lists no app of limited discoverability", all, appstore.AppSearchOnly, false},
		{"finds one app by id", get[appPage](b, "/appstore/apps?app_id="+appstore.AppManual), appstore.AppManual, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := has(tt.page, tt.id); got != tt.want {
				t.Errorf("found: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	b := start(t)
	of := func(id string) settings { return get[settings](b, "/appstore/apps/"+id+"/settings") }
	if s := of(appstore.AppRedirect); s.RedirectURL == nil {
		t.Error("the redirecting app has no redirect_url")
	}
	if s := of(appstore.AppHidden); s.Provisioning.GroupsProvisioning != "GROUPS_AND_HIDDEN" {
		t.Errorf("the app with hidden permissions is %s", s.Provisioning.GroupsProvisioning)
	}
	s := of(appstore.AppMultiple)
	if !s.Provisioning.Multiple || s.Provisioning.Default == nil || !slices.Contains(s.Provisioning.TimeBasedAccess, *s.Provisioning.Default) {
		t.Errorf("the app with several permissions has %+v", s.Provisioning)
	}
	if _, list := of(appstore.AppDirect).RequestFlow.Admins.([]any); !list {
		t.Error("an app without admins does not show an empty list")
	}
	if _, object := of(appstore.AppVisible).RequestFlow.Admins.(map[string]any); !object {
		t.Error("an app with admins does not show an object")
	}
}

func TestPermissions(t *testing.T) {
	b := start(t)
	list := func(query string) permissionPage {
		return get[permissionPage](b, "/appstore/requestable_permissions?size=100&"+query)
	}
	if got := list("app_id=" + appstore.AppMultiple); got.Total != 12 || got.Items[3].ID != appstore.PermissionID(appstore.AppMultiple, 3) {
		t.Errorf("%d permissions, number 3 is %s", got.Total, got.Items[3].ID)
	}
	if got := list("app_id=" + appstore.AppHidden).Total; got != 3 {
		t.Errorf("without a filter: %d hidden permissions, want 3", got)
	}
	if got := list("in_app_store=true&app_id=" + appstore.AppHidden).Total; got != 0 {
		t.Errorf("in the store: %d hidden permissions, want 0", got)
	}
	if got := list("search_term=edit&app_id=" + appstore.AppMultiple).Total; got != 1 {
		t.Errorf("by name: %d permissions, want 1", got)
	}
	if got := list("").Total; got < 300 {
		t.Errorf("of all apps: %d permissions", got)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, method, target string
		status               int
		text                 string
	}{
		{"an unknown app", http.MethodGet, "/appstore/apps/nothing", 404, "App not found"},
		{"an unlisted app", http.MethodGet, "/appstore/apps/" + appstore.AppUnlisted, 404, "App not found"},
		{"the settings of an unknown app", http.MethodGet, "/appstore/apps/nothing/settings", 404, "App not found"},
		{"an unknown request", http.MethodGet, "/appstore/access_requests/nothing", 404, "Access request not found"},
		{"an unknown path", http.MethodGet, "/appstore", 404, "Not Found"},
		{"the plural of the singular path", http.MethodPost, "/appstore/access_requests", 405, "Method Not Allowed"},
		{"a path with dot segments", http.MethodGet, "/appstore/apps/../../users/current", 404, "Not Found"},
		{"an encoded dot segment as an id", http.MethodGet, "/appstore/apps/%2e%2e%2f%2e%2e%2fusers%2fcurrent", 404, "App not found"},
		{"an admin's parameter", http.MethodGet, "/appstore/apps?all_visibilities=true", 403, "Only admins may list all visibilities."},
	}
	b := start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := b.do(tt.method, tt.target, "")
			if got := detail(t, body); status != tt.status || got != tt.text {
				t.Errorf("answered %d %q, want %d %q", status, got, tt.status, tt.text)
			}
		})
	}
	t.Run("not for the liveness check, which needs no token", func(t *testing.T) {
		res, err := b.http.Get(b.server.URL() + "/info")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Header.Get("Retry-After") != "1" {
			t.Errorf("answered %s with Retry-After %q", res.Status, res.Header.Get("Retry-After"))
		}
	})
}

func TestCatalogue(t *testing.T) {
	names := func(b *backend) []string {
		var all []string
		for _, n := range []string{"1", "2", "3"} {
			for _, a := range get[appPage](b, "/appstore/apps?size=100&page="+n).Items {
				all = append(all, a.ID+" "+a.Label)
			}
		}
		return all
	}
	first, second := names(start(t)), names(start(t))
	t.Run("is the same at every start", func(t *testing.T) {
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
	t.Run("has no name twice", func(t *testing.T) {
		seen := map[string]bool{}
		for _, a := range first {
			_, name, _ := strings.Cut(a, " ")
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	})
}
