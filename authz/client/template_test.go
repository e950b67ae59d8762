package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
)

type values = map[string][]string

func profile(t testing.TB, id string) *client.Profile {
	t.Helper()
	p, ok := registry(t).Profile(id)
	if !ok {
		t.Fatalf("no profile %s", id)
	}
	return &p
}

func TestTemplatesBecomeExactAddresses(t *testing.T) {
	for _, c := range []struct {
		name, profile string
		values        values
		want          client.Exact
	}{
		{"an instance is one label of the host", "glean", values{"instance": {"acme"}}, client.Exact{RedirectURIs: []string{"https://acme-be.glean.com/tools/oauth/verify_code"}}},
		{"a segment keeps its case", "glean", values{"instance": {"acme"}, "tool_id": {"aB_9"}}, client.Exact{RedirectURIs: []string{
			"https://acme-be.glean.com/tools/oauth/verify_code", "https://acme-be.glean.com/tools/oauth/verify_code/aB_9"}}},
		{"several values make several addresses", "n8n", values{"instance_host": {"n8n.acme.com", "flow.acme.com"}}, client.Exact{RedirectURIs: []string{
			"https://n8n.acme.com/rest/oauth2-credential/callback", "https://flow.acme.com/rest/oauth2-credential/callback"}}},
		{"two names in one template", "librechat", values{"instance_host": {"chat.acme.com"}, "server_name": {"lumos"}}, client.Exact{RedirectURIs: []string{"https://chat.acme.com/api/mcp/lumos/oauth/callback"}}},
		{"a part of a label and the rest of the host", "gemini-cli", values{"port": {"7777"}, "workstation_host": {"w-1.cluster-2.cloudworkstations.dev"}}, client.Exact{RedirectURIs: []string{
			"https://7777-w-1.cluster-2.cloudworkstations.dev/oauth/callback"}}},
		{"a redirect URI and its document", "chatgpt", values{"callback_id": {"abc"}}, client.Exact{
			RedirectURIs: []string{"https://chatgpt.com/connector/oauth/abc"}, MetadataDocuments: []string{"https://chatgpt.com/oauth/abc/client.json"}}},
		{"a tool of Copilot Studio", "copilot-studio", values{"connector_slug": {"crea-5flumos-5f1a2b"}}, client.Exact{RedirectURIs: []string{"https://global.consent.azure-apim.net/redirect/crea-5flumos-5f1a2b"}}},
		{"no values", "glean", nil, client.Exact{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := profile(t, c.profile).Expand(c.values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValuesThatReachBeyondTheirPlaceAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, profile string
		values        values
		says          string
	}{
		{"an unknown name", "glean", values{"tenant": {"acme"}}, "instance, tool_id"},
		{"a profile without templates", "claude", values{"instance": {"acme"}}, "no template"},
		{"an empty label", "glean", values{"instance": {""}}, "one label"},
		{"two labels for one", "glean", values{"instance": {"evil.example/x"}}, "one label"},
		{"a dot in a label", "glean", values{"instance": {"acme.evil"}}, "one label"},
		{"user information in a label", "glean", values{"instance": {"acme@evil"}}, "one label"},
		{"a label in capitals", "glean", values{"instance": {"Acme"}}, "lower case"},
		{"a label that ends with a dash", "glean", values{"instance": {"acme-"}}, "one label"},
		{"a label of 64 characters", "glean", values{"instance": {strings.Repeat("a", 64)}}, "one label"},
		{"a host with a path", "n8n", values{"instance_host": {"n8n.acme.com/x"}}, "host name"},
		{"a host with a port", "n8n", values{"instance_host": {"n8n.acme.com:5678"}}, "host name"},
		{"a host with a query", "n8n", values{"instance_host": {"n8n.acme.com?x"}}, "host name"},
		{"a host that is no name of the internet", "n8n", values{"instance_host": {"localhost"}}, "host name"},
		{"a host with an empty label", "n8n", values{"instance_host": {"n8n..com"}}, "host name"},
		{"a host with a line end", "n8n", values{"instance_host": {"n8n.acme.com\n"}}, "host name"},
		{"a host in another script", "n8n", values{"instance_host": {"n8n.аcme.com"}}, "host name"},
		{"a segment with a slash", "copilot-studio", values{"connector_slug": {"a/b"}}, "one segment"},
		{"a segment that goes up", "copilot-studio", values{"connector_slug": {".."}}, "one segment"},
		{"a segment that stays", "copilot-studio", values{"connector_slug": {"."}}, "one segment"},
		{"a segment with an escape", "copilot-studio", values{"connector_slug": {"%2e%2e"}}, "one segment"},
		{"a segment that is a pattern", "copilot-studio", values{"connector_slug": {"*"}}, "one segment"},
		{"a segment that is a placeholder", "copilot-studio", values{"connector_slug": {"{x}"}}, "one segment"},
		{"one name of two", "librechat", values{"server_name": {"lumos"}}, "instance_host is missing"},
		{"a tool without its instance", "glean", values{"tool_id": {"a"}}, "instance is missing"},
		{"more addresses than anybody needs", "gemini-cli", values{"port": numbers(11), "workstation_host": hosts(11)}, "more than 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := profile(t, c.profile).Expand(c.values)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v, want an error that says %q", got, err, c.says)
			}
		})
	}
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(8000+i))
	}
	return list
}

func hosts(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("w%d.example.com", i))
	}
	return list
}

func TestInstanceStandsForTheInstallation(t *testing.T) {
	for id, want := range map[string]string{
		"glean": "instance", "n8n": "instance_host", "librechat": "instance_host", "copilot-studio": "connector_slug", "gemini-app": "id", "gemini-cli": "", "claude": "",
	} {
		if got, ok := profile(t, id).InstancePlaceholder(); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", id, got, ok, want)
		}
	}
}

func TestTemplateThatSaysNothingIsRefused(t *testing.T) {
	for name, template := range map[string]string{
		"no placeholder":           "https://acme.com/cb",
		"http":                     "http://{host}/cb",
		"a relative path":          "{id}/cb",
		"an empty name":            "https://acme.com/{}",
		"a name in capitals":       "https://acme.com/{ID}",
		"a name given twice":       "https://acme.com/{id}/{id}",
		"a brace that stays open":  "https://acme.com/{id}/{",
		"a brace within a name":    "https://acme.com/{a{b}",
		"a brace that opens never": "https://acme.com/{id}}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.NewRegistry(client.Profile{ID: "acme", LoopbackPaths: []string{"/cb"}, RedirectTemplates: []string{template}}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// FuzzExpand looks for a value that leads to another host than the template's.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"acme", "acme.evil.example", "a/b", "a@b", "..", "A", "a:1", "a?b", "a#b", "a\\b", "ſ", "{x}", "%2f", "-a", "a-"} {
		f.Add(s, s)
	}
	glean := profile(f, "glean")
	f.Fuzz(func(t *testing.T, instance, tool string) {
		exact, err := glean.Expand(values{"instance": {instance}, "tool_id": {tool}})
		if err != nil {
			return
		}
		for _, uri := range exact.RedirectURIs {
			u, err := oauth.ParseRedirectURI(uri)
			if err != nil || u.Host != instance+"-be.glean.com" || strings.Contains(instance, ".") || !strings.HasPrefix(u.EscapedPath(), "/tools/oauth/verify_code") || u.RawQuery != "" {
				t.Fatalf("%q and %q make %q: %v", instance, tool, uri, err)
			}
		}
		if u := exact.RedirectURIs[1]; strings.Count(u, "/") != 6 || slices.Contains([]string{".", ".."}, tool) {
			t.Fatalf("%q makes %q", tool, u)
		}
	})
}
