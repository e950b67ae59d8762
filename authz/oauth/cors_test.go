package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

func TestAPreflightNamesOneListOfHeadersAndNoCredentials(t *testing.T) {
	w := httptest.NewRecorder()
	oauth.Preflight(w, http.MethodPost, http.MethodOptions)
	want := http.Header{
		"Access-Control-Allow-Origin":   {"*"},
		"Access-Control-Expose-Headers": {"WWW-Authenticate, Retry-After"},
		"Access-Control-Allow-Methods":  {"POST, OPTIONS"},
		"Access-Control-Allow-Headers":  {"Authorization, Content-Type, MCP-Protocol-Version, DPoP"},
		"Access-Control-Max-Age":        {"600"},
	}
	if diff := cmp.Diff(want, w.Header()); diff != "" || w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("%d %q: %s", w.Code, w.Body, diff)
	}
}
