package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/appstore"
)

// backendHeaders: nothing of a header of the backend reaches the assistant, be it
// hop by hop, a credential, or what a browser would obey.
func backendHeaders(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	const mark = "of-the-backend"
	names := []string{
		"Set-Cookie", "Www-Authenticate", "Proxy-Authenticate", "Authorization", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
		"Location", "Link", "Refresh", "Clear-Site-Data", "Content-Security-Policy", "Strict-Transport-Security", "Alt-Svc", "Keep-Alive", "Upgrade", "Te",
		"X-Lumos-User", "X-Cli-Version", "X-Ratelimit-Limit", "X-Request-Id", "X-Hop", "Mcp-Session-Id", "Mcp-Protocol-Version", "Server", "Via", "Etag", "Warning",
	}
	header := http.Header{"Connection": {"X-Hop"}}
	for _, name := range names {
		header.Set(name, mark)
	}
	t.Cleanup(w.Stack.Backend.Faults().Clear)
	for _, status := range []int{200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			w.Stack.Backend.Faults().Set(appstore.RouteListApps, appstore.Fault{Status: status, Body: `{"items":[],"total":0,"detail":"no"}`, Header: header, Times: 1})
			answer := w.mcp(t, token, searchApps)
			if answer.Status != http.StatusOK {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
			for name, values := range answer.Header {
				if strings.Contains(strings.Join(values, " "), mark) || name == "Connection" || name == "Set-Cookie" || name == "Www-Authenticate" {
					t.Errorf("%s: %q", name, values)
				}
			}
			if strings.Contains(string(answer.Body), mark) {
				t.Errorf("the body holds a header: %s", answer.Body)
			}
		})
	}
}
