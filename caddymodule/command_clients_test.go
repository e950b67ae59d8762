package caddymodule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

const clientsConfig = `{"apps": {
	"mcp_edge": {
		"issuer": "https://auth.example.com",
		"clients": [
			{"id": "acme-agent", "redirect_uris": ["https://agent.acme.com/cb"]},
			{"id": "glean", "redirect_uris": ["https://acme-be.glean.com/tools/oauth/verify_code"]}
		],
		"domains": [
			{"name": "acme.com", "enabled": true, "clients": ["claude", "glean", "acme-agent"]},
			{"name": "beta.com", "clients": ["claude"]}
		]
	},
	"http": {"servers": {"srv0": {"routes": [{"handle": [{"handler": "subroute", "routes": [
		{"handle": [{"handler": "mcp_bridge", "path": "/mcp", "resource": "https://gateway.example.com/mcp", "upstream": {"handler": "reverse_proxy"}}]},
		{"handle": [{"handler": "mcp_bridge", "path": "/b", "resource": "https://{env.HOST}/b"}]}
	]}]}]}}}
}}`

func catalogueOf(t *testing.T, config string) *catalogue {
	t.Helper()
	c, err := newCatalogue([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func printed(t *testing.T, c *catalogue, id string, asJSON bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.print(&out, id, asJSON); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func (c *catalogue) entry(t *testing.T, id string) clientEntry {
	t.Helper()
	i := slices.IndexFunc(c.entries, func(e clientEntry) bool { return e.ID == id })
	if i < 0 {
		t.Fatalf("%s is not listed", id)
	}
	return c.entries[i]
}

func TestTableOfClientsHasALineForEachProfile(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(printed(t, catalogueOf(t, ""), "", false)), "\n")
	if len(lines) != 39 || !strings.HasPrefix(lines[0], "ID") || strings.Contains(lines[0], "ALLOWED BY") {
		t.Errorf("%d lines, the first is %q", len(lines), lines[0])
	}
	for _, want := range []string{"cursor", "www.cursor.com, this computer, /callback", "{instance}-be.glean.com", "instance NAME", "what its document says", "documented", "2026-09-15"} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no line says %q", want)
		}
	}
}

func TestOneClientIsShownInFull(t *testing.T) {
	out := printed(t, catalogueOf(t, ""), "cursor", false)
	for _, want := range []string{
		"Anysphere", "https://www.cursor.com/agents/mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback", "localhost; 8787 (the port is not compared)",
		"https://cursor.com/docs/context/mcp (2026-09-15)", "confidence", "runs", "on the person's computer",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "allowed by") {
		t.Errorf("domains without a configuration:\n%s", out)
	}
	if out := printed(t, catalogueOf(t, ""), "continue", false); !strings.Contains(out, "(no path)") {
		t.Errorf("an address without path is not seen:\n%s", out)
	}
}

func TestConfigurationShowsWhoAllowsAClient(t *testing.T) {
	c := catalogueOf(t, clientsConfig)
	claude := c.entry(t, "claude")
	if diff := gocmp.Diff([][]string{{"acme.com"}, {"beta.com"}}, [][]string{claude.AllowedBy, claude.AllowedByOff}); diff != "" {
		t.Error(diff)
	}
	if own := c.entry(t, "acme-agent"); own.BuiltIn || !own.Ready || own.Name != "acme-agent" {
		t.Errorf("%+v", own)
	}
	if glean := c.entry(t, "glean"); !glean.Ready || glean.Needs != "" {
		t.Errorf("glean with its instance still needs %q", glean.Needs)
	}
	if glean := catalogueOf(t, "").entry(t, "glean"); glean.Ready || glean.Needs == "" {
		t.Errorf("glean without its instance is ready")
	}
	codex := c.entry(t, "codex")
	if diff := gocmp.Diff([]string{"/callback", "/callback/tyPCpJ23Vgm7"}, codex.LoopbackPaths); diff != "" {
		t.Errorf("the computed path: %s", diff)
	}
	table := printed(t, c, "", false)
	if !strings.Contains(table, "ALLOWED BY") || !strings.Contains(table, "acme.com, beta.com (off)") {
		t.Errorf("no domains in\n%s", table)
	}
	for id, want := range map[string]string{"claude": "acme.com, beta.com (off)", "zed": "-", "acme-agent": "a client block"} {
		if out := printed(t, c, id, false); !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestClientsAreJSON(t *testing.T) {
	c := catalogueOf(t, clientsConfig)
	var all []clientEntry
	if err := json.Unmarshal([]byte(printed(t, c, "", true)), &all); err != nil || len(all) != 39 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	var one clientEntry
	if err := json.Unmarshal([]byte(printed(t, c, "glean", true)), &one); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(c.entry(t, "glean"), one); diff != "" {
		t.Error(diff)
	}
}

func TestClientsCommandSaysWhatIsWrong(t *testing.T) {
	var out bytes.Buffer
	if err := catalogueOf(t, "").print(&out, "cluade", false); err == nil || !strings.Contains(err.Error(), "did you mean claude?") || out.Len() > 0 {
		t.Errorf("%v %q", err, out.String())
	}
	for name, config := range map[string]string{
		"no configuration of Caddy":  `[]`,
		"no app":                     `{"apps":{}}`,
		"an app that is none":        `{"apps":{"mcp_edge":[]}}`,
		"a client without address":   `{"apps":{"mcp_edge":{"clients":[{"id":"acme"}]}}}`,
		"a document over http":       `{"apps":{"mcp_edge":{"clients":[{"id":"acme","metadata_documents":["http://x.example/c.json"]}]}}}`,
		"a private scheme of nobody": `{"apps":{"mcp_edge":{"clients":[{"id":"cursor","redirect_uris":["cursor://x"]}]}}}`,
		"a template":                 `{"apps":{"mcp_edge":{"clients":[{"id":"n8n","redirect_uris":["https://x.example/{a}"]}]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newCatalogue([]byte(config)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestOwnClientMayHaveAMetadataDocumentOnly(t *testing.T) {
	r, err := registryFor(nil, []ClientProfile{{ID: "acme", MetadataDocuments: []string{"https://agent.acme.com/client.json"}}})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := r.ByDocument("https://agent.acme.com/client.json"); !ok || p.ID != "acme" {
		t.Errorf("%q, %v", p.ID, ok)
	}
}

func TestTableInTheDocumentIsThatOfTheProfiles(t *testing.T) {
	raw, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			if id, cells, ok := strings.Cut(rest, "` | "); ok {
				rows[id] = cells
			}
		}
	}
	for _, e := range catalogueOf(t, "").entries {
		cells := strings.Split(rows[e.ID], " | ")
		if len(cells) != 5 {
			t.Errorf("%s has no row", e.ID)
			continue
		}
		want := []string{e.Name, cells[1], cells[2], cmp.Or(e.Needs, "–"), e.Confidence + ", " + e.Date + " |\n"}
		if diff := gocmp.Diff(want, cells); diff != "" {
			t.Errorf("%s: %s", e.ID, diff)
		}
	}
}
