package caddymodule

import (
	"net/url"
	"strings"
	"testing"
)

// TestNothingIsOnUntilALineTurnsItOn begins with a domain that has nothing but its
// provider, and adds one line after the other. A person with a good token meets
// the next layer each time, and is served after the last one only.
func TestNothingIsOnUntilALineTurnsItOn(t *testing.T) {
	a := newAdministered(t)
	a.run()
	token := a.token()
	lines := []struct{ text, reason string }{
		{"", "domain/off"},
		{"enabled", "user/not_allowed"},
		{"users everyone", "client/not_allowed"},
		{"clients claude", "role/no_permission"},
		{"role member {\n\t\t\t\tgroup staff\n\t\t\t\tallow appstore.requests.view\n\t\t\t}", "role/no_permission"},
		{"role reader {\n\t\t\t\tgroup staff\n\t\t\t\tallow appstore.apps.view\n\t\t\t}", ""},
	}
	full := a.caddyfile(policyOf{})
	begin := strings.Index(full, "\t\t\tenabled")
	idp := strings.Index(full, "\t\t\tidp oidc")
	clients := strings.Index(full, "\t\t\tclients")
	end := strings.Index(full, "\t\taudit {")
	written := ""
	for _, line := range lines {
		written += "\t\t\t" + line.text + "\n"
		text := full[:begin] + full[idp:clients] + written + "\t\t}\n" + full[end:]
		if err := a.load(strings.Replace(text, "admin off", "admin unix/"+a.socket, 1)); err != nil {
			t.Fatalf("%v with\n%s", err, text)
		}
		status, body, err := a.search(t.Context(), token, "x")
		served := status == 200 && !strings.Contains(body, `"isError":true`)
		if err != nil || served != (line.reason == "") || (status == 401) != !strings.HasPrefix(line.reason, "role/") && line.reason != "" {
			t.Errorf("with%s: %d %s %v", written, status, body, err)
		}
		answer := a.mustAsk("GET", adminExplain+"?"+url.Values{"user": {"ada@demo.example"}, "client": {"claude"}, "tool": {"search_apps"}}.Encode())
		if why, _ := answer["reason"].(string); why != line.reason {
			t.Errorf("with%s: explained by %q, want %q", written, why, line.reason)
		}
	}
}
