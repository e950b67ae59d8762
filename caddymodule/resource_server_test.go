package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const reportsSecret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

// withServer returns a configuration in which the resource server "reports" may
// ask about a resource.
func (g *gateway) withServer(p policyOf, resource string) string {
	g.t.Helper()
	g.t.Setenv("TEST_REPORTS_SECRET", reportsSecret)
	const mark = "\t\taudit {"
	block := "\t\ttrusted_resource_server reports {\n\t\t\tsecret {env.TEST_REPORTS_SECRET}\n\t\t\tresource " + resource + "\n\t\t}\n"
	return strings.Replace(g.caddyfile(p), mark, block+mark, 1)
}

// introspect asks as the resource server "reports" and returns status and body.
func (g *gateway) introspect(secret, token string) (int, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.auth+"/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("reports", secret)
	status, body, err := g.do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	return status, body
}

func TestAResourceServerAsksUntilAReloadTakesItAway(t *testing.T) {
	g := newGateway(t)
	if err := g.load(g.withServer(policyOf{}, g.resource)); err != nil {
		t.Fatal(err)
	}
	token := g.token()
	status, body := g.introspect(reportsSecret, token)
	for _, part := range []string{`"active":true`, `"sub":"u-1"`, `"username":"ada@demo.example"`, `"aud":"` + g.resource + `"`, `"iss":"http://` + g.auth + `"`} {
		if status != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%d %s, want %s", status, body, part)
		}
	}
	if status, body := g.introspect("ffeeddccbbaa99887766554433221100", token); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d %s", status, body)
	}
	waitFor(t, "the refusal is audited", func() bool { return strings.Contains(g.audit(), "introspection: the secret of reports is wrong") })
	if audit := g.audit(); strings.Contains(audit, reportsSecret) || strings.Contains(audit, token) {
		t.Errorf("the audit trail holds a secret: %s", audit)
	}
	if err := g.load(g.withServer(policyOf{clients: "chatgpt"}, g.resource)); err != nil {
		t.Fatal(err)
	}
	if status, body := g.introspect(reportsSecret, token); status != http.StatusOK || body != "{\"active\":false}\n" {
		t.Errorf("after the assistant was taken off the list: %d %s", status, body)
	}
	g.mustLoad(policyOf{})
	if status, body := g.introspect(reportsSecret, token); status != http.StatusNotFound || !json.Valid([]byte(body)) || strings.Contains(body, "not ours") {
		t.Errorf("without a resource server: %d %s", status, body)
	}
}

func TestAResourceServerForAResourceThatNobodyHasIsRefused(t *testing.T) {
	g := newGateway(t)
	for name, test := range map[string]struct{ caddyfile, want string }{
		"a resource with a typing error": {g.withServer(policyOf{}, g.resource+"s"), "did you mean " + g.resource + "?"},
		"a resource of somebody else":    {g.withServer(policyOf{}, "https://api.example.com/mcp"), "allowed are: " + g.resource},
		"no MCP endpoint at all": {func() string {
			text, _, _ := strings.Cut(g.withServer(policyOf{}, g.resource), "http://"+g.api+" {")
			return text
		}(), "there is no mcp_bridge"},
	} {
		t.Run(name, func(t *testing.T) {
			err := g.load(test.caddyfile)
			if err == nil || !strings.Contains(err.Error(), "trusted_resource_server reports names the resource") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// TestWhatIsAdvertisedReachesTheAuthorizationServer holds the paths that the
// handler takes for the authorization server's to the paths that it publishes.
func TestWhatIsAdvertisedReachesTheAuthorizationServer(t *testing.T) {
	g := newGateway(t)
	if err := g.load(g.withServer(policyOf{}, g.resource)); err != nil {
		t.Fatal(err)
	}
	_, body, err := g.get("http://" + g.auth + "/.well-known/oauth-authorization-server")
	if err != nil {
		t.Fatal(err)
	}
	var metadata map[string]any
	if err := json.Unmarshal([]byte(body), &metadata); err != nil {
		t.Fatal(err)
	}
	endpoints := 0
	for member, value := range metadata {
		address, _ := value.(string)
		if !strings.HasSuffix(member, "_endpoint") && member != "jwks_uri" {
			continue
		}
		endpoints++
		path := strings.TrimPrefix(address, "http://"+g.auth)
		if !isAuthPath(path) {
			t.Errorf("%s: the handler passes on %s", member, address)
		}
		if status, body, err := g.get(address); err != nil || status == http.StatusNotFound {
			t.Errorf("%s: %d %s %v", member, status, body, err)
		}
	}
	if endpoints != 6 || metadata["introspection_endpoint"] != "http://"+g.auth+"/introspect" {
		t.Errorf("%d endpoints: %s", endpoints, body)
	}
}
