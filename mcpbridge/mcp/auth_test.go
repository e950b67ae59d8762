package mcp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
)

const (
	plainChallenge   = `Bearer resource_metadata="` + metadataURL + `", scope="appstore:read appstore:request"`
	invalidChallenge = `Bearer error="invalid_token", error_description="The access token is not valid (any more). Refresh it or sign in again.", resource_metadata="` + metadataURL + `", scope="appstore:read appstore:request"`
	stepUpChallenge  = `Bearer error="insufficient_scope", error_description="This tool needs the scope appstore:request, which was not given yet.", resource_metadata="` + metadataURL + `", scope="appstore:read appstore:request"`
)

func TestChallenges(t *testing.T) {
	list := modernCall("tools/list", "").as("")
	auth := func(value string) call { return list.with("Authorization: " + value) }
	tests := map[string]struct {
		call      call
		status    int
		challenge string
		reason    string
	}{
		"no token: no error attribute":                    {list, 401, plainChallenge, "client/no_token"},
		"no token with an old client":                     {legacyCall("initialize", `"protocolVersion":"2025-11-25"`).as(""), 401, plainChallenge, "client/no_token"},
		"no token and no body":                            {call{}, 401, plainChallenge, "client/no_token"},
		"another scheme is no token":                      {auth("Basic dTpw"), 401, plainChallenge, "client/no_token"},
		"the scheme alone is no token":                    {auth("Bearer"), 401, plainChallenge, "client/no_token"},
		"an unknown token":                                {auth("Bearer lma_unknown"), 401, invalidChallenge, "grant/unknown"},
		"a revoked token, with the reason the gate tells": {auth("Bearer lma_revoked"), 401, invalidChallenge, "grant/revoked"},
		"two tokens in one header":                        {auth("Bearer " + tokenWriter + ", Bearer " + tokenMember), 401, invalidChallenge, "grant/unknown"},
		"a token with a quote":                            {auth(`Bearer lma_"x"`), 401, invalidChallenge, "grant/unknown"},
		"a token of five thousand characters":             {auth("Bearer " + strings.Repeat("a", 5000)), 401, invalidChallenge, "grant/unknown"},
		"two Authorization headers": {call{headers: []string{"Authorization: Bearer " + tokenWriter, "Authorization: Bearer " + tokenWriter}},
			400, "", "client/bad_request"},
		"a missing scope: all scopes in one challenge": {modernCall("tools/call", `"name":"write"`).as(tokenMember), 403, stepUpChallenge, "scope/missing"},
		"a missing scope with an old client":           {legacyCall("tools/call", `"name":"write"`).as(tokenMember), 403, stepUpChallenge, "scope/missing"},
	}
	e := serve(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := e.do(t, tc.call)
			if a.status != tc.status {
				t.Fatalf("status %d, want %d", a.status, tc.status)
			}
			if diff := cmp.Diff(tc.challenge, a.header.Get("WWW-Authenticate")); diff != "" {
				t.Errorf("challenge (-want +got):\n%s", diff)
			}
			var body struct {
				ID    any
				Error struct {
					Data struct{ Reason, Error, Scope string }
				}
			}
			a.decode(t, &body)
			if got := body.Error.Data.Reason; got != tc.reason {
				t.Errorf("reason %q, want %q", got, tc.reason)
			}
			if (body.ID != nil) != (a.status == 403) {
				t.Errorf("id %v: only what was parsed has one", body.ID)
			}
			if a.status == 403 && body.Error.Data.Scope != "appstore:read appstore:request" {
				t.Errorf("scope in the body: %q", body.Error.Data.Scope)
			}
		})
	}
}

func TestTheSchemeIsNotCaseSensitive(t *testing.T) {
	e := serve(t)
	for _, scheme := range []string{"bearer", "BEARER", "BeArEr"} {
		if a := e.do(t, modernCall("tools/list", "").with("Authorization: "+scheme+" "+tokenWriter)); a.status != 200 {
			t.Errorf("%s: status %d", scheme, a.status)
		}
	}
}

func TestMalformedTokensNeverReachTheGate(t *testing.T) {
	e := serve(t)
	for _, value := range []string{"Bearer", "Basic x", "Bearer a b", `Bearer "`, "Bearer " + strings.Repeat("a", 5000)} {
		e.do(t, call{headers: []string{"Authorization: " + value}})
	}
	if len(e.gate.asked) > 0 {
		t.Errorf("the gate was asked about %q", e.gate.asked)
	}
}

func TestWhatCannotBeDecidedIs503AndNeverADenial(t *testing.T) {
	e := serve(t)
	for name, c := range map[string]call{
		"the token cannot be checked":   modernCall("tools/list", "").as(tokenBroken),
		"the same with an older client": legacyCall("tools/call", `"name":"echo"`).as(tokenBroken),
	} {
		t.Run(name, func(t *testing.T) {
			a := e.do(t, c)
			if a.status != 503 || a.errorCode(t) != -32603 || a.header.Get("Retry-After") != "1" || a.header.Get("WWW-Authenticate") != "" {
				t.Errorf("got %d %v %s", a.status, a.header, a.body)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("the cause is in the answer: %s", a.body)
			}
		})
	}
	if events := e.trail.all(); len(events) != 0 {
		t.Errorf("audited as failures: %+v", events)
	}
}

func TestARoleThatForbidsIsAToolErrorAndNoChallenge(t *testing.T) {
	e := serve(t)
	for name, c := range map[string]call{"modern": modernCall("tools/call", `"name":"admin"`), "legacy": legacyCall("tools/call", `"name":"admin"`)} {
		t.Run(name, func(t *testing.T) {
			a := e.do(t, c)
			if a.status != 200 || a.header.Get("WWW-Authenticate") != "" {
				t.Fatalf("got %d %v", a.status, a.header)
			}
			var body resultBody
			a.decode(t, &body)
			if !body.Result.IsError || body.Result.Meta.Error.Code != mcp.CodePermissionDenied || body.Result.Meta.Error.Reason != "role/no_permission" {
				t.Errorf("got %s", a.body)
			}
		})
	}
	want := []mcpbridge.Event{{Name: mcpbridge.EventAuthorizationFailed, Tool: "admin", Scope: scopeRead, Permission: "admin", Reason: reason.RoleNoPermission, ErrorCode: mcp.CodePermissionDenied}}
	if diff := cmp.Diff(append(want, want...), trimmed(e.trail.all())); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestToolsThatARoleForbidsAreNotListed(t *testing.T) {
	e := serve(t)
	for name, tc := range map[string]struct {
		token       string
		want, never []string
	}{
		"a writer sees all but the admin's tool":        {tokenWriter, []string{"echo", "write"}, []string{"admin"}},
		"who only lacks consent sees what to ask for":   {tokenMember, []string{"echo", "write"}, []string{"admin"}},
		"a guest, whose role allows nothing, sees none": {tokenGuest, nil, []string{"echo", "write", "admin"}},
	} {
		for era, c := range map[string]call{"modern": modernCall("tools/list", ""), "legacy": legacyCall("tools/list", "")} {
			t.Run(name+", "+era, func(t *testing.T) {
				var body struct {
					Result struct{ Tools []struct{ Name string } }
				}
				e.do(t, c.as(tc.token)).decode(t, &body)
				listed := map[string]bool{}
				for _, tool := range body.Result.Tools {
					listed[tool.Name] = true
				}
				for _, name := range tc.want {
					if !listed[name] {
						t.Errorf("%s is not listed", name)
					}
				}
				for _, name := range tc.never {
					if listed[name] {
						t.Errorf("%s is listed", name)
					}
				}
				if body.Result.Tools == nil {
					t.Error("tools is not an array")
				}
			})
		}
	}
}

func TestFloodsOfAnonymousFailuresAreAuditedOncePerSecondAndReason(t *testing.T) {
	e := serve(t)
	flood := func() {
		for range 20 {
			e.do(t, call{token: "lma_random"})
			e.do(t, call{})
			e.do(t, call{headers: []string{"Origin: https://evil.example"}})
		}
	}
	flood()
	e.clock.Advance(time.Second)
	flood()
	got := map[reason.Reason][]int{}
	for _, event := range e.trail.all() {
		if event.Name != mcpbridge.EventAuthorizationFailed || event.Principal != nil {
			t.Errorf("unexpected event %+v", event)
		}
		got[event.Reason] = append(got[event.Reason], event.Count)
	}
	want := map[reason.Reason][]int{reason.GrantUnknown: {0, 19}, reason.ClientNoToken: {0, 19}, reason.ClientBadOrigin: {0, 19}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("how many the events of each reason stand for, themselves excluded (-want +got):\n%s", diff)
	}
}

func TestCORS(t *testing.T) {
	e := serve(t)
	preflight := func(origin string) call {
		return call{method: http.MethodOptions, headers: []string{"Content-Type:", "Origin: " + origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}}
	}
	t.Run("a preflight of an allowed origin needs no token", func(t *testing.T) {
		a := e.do(t, preflight("https://app.example.com"))
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Fatalf("got %d %v", a.status, a.header)
		}
		for _, name := range []string{"Authorization", "Content-Type", "Mcp-Protocol-Version", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name", "Last-Event-ID"} {
			if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("the header %s is not allowed", name)
			}
		}
		if !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
			t.Error("POST is not allowed")
		}
	})
	t.Run("a preflight of another origin is refused", func(t *testing.T) {
		a := e.do(t, preflight("https://evil.example"))
		if a.status != http.StatusForbidden || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("got %d %v", a.status, a.header)
		}
	})
	t.Run("a challenge can be read by an allowed page", func(t *testing.T) {
		a := e.do(t, call{headers: []string{"Origin: https://app.example.com"}})
		if a.status != 401 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || a.header.Get("Vary") != "Origin" {
			t.Errorf("got %d %v", a.status, a.header)
		}
		for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
			if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), name) {
				t.Errorf("the header %s is not exposed", name)
			}
		}
	})
	t.Run("programs, which send no origin, get no CORS headers", func(t *testing.T) {
		a := e.do(t, modernCall("tools/list", ""))
		if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Expose-Headers") != "" {
			t.Errorf("got %v", a.header)
		}
	})
	t.Run("OPTIONS without origin says what is allowed", func(t *testing.T) {
		a := e.do(t, call{method: http.MethodOptions})
		if a.status != http.StatusNoContent || a.header.Get("Allow") != "POST" {
			t.Errorf("got %d %v", a.status, a.header)
		}
	})
}
