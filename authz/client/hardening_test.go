package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestRegistrationIsRefusedWithItsReason(t *testing.T) {
	redirects := func(list ...string) string {
		raw, _ := json.Marshal(list)
		return `{"token_endpoint_auth_method":"none","redirect_uris":` + string(raw) + `}`
	}
	with := func(members string) string {
		return `{"redirect_uris":["http://localhost:1/callback"],` + members + `}`
	}
	cases := []struct {
		name, body, code string
		status           int
		why              reason.Reason
	}{
		{"no body", ``, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"not JSON", `redirect_uris=x`, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"an array", `[]`, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"text after the object", publicClaudeCode + `{}`, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a member given twice", with(`"client_name":"a","client_name":"b"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a member given twice deep inside", with(`"x":{"y":[{"a":1,"a":2}]}`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a member given twice in two spellings of one name", with(`"client_name":"a","client_nam\u0065":"b"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a member in the wrong case", with(`"Client_Name":"a"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"redirect URIs in the wrong case", `{"Redirect_URIs":["http://localhost:1/callback"]}`, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"invalid UTF-8", with("\"client_name\":\"\xff\""), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"half a surrogate pair", with(`"client_name":"\ud800"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a name that is a number", with(`"client_name":1`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"redirect URIs that are a string", `{"redirect_uris":"http://localhost:1/callback"}`, "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"17 levels of nesting", with(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"10,000 levels of nesting", strings.Repeat(`[`, 10_000), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a body of more than 32 KiB", with(`"x":"` + strings.Repeat("x", 32<<10) + `"`), "invalid_client_metadata", 413, reason.ClientBadMetadata},
		{"a name that hides its direction", with(`"client_name":"Claude\u202e"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a name of 10 kB", with(`"client_name":"` + strings.Repeat("x", 10_000) + `"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a software id with a line end", with(`"software_id":"a\nb"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a logo that is a script", with(`"logo_uri":"javascript:alert(1)"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a page over http", with(`"client_uri":"http://example.com"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"an unknown authentication method", with(`"token_endpoint_auth_method":"private_key_jwt"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"grant types without the one that is served", with(`"grant_types":["client_credentials"]`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"response types without the one that is served", with(`"response_types":["token"]`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"a scope with a quote", with(`"scope":"a\"b"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"an unknown application type", with(`"application_type":"toaster"`), "invalid_client_metadata", 400, reason.ClientBadMetadata},
		{"no redirect URIs", `{"client_name":"Claude"}`, "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"an empty list of redirect URIs", redirects(), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"eleven redirect URIs", redirects(slices.Repeat([]string{"http://localhost:1/callback"}, 11)...), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"a redirect URI of more than 2 KiB", redirects("https://claude.ai/" + strings.Repeat("x", 2048)), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"a redirect URI that runs code", redirects("javascript:alert(1)"), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"a redirect URI with a control character", redirects("https://claude.ai/\u0000"), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"a redirect URI of nobody", redirects("https://evil.example/cb"), "invalid_redirect_uri", 400, reason.ClientNoProfile},
		{"a known name with a redirect URI of nobody", `{"client_name":"Claude","redirect_uris":["https://evil.example/cb"]}`, "invalid_redirect_uri", 400, reason.ClientNoProfile},
		{"a private scheme alone", redirects("claude://claude.ai/mcp-auth-callback/sdk"), "invalid_redirect_uri", 400, reason.ClientBadRedirect},
		{"a product that no domain allows", redirects("https://chatgpt.com/connector_platform_oauth_redirect"), "unauthorized_client", 403, reason.ClientNotAllowed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, allowed{"claude", "claude-code"})
			w := e.post(c.body)
			got := decode(t, w)
			if w.Code != c.status || got["error"] != c.code {
				t.Errorf("%d %v, want %d %s", w.Code, got, c.status, c.code)
			}
			text, _ := got["error_description"].(string)
			for _, r := range text {
				if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
					t.Errorf("description holds %q: %q", r, text)
				}
			}
			if len(e.store.rows)+len(e.store.registrations) != 0 {
				t.Error("a client was stored")
			}
			events := e.trail.Events()
			if len(events) != 1 || events[0].Name != audit.ClientRejected || events[0].Reason != c.why || events[0].ErrorCode != c.code || events[0].ClientIP != "192.0.2.7" {
				t.Errorf("audited %+v", events)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func TestSixteenLevelsAndBracketsInTextAreNoNesting(t *testing.T) {
	e := newEndpoint(t, all)
	for _, member := range []string{`"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15), `"x":"` + strings.Repeat(`[{\"`, 100) + `"`} {
		if w := e.post(`{"redirect_uris":["http://localhost:1/callback"],` + member + `}`); w.Code != http.StatusCreated {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestRefusalSaysWhatAnAdministratorCanDo(t *testing.T) {
	e := newEndpoint(t, allowed{"claude"})
	for name, c := range map[string]struct {
		redirect string
		says     []string
	}{
		"an unknown address is named":                 {"https://evil.example/cb", []string{"redirect_uris[0] (https://evil.example/cb)", "client block"}},
		"an unsafe address is not repeated":           {"https://evil.example/<b>é", []string{"redirect_uris[0] is refused"}},
		"a product that is not allowed has its id":    {"http://localhost/callback", []string{"claude-code", "clients line"}},
		"a scheme that anyone can claim is explained": {"claude://claude.ai/mcp-auth-callback/sdk", []string{"private-use scheme", "loopback"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := decode(t, e.post(`{"redirect_uris":["`+c.redirect+`"]}`))["error_description"].(string)
			for _, part := range append(c.says, "client: ") {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
			if strings.Contains(text, "<") {
				t.Errorf("%q holds markup", text)
			}
		})
	}
}

func TestBorrowedNameIsMarked(t *testing.T) {
	e := newEndpoint(t, all)
	got := decode(t, e.post(`{"client_name":"ChatGPT","redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`))
	if got["client_name"] != "ChatGPT (unverified)" {
		t.Errorf("registered as %q", got["client_name"])
	}
}

func TestOnlyJSONByPostIsRead(t *testing.T) {
	e := newEndpoint(t, all)
	do := func(method, contentType string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/register", strings.NewReader(publicClaudeCode))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json+x", "multipart/form-data; boundary=x"} {
		if w := do(http.MethodPost, contentType); w.Code != 400 {
			t.Errorf("content type %q: %d", contentType, w.Code)
		}
	}
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		if w := do(http.MethodPost, contentType); w.Code != 201 {
			t.Errorf("content type %q: %d", contentType, w.Code)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		w := do(method, "application/json")
		if w.Code != 405 || w.Header().Get("Allow") != "POST, OPTIONS" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	w := do(http.MethodOptions, "")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Credentials") != "" ||
		!strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version, DPoP") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
}

func FuzzRegistration(f *testing.F) {
	for _, s := range []string{
		publicClaudeCode, `{}`, `{"redirect_uris":[null]}`, `{"redirect_uris":["http://localhost/callback"],"scope":" "}`, "{\"client_name\":\"\xff\"}",
		strings.Repeat("[", 20), `{"redirect_uris":["acme://x"],"client_name":"\u202e"}`, `{"a":"\"[","redirect_uris":["https://claude.ai/api/mcp/auth_callback"]}`,
	} {
		f.Add(s)
	}
	e := newEndpoint(f, all)
	f.Fuzz(func(t *testing.T, body string) {
		e.trail.Reset()
		e.clock.Advance(time.Second) // there is one refusal per second and reason
		w := e.post(body)
		got := decode(t, w)
		switch w.Code {
		case 201:
			row := e.client(t, got["client_id"])
			if !slices.Contains(all, row.Profile) || len(row.RedirectURIs) == 0 || len(row.RedirectURIs) > 10 || !slices.Contains(row.GrantTypes, "authorization_code") {
				t.Fatalf("registered %+v", row)
			}
			if row.Name == "" || len([]rune(row.Name)) > 120 || (row.AuthMethod == "none") != (row.SecretHash == store.Hash{}) {
				t.Fatalf("registered %+v", row)
			}
		case 429: // the flood has spent the budget of its address
			e.clock.Advance(time.Hour)
		case 400, 403, 413:
			if got["error"] == nil || got["client_id"] != nil || len(e.trail.Named(audit.ClientRejected)) != 1 {
				t.Fatalf("%d %v", w.Code, got)
			}
		default:
			t.Fatalf("status %d", w.Code)
		}
		if _, name, ok := client.ParseMetadata([]byte(body)); ok {
			if cleaned, fine := client.CleanText(name); !fine || cleaned != name {
				t.Fatalf("name %q passed", name)
			}
		}
	})
}
