package discovery_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/discovery"
	"github.com/teamlumos/mcp-edge/authz/policy"
)

const issuer = "https://auth.example.com"

func appstore() policy.Resource {
	return policy.Resource{
		URL: "https://api.example.com/mcp/appstore", Name: "App Store",
		Scopes:        []policy.Scope{{Name: "appstore:read"}, {Name: "appstore:request"}},
		InitialScopes: []string{"appstore:read"},
	}
}

func server(t *testing.T, cfg discovery.ServerConfig) *discovery.Document {
	t.Helper()
	d, err := discovery.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func get(h http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

func TestServerMetadataStatesExactlyWhatAnswers(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer, Scopes: []string{"appstore:read", "appstore:request", "appstore:read"}, DynamicRegistration: true, Introspection: true})
	methods := []any{"none", "client_secret_post", "client_secret_basic"}
	want := map[string]any{
		"issuer":                 issuer,
		"authorization_endpoint": issuer + "/authorize",
		"token_endpoint":         issuer + "/token",
		"registration_endpoint":  issuer + "/register",
		"revocation_endpoint":    issuer + "/revoke",
		"introspection_endpoint": issuer + "/introspect",
		"introspection_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post"},
		"jwks_uri":                                       issuer + "/jwks.json",
		"scopes_supported":                               []any{"appstore:read", "appstore:request"},
		"response_types_supported":                       []any{"code"},
		"response_modes_supported":                       []any{"query"},
		"grant_types_supported":                          []any{"authorization_code", "refresh_token"},
		"token_endpoint_auth_methods_supported":          methods,
		"revocation_endpoint_auth_methods_supported":     methods,
		"code_challenge_methods_supported":               []any{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if diff := cmp.Diff(want, decode(t, d.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestMembersWithoutElementsAreLeftOut(t *testing.T) {
	m := decode(t, server(t, discovery.ServerConfig{Issuer: issuer}).Bytes())
	for _, member := range []string{"registration_endpoint", "scopes_supported", "client_id_metadata_document_supported", "introspection_endpoint", "introspection_endpoint_auth_methods_supported"} {
		if _, there := m[member]; there {
			t.Errorf("%s is advertised", member)
		}
	}
	r := appstore()
	r.InitialScopes, r.Name = nil, ""
	d, err := discovery.NewResource(r, issuer)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"resource": r.URL, "authorization_servers": []any{issuer}, "bearer_methods_supported": []any{"header"}}
	if diff := cmp.Diff(want, decode(t, d.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestResourceMetadataNamesTheInitialScopesOnly(t *testing.T) {
	d, err := discovery.NewResource(appstore(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"resource": "https://api.example.com/mcp/appstore", "authorization_servers": []any{issuer}, "scopes_supported": []any{"appstore:read"},
		"bearer_methods_supported": []any{"header"}, "resource_name": "App Store",
	}
	if diff := cmp.Diff(want, decode(t, d.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestIssuerThatClientsCouldNotCompareIsRefused(t *testing.T) {
	for name, s := range map[string]string{
		"empty": "", "no scheme": "auth.example.com", "http": "http://auth.example.com", "trailing slash": issuer + "/", "a path": issuer + "/tenant",
		"a query": issuer + "?x=1", "an empty query": issuer + "?", "a fragment": issuer + "#x", "an empty fragment": issuer + "#", "user information": "https://u@auth.example.com", "capitals": "https://Auth.example.com",
		"scheme in capitals": "HTTPS://auth.example.com", "default port": issuer + ":443", "control character": issuer + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := discovery.NewServer(discovery.ServerConfig{Issuer: s}); err == nil {
				t.Error("accepted by the server")
			}
			if _, err := discovery.NewResource(appstore(), s); err == nil {
				t.Error("accepted by the resource")
			}
		})
	}
	for _, s := range []string{issuer, issuer + ":8443", "https://localhost:8443", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:8080", "https://[::1]:8443"} {
		if _, err := discovery.NewServer(discovery.ServerConfig{Issuer: s}); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestResourceThatClientsCouldNotCompareIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "/mcp", "http://api.example.com/mcp", "https://API.example.com/mcp", "https://api.example.com/", "https://api.example.com:443/mcp",
		"https://api.example.com/mcp?x=1", "https://api.example.com/mcp?", "https://api.example.com/mcp#x", "https://u@api.example.com/mcp",
	} {
		t.Run(s, func(t *testing.T) {
			r := appstore()
			r.URL = s
			if _, err := discovery.NewResource(r, issuer); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestDocumentIsServedToAnyOriginAndCached(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer})
	w := get(d, http.MethodGet, discovery.ServerPath, http.Header{"Origin": {"https://inspector.example"}})
	if w.Code != 200 || w.Body.String() != string(d.Bytes()) {
		t.Fatalf("status %d, body %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Credentials": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	head := get(d, http.MethodHead, discovery.ServerPath, nil)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("ETag") != w.Header().Get("ETag") || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
		t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
	}
}

func TestKnownDocumentIsNotSentAgain(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer})
	etag := get(d, http.MethodGet, "/", nil).Header().Get("ETag")
	changed := server(t, discovery.ServerConfig{Issuer: issuer, DynamicRegistration: true})
	for name, c := range map[string]struct {
		h      http.Handler
		header string
		want   int
	}{
		"the same tag": {d, etag, 304}, "a weak tag": {d, "W/" + etag, 304}, "one of a list": {d, `"x", ` + etag + `,"y"`, 304}, "any tag": {d, "*", 304},
		"another tag": {d, `"x"`, 200}, "a tag without quotes": {d, strings.Trim(etag, `"`), 200}, "an empty header": {d, "", 200}, "a changed document": {changed, etag, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := get(c.h, http.MethodGet, "/", http.Header{"If-None-Match": {c.header}})
			if w.Code != c.want || (w.Code == 304) != (w.Body.Len() == 0) {
				t.Errorf("status %d with %d bytes, want %d", w.Code, w.Body.Len(), c.want)
			}
			if w.Header().Get("ETag") == "" || w.Header().Get("Cache-Control") == "" {
				t.Error("tag or lifetime is missing")
			}
		})
	}
}

func TestOtherMethodsAreRefusedAndPreflightsAnswered(t *testing.T) {
	for name, h := range map[string]http.Handler{"a document": server(t, discovery.ServerConfig{Issuer: issuer}), "a missing document": http.HandlerFunc(discovery.NotFound)} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "PROPFIND"} {
				w := get(h, method, "/", nil)
				if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, OPTIONS" || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
				}
			}
			w := get(h, http.MethodOptions, "/", nil)
			if w.Code != 204 || w.Body.Len() != 0 || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version") {
				t.Errorf("preflight: %d, %v", w.Code, w.Header())
			}
		})
	}
}

func TestServerSiteServesOneDocumentUnderBothNames(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer})
	site := discovery.NewServerSite(d, discovery.NewJWKS(5*time.Minute, func() []byte { return []byte(`{"keys":[]}`) }))
	for path, want := range map[string]string{
		"/.well-known/oauth-authorization-server": string(d.Bytes()),
		"/.well-known/openid-configuration":       string(d.Bytes()),
		"/jwks.json":                              `{"keys":[]}`,
	} {
		if w := get(site, http.MethodGet, path, nil); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestResourceSiteServesEachResourceAtItsPath(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer})
	second := appstore()
	second.URL = "https://api.example.com/mcp/other"
	one, err := discovery.NewResourceSite(d, issuer, appstore())
	if err != nil {
		t.Fatal(err)
	}
	two, err := discovery.NewResourceSite(d, issuer, appstore(), second)
	if err != nil {
		t.Fatal(err)
	}
	const root = "/.well-known/oauth-protected-resource"
	cases := []struct {
		name, path, want string // the resource that is described; "" for 404
		site             *discovery.Site
	}{
		{"a single resource at its own path", root + "/mcp/appstore", appstore().URL, one},
		{"a single resource at the root form", root, appstore().URL, one},
		{"the first of two at its path", root + "/mcp/appstore", appstore().URL, two},
		{"the second of two at its path", root + "/mcp/other", second.URL, two},
		{"the root form is nobody's when there are two", root, "", two},
		{"an unknown resource is not found", root + "/mcp/unknown", "", one},
		{"a trailing slash is another path", root + "/mcp/appstore/", "", one},
		{"another spelling is another path", root + "/mcp%2Fappstore", "", one},
		{"a resource without prefix is not found", "/mcp/appstore", "", one},
		{"OpenID discovery is not served here", "/.well-known/openid-configuration", "", one},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := get(c.site, http.MethodGet, c.path, nil)
			body := decode(t, w.Body.Bytes())
			if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers %v", w.Header())
			}
			if c.want == "" {
				if w.Code != 404 || body["error"] == nil || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%d %v", w.Code, body)
				}
				return
			}
			if w.Code != 200 || body["resource"] != c.want {
				t.Errorf("%d %v", w.Code, body)
			}
		})
	}
	if w := get(one, http.MethodGet, discovery.ServerPath, nil); w.Body.String() != string(d.Bytes()) {
		t.Error("the server's document is missing at the resource host")
	}
	paths := one.Paths()
	slices.Sort(paths)
	if diff := cmp.Diff([]string{discovery.ServerPath, root, root + "/mcp/appstore"}, paths); diff != "" {
		t.Error(diff)
	}
	if _, err := discovery.NewResourceSite(d, issuer, appstore(), appstore()); err == nil {
		t.Error("two resources of one path are accepted")
	}
}

func TestMetadataAddressIsOnTheOriginOfTheResource(t *testing.T) {
	for resource, want := range map[string]string{
		"https://api.example.com/mcp/appstore":  "https://api.example.com/.well-known/oauth-protected-resource/mcp/appstore",
		"https://api.example.com":               "https://api.example.com/.well-known/oauth-protected-resource",
		"https://localhost:8444/mcp/appstore":   "https://localhost:8444/.well-known/oauth-protected-resource/mcp/appstore",
		"https://api.example.com/mcp/a%20space": "https://api.example.com/.well-known/oauth-protected-resource/mcp/a%20space",
	} {
		if got, err := discovery.MetadataURL(resource); err != nil || got != want {
			t.Errorf("%s: %q, %v", resource, got, err)
		}
	}
	if _, err := discovery.MetadataURL("/mcp"); err == nil {
		t.Error("a path alone is accepted")
	}
}

func TestNothingOfTheRequestReachesADocument(t *testing.T) {
	d := server(t, discovery.ServerConfig{Issuer: issuer})
	site := discovery.NewServerSite(d, discovery.NewJWKS(time.Minute, func() []byte { return nil }))
	r := httptest.NewRequest(http.MethodGet, discovery.ServerPath+"?issuer=https://evil.example", nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if w.Body.String() != string(d.Bytes()) || strings.Contains(w.Body.String(), "evil") {
		t.Error("the answer depends on the request")
	}
}

func TestTheKeySetIsTheOneOfNowAndSaysHowLongItIsGood(t *testing.T) {
	keys := `{"keys":[]}`
	handler := discovery.NewJWKS(90*time.Second, func() []byte { return []byte(keys) })
	get := func(etag string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/jwks.json", nil)
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		handler.ServeHTTP(w, r)
		return w
	}
	first := get("")
	if got := first.Header().Get("Cache-Control"); got != "public, max-age=90" {
		t.Errorf("Cache-Control %q", got)
	}
	if again := get(first.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("the same key set is answered with %d", again.Code)
	}
	keys = `{"keys":[{"kid":"next"}]}`
	if after := get(first.Header().Get("ETag")); after.Code != http.StatusOK || after.Body.String() != keys {
		t.Errorf("after a rotation: %d %s", after.Code, after.Body)
	}
}
