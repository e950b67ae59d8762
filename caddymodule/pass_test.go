package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestACredentialOfOursIsNeverPassedOn(t *testing.T) {
	for name, c := range map[string]struct {
		authorization []string
		passed        bool
	}{
		"no credential":                   {nil, true},
		"a credential of the API's own":   {[]string{"Bearer lsk_abc"}, true},
		"an access token":                 {[]string{"Bearer lma_a.b"}, false},
		"a refresh token":                 {[]string{"Bearer lmr_a.b"}, false},
		"in another spelling of Bearer":   {[]string{"bEARER  lma_a.b"}, false},
		"under another scheme":            {[]string{"Token lma_a.b"}, false},
		"in the second of two headers":    {[]string{"Bearer x", "Bearer lma_a.b"}, false},
		"a password that only looks like": {[]string{"Basic bG1hXw=="}, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp()
			r := httptest.NewRequest(http.MethodGet, "/v1/things", nil)
			r.Header["Authorization"] = c.authorization
			passed := false
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil })
			w := httptest.NewRecorder()
			if err := a.passOn(w, r, next); err != nil || passed != c.passed {
				t.Fatalf("passed on: %v, %v", passed, err)
			}
			if !passed && (w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "") {
				t.Errorf("answered %d %v", w.Code, w.Header())
			}
		})
	}
}

func TestOtherSpellingsOfTheEndpointDoNotFallThrough(t *testing.T) {
	for path, want := range map[string]bool{
		"/mcp/appstore": false, "/mcp/appstore/": true, "//mcp/appstore": true, "/MCP/appstore": true, "/mcp/appstore;x": true,
		"/mcp/./appstore": true, "/mcp/x/../appstore": true, "/mcp": false, "/mcp/appstore2": false, "/mcp/appstore/x": false, "/": false, "": false,
	} {
		if got := nearMiss(path, "/mcp/appstore"); got != want {
			t.Errorf("nearMiss(%q) = %v", path, got)
		}
	}
}

func TestACredentialGoesOnToAnotherEndpointOfTheSite(t *testing.T) {
	a := newTestApp()
	a.bridges = []*Bridge{{Path: "/mcp/second", host: "example.com"}}
	r := httptest.NewRequest(http.MethodPost, "/mcp/second", nil)
	r.Header.Set("Authorization", "Bearer lma_a.b")
	passed := false
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil })
	if err := a.passOn(httptest.NewRecorder(), r, next); err != nil || !passed {
		t.Errorf("passed on: %v, %v", passed, err)
	}
}
