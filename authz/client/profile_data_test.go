package client_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// shipped are all built-in profiles, in the order of the data file.
var shipped = []string{
	"antigravity", "chatgpt", "claude", "claude-code", "claude-desktop-managed", "cline", "codex", "continue", "copilot-cli", "copilot-studio", "cursor", "devin",
	"factory-droid", "gemini-app", "gemini-cli", "gemini-enterprise", "glean", "goose", "grok", "jetbrains-ai", "kiro", "librechat", "m365-copilot", "mcp-inspector",
	"mcp-remote", "mcpjam", "mistral-le-chat", "n8n", "notion", "opencode", "perplexity", "raycast", "slack", "toolhive", "v0", "vscode", "windsurf", "zed",
}

func TestBuiltInProfilesAreCompleteSortedAndPublic(t *testing.T) {
	if diff := cmp.Diff(shipped, client.BuiltInOrder(t)); diff != "" {
		t.Fatal(diff)
	}
	r := registry(t)
	id := regexp.MustCompile(`^[a-z0-9-]+$`)
	for _, name := range r.IDs() {
		p, ok := r.Profile(name)
		if !ok || p.ID != name || !id.MatchString(name) || !p.BuiltIn || p.Name == "" || p.Vendor == "" || p.Confidence == "" || len(p.Notes) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
		if !strings.HasPrefix(p.Date(), "2026") {
			t.Errorf("%s: facts of %q", name, p.Date())
		}
		for _, source := range p.Sources {
			if u, err := url.Parse(source.URL); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: source %q", name, source.URL)
			}
		}
		if !p.Ready() && p.Needs == "" {
			t.Errorf("%s can match nothing and does not say what it needs", name)
		}
		for _, note := range append(slices.Clone(p.Notes), p.Needs) {
			if strings.ContainsAny(note, "\n\t") || strings.HasSuffix(note, " ") {
				t.Errorf("%s: note %q", name, note)
			}
		}
		for _, method := range p.AuthMethods {
			if !slices.Contains([]string{client.AuthNone, client.AuthPost, client.AuthBasic, "private_key_jwt"}, method) {
				t.Errorf("%s: authentication method %q", name, method)
			}
		}
	}
	if _, ok := r.Profile("unknown"); ok {
		t.Error("an unknown profile was found")
	}
}

func TestBuiltInAddressesAreExactAndWellFormed(t *testing.T) {
	r := registry(t)
	for _, name := range r.IDs() {
		p, _ := r.Profile(name)
		for _, uri := range append(slices.Clone(p.RedirectURIs), p.MetadataDocuments...) {
			u, err := oauth.ParseRedirectURI(uri)
			if err != nil || u.Scheme != "https" || u.Port() != "" || u.RawQuery != "" || u.Host != strings.ToLower(u.Host) || len(u.Path) < 2 || strings.ContainsAny(uri, "{}*") {
				t.Errorf("%s: address %s: %v", name, uri, err)
			}
		}
		if slices.Contains(p.LoopbackPaths, client.AnyPath) {
			t.Errorf("%s admits every loopback path", name)
		}
		if (len(p.LoopbackPaths) > 0) != (len(p.LoopbackHosts) > 0) || (len(p.LoopbackHosts) > 0) != (len(p.LoopbackPorts) > 0 || p.AnyPort) {
			t.Errorf("%s: loopback paths %q, hosts %q, ports %v", name, p.LoopbackPaths, p.LoopbackHosts, p.LoopbackPorts)
		}
		for _, template := range slices.Concat(p.RedirectTemplates, p.LoopbackTemplates, p.DocumentTemplates) {
			if _, err := r.Match([]string{template}); err == nil {
				t.Errorf("%s: the template %s admits itself", name, template)
			}
		}
	}
}

func TestDocumentsThatAreNoClientIDsAreNotListed(t *testing.T) {
	r := registry(t)
	for name, document := range map[string]string{
		"an address that answers 404":      "https://claude.com/oauth/mcp-oauth-client-metadata",
		"an address that redirects":        "https://notion.so/oauth/mcp-client-metadata.json",
		"a template as it stands":          "https://chatgpt.com/oauth/{callback_id}/client.json",
		"a made-up id of a known host":     "https://chatgpt.com/oauth/abc/client.json",
		"a known document with a query":    "https://chatgpt.com/oauth/client.json?x=1",
		"a known document with a slash":    "https://chatgpt.com/oauth/client.json/",
		"a known document in capitals":     "https://ChatGPT.com/oauth/client.json",
		"a known document over http":       "http://chatgpt.com/oauth/client.json",
		"nothing":                          "",
		"the document of another resource": "https://chatgpt.com/oauth/codex/tyPCpJ23Vgm7/client.json",
	} {
		t.Run(name, func(t *testing.T) {
			if p, ok := r.ByDocument(document); ok {
				t.Errorf("found %s", p.ID)
			}
		})
	}
}

func TestProfileFileIsReadStrictly(t *testing.T) {
	const good = `{"id":"x","name":"X","loopback":{"hosts":["localhost"],"paths":["/x"]},"registers":["dynamic"],"sources":[{"url":"https://x.example","date":"2026-01-02"}],"confidence":"reported"}`
	if err := client.DecodeProfiles([]byte("[" + good + "]")); err != nil {
		t.Fatal(err)
	}
	change := func(old, now string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the example does not hold %s", old)
		}
		return strings.Replace(good, old, now, 1)
	}
	for name, text := range map[string]string{
		"not JSON":                  "{",
		"an unknown member":         change(`"id"`, `"port":1,"id"`),
		"an unknown member inside":  change(`"hosts"`, `"port":1,"hosts"`),
		"a member in another case":  change(`"id"`, `"ID"`),
		"a member given twice":      change(`"id"`, `"id":"y","id"`),
		"no source":                 change(`{"url":"https://x.example","date":"2026-01-02"}`, ``),
		"a source without address":  change("https://x.example", ""),
		"no date":                   change("2026-01-02", ""),
		"a date that is none":       change("2026-01-02", "2026-02-30"),
		"a grace without unit":      change(`"id"`, `"rotation_grace":"90","id"`),
		"an unknown confidence":     change("reported", "sure"),
		"an unknown registration":   change("dynamic", "magic"),
		"a loopback host elsewhere": change("localhost", "example.com"),
		"a port that is none":       change(`"hosts"`, `"ports":[65536],"hosts"`),
	} {
		t.Run(name, func(t *testing.T) {
			if err := client.DecodeProfiles([]byte("[" + text + "]")); err == nil {
				t.Error("accepted")
			}
		})
	}
	for _, date := range []string{"2026", "2026-01"} {
		if err := client.DecodeProfiles([]byte("[" + change("2026-01-02", date) + "]")); err != nil {
			t.Errorf("%s: %v", date, err)
		}
	}
}
