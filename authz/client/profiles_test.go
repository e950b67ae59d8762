package client_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const gatewayURL = "https://gateway.example.com/mcp"

// connect is how a product appears at the server.
type connect struct {
	name    string
	profile string
	// block is what an operator wrote for it, if it needs that.
	block    client.Profile
	values   values
	body     string // of its registration
	document string // or its client id
	// requests are redirect URIs of its authorization requests.
	requests []string
	dropped  []string
}

// connects are all built-in profiles, each the way it registers. Bodies are
// those that the products send where they are known.
var connects = []connect{
	{name: "antigravity, whose page shows the code", profile: "antigravity", body: `{"redirect_uris":["https://antigravity.google/oauth-callback"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"https://antigravity.google/oauth-callback"}},
	{name: "chatgpt by its fixed document", profile: "chatgpt", document: "https://chatgpt.com/oauth/client.json"},
	{name: "chatgpt by registration", profile: "chatgpt", body: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"https://chatgpt.com/connector_platform_oauth_redirect"}},
	{name: "chatgpt with a connector that an operator lists", profile: "chatgpt", values: values{"callback_id": {"abc"}}, body: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc"]}`,
		requests: []string{"https://chatgpt.com/connector/oauth/abc"}},
	{name: "claude by registration, confidential and without scope", profile: "claude", body: `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`,
		requests: []string{"https://claude.ai/api/mcp/auth_callback"}},
	{name: "claude by its document", profile: "claude", document: "https://claude.ai/oauth/mcp-oauth-client-metadata"},
	{name: "claude at its second host", profile: "claude", body: `{"client_name":"Claude","redirect_uris":["https://claude.com/api/mcp/auth_callback"]}`, requests: []string{"https://claude.com/api/mcp/auth_callback"}},
	{name: "claude-code by its document", profile: "claude-code", document: "https://claude.ai/oauth/claude-code-client-metadata"},
	{name: "claude-code with portless addresses and a random port on either host", profile: "claude-code", body: `{"client_name":"Claude Code (lumos)","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"http://localhost:58135/callback", "http://127.0.0.1:58135/callback"}},
	{name: "claude-desktop-managed with its fixed port", profile: "claude-desktop-managed", body: `{"redirect_uris":["http://127.0.0.1:53280/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:53280/callback"}},
	{name: "cline with the second of its ports", profile: "cline", body: `{"client_name":"Cline","redirect_uris":["http://127.0.0.1:1456/mcp/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:1457/mcp/oauth/callback"}},
	{name: "codex by its document for this server", profile: "codex", document: "https://chatgpt.com/oauth/codex/tyPCpJ23Vgm7/client.json"},
	{name: "codex by its shared document", profile: "codex", document: "https://chatgpt.com/oauth/codex/client.json"},
	{name: "codex by registration", profile: "codex", body: `{"client_name":"Codex","redirect_uris":["http://127.0.0.1:40001/callback/tyPCpJ23Vgm7"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		requests: []string{"http://127.0.0.1:40002/callback/tyPCpJ23Vgm7"}},
	{name: "continue with a host alone", profile: "continue", body: `{"client_name":"Continue Dev, Inc","redirect_uris":["http://localhost:3000"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://localhost:3000"}},
	{name: "copilot-cli by its document", profile: "copilot-cli", document: "https://github.com/copilot/cli/client-metadata.json"},
	{name: "copilot-cli with another port than it registered", profile: "copilot-cli", body: `{"client_name":"GitHub Copilot CLI","redirect_uris":["http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		requests: []string{"http://127.0.0.1:60005/"}},
	{name: "copilot-studio with its common callback", profile: "copilot-studio", body: `{"redirect_uris":["https://global.consent.azure-apim.net/redirect"]}`, requests: []string{"https://global.consent.azure-apim.net/redirect"}},
	{name: "copilot-studio with a tool that an operator lists", profile: "copilot-studio", block: client.Profile{RedirectURIs: []string{"https://global.consent.azure-apim.net/redirect/crea-5flumos"}},
		body: `{"redirect_uris":["https://global.consent.azure-apim.net/redirect/crea-5flumos"],"token_endpoint_auth_method":"client_secret_post"}`, requests: []string{"https://global.consent.azure-apim.net/redirect/crea-5flumos"}},
	{name: "cursor without its private-use scheme", profile: "cursor", body: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"http://localhost:8787/callback", "https://www.cursor.com/agents/mcp/oauth/callback"}, dropped: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}},
	{name: "cursor with the scheme that an operator admits", profile: "cursor", block: client.Profile{RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}},
		body: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}},
	{name: "devin", profile: "devin", body: `{"redirect_uris":["https://api.devin.ai/mcp/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"https://api.devin.ai/mcp/oauth/callback"}},
	{name: "factory-droid by its document", profile: "factory-droid", document: "https://api.factory.ai/mcp/oauth-client"},
	{name: "gemini-app with an id that an operator lists", profile: "gemini-app", values: values{"id": {"user-1"}}, body: `{"redirect_uris":["https://oauth-redirect.googleusercontent.com/r/user-1"]}`,
		requests: []string{"https://oauth-redirect.googleusercontent.com/r/user-1"}},
	{name: "gemini-cli with an empty scope and a random port", profile: "gemini-cli", body: `{"client_name":"Gemini CLI MCP Client","redirect_uris":["http://localhost:41234/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":""}`,
		requests: []string{"http://localhost:41234/oauth/callback"}},
	{name: "gemini-enterprise registered by hand", profile: "gemini-enterprise", body: `{"redirect_uris":["https://vertexaisearch.cloud.google.com/oauth-redirect"],"token_endpoint_auth_method":"client_secret_post"}`,
		requests: []string{"https://vertexaisearch.cloud.google.com/oauth-redirect"}},
	{name: "glean of one instance", profile: "glean", values: values{"instance": {"acme"}}, body: `{"redirect_uris":["https://acme-be.glean.com/tools/oauth/verify_code"],"token_endpoint_auth_method":"client_secret_basic"}`,
		requests: []string{"https://acme-be.glean.com/tools/oauth/verify_code"}},
	{name: "glean with a tool of its own callback", profile: "glean", values: values{"instance": {"acme"}, "tool_id": {"Ab1"}}, body: `{"redirect_uris":["https://acme-be.glean.com/tools/oauth/verify_code/Ab1"]}`,
		requests: []string{"https://acme-be.glean.com/tools/oauth/verify_code/Ab1"}},
	{name: "goose by its document", profile: "goose", document: "https://goose-docs.ai/oauth/client-metadata.json"},
	{name: "goose with an underscore", profile: "goose", body: `{"client_name":"goose","redirect_uris":["http://127.0.0.1:50321/oauth_callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:50321/oauth_callback"}},
	{name: "grok with its slash", profile: "grok", body: `{"client_name":"Grok","redirect_uris":["https://grok.com/connectors-oauth-exchange-code/","https://console.x.ai/connectors-oauth-exchange-code/"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"https://grok.com/connectors-oauth-exchange-code/"}},
	{name: "grok by its document", profile: "grok", document: "https://grok.com/oauth/mcp-client.json"},
	{name: "jetbrains-ai, should it ever sign in", profile: "jetbrains-ai", block: client.Profile{LoopbackPaths: []string{"/jetbrains"}}, body: `{"redirect_uris":["http://127.0.0.1:1/jetbrains"]}`, requests: []string{"http://127.0.0.1:2/jetbrains"}},
	{name: "kiro with the path that an operator found", profile: "kiro", block: client.Profile{LoopbackPaths: []string{"/oauth/kiro"}}, body: `{"redirect_uris":["http://127.0.0.1:3128/oauth/kiro"],"token_endpoint_auth_method":"none"}`,
		requests: []string{"http://127.0.0.1:3129/oauth/kiro"}},
	{name: "librechat of one installation", profile: "librechat", values: values{"instance_host": {"chat.acme.com"}, "server_name": {"lumos"}},
		body:     `{"client_name":"LibreChat MCP Client","redirect_uris":["https://chat.acme.com/api/mcp/lumos/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_basic","scope":"appstore:read appstore:request"}`,
		requests: []string{"https://chat.acme.com/api/mcp/lumos/oauth/callback"}},
	{name: "m365-copilot registered by hand", profile: "m365-copilot", body: `{"redirect_uris":["https://teams.microsoft.com/api/platform/v1.0/oAuthRedirect"],"token_endpoint_auth_method":"client_secret_post"}`,
		requests: []string{"https://teams.microsoft.com/api/platform/v1.0/oAuthRedirect"}},
	{name: "mcp-inspector in the browser", profile: "mcp-inspector", body: `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none","application_type":"native","scope":""}`,
		requests: []string{"http://localhost:6274/oauth/callback"}},
	{name: "mcp-inspector in the terminal", profile: "mcp-inspector", body: `{"client_name":"MCP Inspector","redirect_uris":["http://127.0.0.1:6276/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:6276/oauth/callback"}},
	{name: "mcp-remote with fallback scopes", profile: "mcp-remote", body: `{"client_name":"MCP CLI Proxy","client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.1.30","redirect_uris":["http://localhost:3335/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"openid email profile"}`,
		requests: []string{"http://localhost:3335/oauth/callback"}},
	{name: "mcpjam by its document", profile: "mcpjam", document: "https://www.mcpjam.com/.well-known/oauth/client-metadata.json"},
	{name: "mistral-le-chat", profile: "mistral-le-chat", body: `{"client_name":"mistral-mcp-client","redirect_uris":["https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"],"token_endpoint_auth_method":"client_secret_post"}`,
		requests: []string{"https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"}},
	{name: "n8n in its cloud", profile: "n8n", body: `{"client_name":"n8n","redirect_uris":["https://oauth.n8n.cloud/oauth2/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"https://oauth.n8n.cloud/oauth2/callback"}},
	{name: "n8n on a host of one's own", profile: "n8n", values: values{"instance_host": {"n8n.acme.com"}}, body: `{"client_name":"n8n","redirect_uris":["https://n8n.acme.com/rest/oauth2-credential/callback"]}`,
		requests: []string{"https://n8n.acme.com/rest/oauth2-credential/callback"}},
	{name: "notion by either document", profile: "notion", document: "https://www.notion.so/oauth/mcp-client-metadata.json"},
	{name: "notion by its other document", profile: "notion", document: "https://app.notion.com/oauth/mcp-client-metadata.json"},
	{name: "opencode by its document", profile: "opencode", document: "https://opencode.ai/oauth/opencode/client.json"},
	{name: "opencode by registration", profile: "opencode", body: `{"client_name":"OpenCode","redirect_uris":["http://127.0.0.1:19876/mcp/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:41999/mcp/oauth/callback"}},
	{name: "perplexity", profile: "perplexity", body: `{"redirect_uris":["https://www.perplexity.ai/rest/connections/oauth_callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"https://www.perplexity.ai/rest/connections/oauth_callback"}},
	{name: "perplexity for companies", profile: "perplexity", body: `{"redirect_uris":["https://enterprise.perplexity.ai/rest/connections/oauth_callback"]}`, requests: []string{"https://enterprise.perplexity.ai/rest/connections/oauth_callback"}},
	{name: "raycast with the address that an operator found", profile: "raycast", block: client.Profile{RedirectURIs: []string{"https://raycast.com/mcp/callback"}}, body: `{"redirect_uris":["https://raycast.com/mcp/callback"]}`, requests: []string{"https://raycast.com/mcp/callback"}},
	{name: "slack with the address that an operator found", profile: "slack", block: client.Profile{RedirectURIs: []string{"https://slack.com/mcp/callback"}}, body: `{"redirect_uris":["https://slack.com/mcp/callback"]}`, requests: []string{"https://slack.com/mcp/callback"}},
	{name: "toolhive by its document", profile: "toolhive", document: "https://toolhive.dev/oauth/client-metadata.json"},
	{name: "v0 by registration", profile: "v0", body: `{"redirect_uris":["https://api.v0.dev/v1/mcp-servers/oauth/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"https://api.v0.dev/v1/mcp-servers/oauth/callback"}},
	{name: "v0 by its document", profile: "v0", document: "https://v0.app/api/chat/integrations/oauth/client-metadata.json"},
	{name: "vscode with four addresses and a port that none of them has", profile: "vscode", body: `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		requests: []string{"http://127.0.0.1:59656/", "https://vscode.dev/redirect"}},
	{name: "vscode by its documents", profile: "vscode", document: "https://vscode.dev/oauth/client-metadata.json"},
	{name: "windsurf with the path that an operator found", profile: "windsurf", block: client.Profile{LoopbackPaths: []string{"/windsurf"}}, body: `{"redirect_uris":["http://127.0.0.1:1/windsurf"]}`, requests: []string{"http://127.0.0.1:2/windsurf"}},
	{name: "zed by its document", profile: "zed", document: "https://zed.dev/oauth/client-metadata.json"},
	{name: "zed with a new registration for each sign-in", profile: "zed", body: `{"client_name":"Zed","redirect_uris":["http://127.0.0.1:27523/callback"],"token_endpoint_auth_method":"none"}`, requests: []string{"http://127.0.0.1:27523/callback"}},
}

// registryOf is the registry of a server with what the operator wrote for c.
func (c *connect) registryOf(t *testing.T) *client.Registry {
	t.Helper()
	exact, err := profile(t, c.profile).Expand(c.values)
	if err != nil {
		t.Fatal(err)
	}
	block := c.block
	block.ID = c.profile
	block.RedirectURIs = slices.Concat(block.RedirectURIs, exact.RedirectURIs)
	block.MetadataDocuments = exact.MetadataDocuments
	r, err := client.NewRegistryFor([]string{gatewayURL}, block)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryKnownAssistantIsRecognised(t *testing.T) {
	var covered []string
	for _, c := range connects {
		covered = append(covered, c.profile)
		t.Run(c.name, func(t *testing.T) {
			r := c.registryOf(t)
			if c.document != "" {
				if p, ok := r.ByDocument(c.document); !ok || p.ID != c.profile {
					t.Errorf("document of %q, %v", p.ID, ok)
				}
				return
			}
			var body struct {
				ClientName   string   `json:"client_name"`
				RedirectURIs []string `json:"redirect_uris"`
			}
			if err := json.Unmarshal([]byte(c.body), &body); err != nil {
				t.Fatal(err)
			}
			// As the registration endpoint asks: everything allowed, then the name.
			m, err := r.Match(body.RedirectURIs, func(p client.Profile) bool { return p.Recognizes(body.ClientName) })
			if err != nil || m.Profile.ID != c.profile {
				t.Fatalf("matched %q, %v", m.Profile.ID, err)
			}
			if name := m.Profile.DisplayName(body.ClientName); name != m.Profile.Name {
				t.Errorf("its own name is shown as %q", name)
			}
			admitted := slices.DeleteFunc(slices.Clone(body.RedirectURIs), func(s string) bool { return slices.Contains(c.dropped, s) })
			if diff := cmp.Diff(admitted, m.Admitted); diff != "" {
				t.Errorf("admitted: %s", diff)
			}
			if diff := cmp.Diff(c.dropped, m.Dropped); diff != "" {
				t.Errorf("dropped: %s", diff)
			}
			for _, request := range c.requests {
				if !slices.ContainsFunc(m.Admitted, func(registered string) bool { return oauth.MatchRedirectURI(registered, request) }) {
					t.Errorf("an authorization request with %s does not fit %q", request, m.Admitted)
				}
			}
		})
	}
	slices.Sort(covered)
	if diff := cmp.Diff(shipped, slices.Compact(covered)); diff != "" {
		t.Errorf("profiles that are not tried: %s", diff)
	}
}

// Without a name, what a product listens on decides between those that share a
// path.
func TestAssistantWithoutNameIsRecognisedByItsPort(t *testing.T) {
	r := registry(t)
	for _, c := range []struct{ name, uri, want string }{
		{"the fixed port of managed desktop servers", "http://127.0.0.1:53280/callback", "claude-desktop-managed"},
		{"the port of cursor", "http://localhost:8787/callback", "cursor"},
		{"the port of zed", "http://127.0.0.1:27523/callback", "zed"},
		{"a port of cline", "http://127.0.0.1:1461/mcp/oauth/callback", "cline"},
		{"the port of opencode", "http://127.0.0.1:19876/mcp/oauth/callback", "opencode"},
		{"the port of the inspector's page", "http://localhost:6274/oauth/callback", "mcp-inspector"},
		{"a random port goes to the first that has random ports", "http://localhost:50000/callback", "claude-code"},
		{"a host that none of them uses goes to the first", "http://[::1]:50000/callback", "claude-code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m, err := r.Match([]string{c.uri}); err != nil || m.Profile.ID != c.want {
				t.Errorf("%q, %v, want %q", m.Profile.ID, err, c.want)
			}
		})
	}
}

func TestAddressThatOnlyResemblesAKnownOneIsRefusedByName(t *testing.T) {
	r, err := client.NewRegistryFor([]string{gatewayURL})
	if err != nil {
		t.Fatal(err)
	}
	form, none := reason.ClientBadRedirect, reason.ClientNoProfile
	for _, c := range []struct {
		name, uri string
		why       reason.Reason
		says      string
	}{
		{"cursor without www", "https://cursor.com/agents/mcp/oauth/callback", none, "https://www.cursor.com/agents/mcp/oauth/callback"},
		{"a host that only looks like cursor", "https://wwwxcursor.com/agents/mcp/oauth/callback", none, "not the address of a known client"},
		{"a host below another", "https://claude.ai.evil.example/api/mcp/auth_callback", none, "not the address of a known client"},
		{"a host that ends like a known one", "https://evilclaude.ai/api/mcp/auth_callback", none, "not the address of a known client"},
		{"a trailing slash", "https://claude.ai/api/mcp/auth_callback/", none, "https://claude.ai/api/mcp/auth_callback"},
		{"a query", "https://claude.ai/api/mcp/auth_callback?x=1", none, "https://claude.ai/api/mcp/auth_callback"},
		{"a fragment", "https://claude.ai/api/mcp/auth_callback#f", form, "fragment"},
		{"another port", "https://claude.ai:444/api/mcp/auth_callback", none, "https://claude.ai/api/mcp/auth_callback"},
		{"http", "http://claude.ai/api/mcp/auth_callback", form, "localhost, 127.0.0.1 or [::1]"},
		{"grok without its slash", "https://grok.com/connectors-oauth-exchange-code", none, "https://grok.com/connectors-oauth-exchange-code/"},
		{"the wrong address of grok that is found on the web", "https://grok.com/connectors/oauth/callback", none, "https://grok.com/connectors-oauth-exchange-code/"},
		{"a name below localhost", "http://localhost.evil.example:1/callback", form, "localhost"},
		{"localhost with a dot behind it", "http://localhost./callback", form, "localhost"},
		{"a loopback path of nobody", "http://127.0.0.1:1/other", none, "no client is known that listens at that path"},
		{"user information", "https://user@claude.ai/api/mcp/auth_callback", form, "user information"},
		{"a known host as user information", "https://claude.ai@evil.example/", form, "user information"},
		{"localhost as user information", "http://localhost@evil.example/", form, "user information"},
		{"localhost and a port as user information", "http://localhost:1@evil.example/", form, "user information"},
		{"user information before loopback", "http://u@127.0.0.1:9/callback", form, "user information"},
		{"all interfaces", "http://0.0.0.0:1/callback", form, "127.0.0.1"},
		{"a short form of the loopback address", "http://127.1:1/callback", form, "127.0.0.1"},
		{"a short form without path", "http://127.1/", form, "127.0.0.1"},
		{"a path that goes up", "http://127.0.0.1:9/callback/../x", none, "listens at that path"},
		{"a path that goes up in another encoding", "http://127.0.0.1:9/callback/%2e%2e/x", none, "listens at that path"},
		{"a path that goes up to a known one", "https://claude.ai/x/../api/mcp/auth_callback", none, "https://claude.ai/api/mcp/auth_callback"},
		{"a backslash", `https://claude.ai\@evil.example/`, form, "visible ASCII"},
		{"a backslash in a path", `http://127.0.0.1:9/callback\x`, form, "visible ASCII"},
		{"a tab", "https://claude.ai/api/mcp/auth_callback\t", form, "visible ASCII"},
		{"a private scheme that the product lists, alone", "claude://claude.ai/mcp-auth-callback/sdk", form, "any app can claim"},
		{"cursor's scheme alone", "cursor://anysphere.cursor-mcp/oauth/callback", form, "any app can claim"},
		{"cursor's scheme with another path", "cursor://anysphere.cursor-mcp/oauth/callback/x", none, "not the address of a known client"},
		{"a connector of ChatGPT without id", "https://chatgpt.com/connector/oauth/", none, "https://chatgpt.com/connector_platform_oauth_redirect"},
		{"a connector of ChatGPT that nobody listed", "https://chatgpt.com/connector/oauth/abc", none, "client chatgpt with instance abc"},
		{"a percent-encoded host", "https://claude%2eai/api/mcp/auth_callback", form, "absolute URI"},
		{"a percent-encoded path", "https://claude.ai/api/mcp/auth%5fcallback", none, "https://claude.ai/api/mcp/auth_callback"},
		{"a host in capitals", "https://CLAUDE.AI/api/mcp/auth_callback", none, "https://claude.ai/api/mcp/auth_callback"},
		{"script", "javascript:alert(1)", form, "leads to no client"},
		{"data", "data:text/html,<b>", form, "visible ASCII"},
		{"a file", "file:///etc/passwd", form, "leads to no client"},
		{"an instance of glean that nobody listed", "https://acme-be.glean.com/tools/oauth/verify_code", none, "client glean with instance acme"},
		{"a tool of an instance of glean that nobody listed", "https://acme-be.glean.com/tools/oauth/verify_code/aB", none, "instance acme and value tool_id aB"},
		{"a host below one of glean's", "https://acme-be.glean.com.evil.example/tools/oauth/verify_code", none, "not the address of a known client"},
		{"a template of glean as it stands", "https://{instance}-be.glean.com/tools/oauth/verify_code", form, "absolute URI"},
		{"a tool of Copilot Studio that nobody listed", "https://global.consent.azure-apim.net/redirect/tool", none, "client copilot-studio with instance tool"},
		{"the sign-in of Raycast's extensions", "https://raycast.com/redirect?packageName=Extension", none, "not the address of a known client"},
		{"the chat host of Mistral", "https://chat.mistral.ai/v1/integrations_auth/oauth2_callback", none, "not the address of a known client"},
		{"the path of codex for another server", "http://127.0.0.1:1/callback/stQBBBY349wj", none, "listens at that path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := r.Match([]string{c.uri})
			var refused *client.RedirectError
			if !errors.As(err, &refused) {
				t.Fatalf("matched %q, error %v", m.Profile.ID, err)
			}
			if refused.Reason != c.why || refused.URI != c.uri {
				t.Errorf("%s for %q, want %s", refused.Reason, refused.URI, c.why)
			}
			if !strings.Contains(refused.Text, c.says) {
				t.Errorf("%q does not say %q", refused.Text, c.says)
			}
			// Beside a good address it is refused just the same, and named.
			_, err = r.Match([]string{"http://localhost/callback", c.uri})
			if c.uri != "claude://claude.ai/mcp-auth-callback/sdk" && c.uri != "cursor://anysphere.cursor-mcp/oauth/callback" &&
				(!errors.As(err, &refused) || refused.Index != 1 || refused.URI != c.uri) {
				t.Errorf("beside a good one: %v", err)
			}
		})
	}
}

func TestNamesOfOtherProductsAreMarked(t *testing.T) {
	r := registry(t, acmeAgent())
	names := []string{"Сlaude", "Claude\u00a0Code", "claude.ai", "Claude (official) Code", "ChatGPT.", "acme-agent"}
	for _, id := range r.IDs() {
		p, _ := r.Profile(id)
		names = append(names, p.Name)
	}
	for _, id := range r.IDs() {
		p, _ := r.Profile(id)
		for _, name := range names {
			if shown := p.DisplayName(name); shown != p.Name && shown != name+" (unverified)" {
				t.Errorf("%s that calls itself %q is shown as %q", id, name, shown)
			} else if shown == p.Name && name != p.Name && !slices.Contains(p.Aliases, name) && !strings.HasPrefix(name, p.Name+" (") {
				t.Errorf("%s took %q for its own name", id, name)
			}
		}
	}
}
