package profiles_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
)

// shape is one way in which an assistant connects.
type shape struct {
	// profile is the id by which an administrator allows it, name what tells its
	// shapes apart.
	profile, name string
	// via is the profile under which it appears, where that is another one.
	via string
	// body is its registration; document the address of its metadata document, for
	// assistants that do not register. Exactly one of both.
	body, document string
	// redirects are the addresses with which it authorizes, one after the other.
	redirects []string
	// registered are those that the answer to its registration lists; nil: those
	// of its body.
	registered []string
	// scope is what it asks for. It gets both scopes of the resource in any case:
	// unknown ones do not count, and who asks for none gets the initial ones.
	scope string
	// query is what else its authorization request holds.
	query url.Values
	// omitResource: it does not read the metadata of the resource.
	omitResource bool
	// refresh is what else its refresh holds.
	refresh url.Values
	// openID: it looks for the metadata of OpenID Connect.
	openID bool
	// needs: nothing admits it until an operator has written its block. It is the
	// part of the refusal that says so.
	needs string
}

func (s shape) title() string {
	if s.name == "" {
		return s.profile
	}
	return s.profile + ", " + s.name
}

// operator is what an operator writes about assistants whose addresses lie at
// the customer's own hosts, or are not published. Hosts under example are made up.
const operator = `
		client chatgpt {
			value callback_id Cb_7xQ
		}
		client copilot-studio {
			redirect_uri https://global.consent.azure-apim.net/redirect/crea-5flumos
		}
		client gemini-app {
			value id Project-1
		}
		client gemini-cli {
			value port 8080
			value workstation_host acme.cluster-1.cloudworkstations.dev
		}
		client glean {
			instance acme
			value tool_id ToolAbC
		}
		client kiro {
			loopback /kiro/callback
		}
		client librechat {
			instance chat.acme.example
			value server_name lumos
		}
		client n8n {
			instance n8n.acme.example
		}
		client notion {
			redirect_uri https://notion.example/mcp/callback
		}
		client raycast {
			redirect_uri https://raycast.example/mcp/callback
		}
		client slack {
			redirect_uri https://slack.example/mcp/callback
		}
		client windsurf {
			loopback /windsurf/callback
		}

`

// operatorAdmitsCursorScheme lets versions of Cursor before 3.10.17 in.
const operatorAdmitsCursorScheme = `
		client cursor {
			redirect_uri cursor://anysphere.cursor-mcp/oauth/callback
		}

`

const (
	// The scope that asks for everything, as assistants do that join what the
	// challenge or the metadata lists.
	all = "appstore:read appstore:request"
	// none, post and basic are methods of authentication at the token endpoint.
	none, post, basic = "none", "client_secret_post", "client_secret_basic"
)

// plain is the registration of a product of which nothing more is published
// than its addresses and its method.
func plain(method string, redirects ...string) string { return named("", method, redirects...) }

func named(name, method string, redirects ...string) string {
	body := map[string]any{
		"redirect_uris": redirects, "token_endpoint_auth_method": method,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
	if name != "" {
		body["client_name"] = name
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// codexID is the id in the callback path of Codex: the first 9 bytes of the
// SHA-256 of the address of the MCP server, in base64url.
func codexID(resource string) string {
	sum := sha256.Sum256([]byte(resource))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// shapes lists how each product connects to the MCP endpoint at resource.
func shapes(resource string) []shape {
	return slices.Concat(anthropic(), openAI(resource), google(), microsoft(), editors(), tools(), hosted(), unpublished())
}

func anthropic() []shape {
	const (
		ai, com = "https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"
		// Reported: a confidential client, without scope, although its authorization
		// request asks for scopes.
		hosted = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`
	)
	return []shape{
		{profile: "claude", name: "registered, with a secret and without scope", body: hosted, redirects: []string{ai}, scope: all},
		{profile: "claude", name: "registered for claude.com", body: named("Claude", post, com), redirects: []string{com}, scope: all},
		{profile: "claude", name: "by its document, which lists jwt-bearer", document: claudeDocument, redirects: []string{ai}, scope: all},
		// Its document has no port; its request has a random one, on either host. It
		// adds offline_access by itself.
		{profile: "claude-code", name: "by its document", document: claudeCodeDocument, redirects: []string{"http://localhost:58135/callback", "http://127.0.0.1:58135/callback"}, scope: all + " offline_access", refresh: url.Values{"scope": {all + " offline_access"}}},
		// Reported: the name has the person's name for the server in brackets.
		{profile: "claude-code", name: "registered", body: named("Claude Code (lumos)", none, "http://localhost:58135/callback"), redirects: []string{"http://localhost:58135/callback"}, scope: all + " offline_access"},
		{profile: "claude-code", name: "registered with a secret", body: named("Claude Code (lumos)", post, "http://localhost:58136/callback"), redirects: []string{"http://localhost:58136/callback"}, scope: all + " offline_access"},
		{profile: "claude-desktop-managed", body: plain(none, "http://127.0.0.1:53280/callback"), redirects: []string{"http://127.0.0.1:53280/callback"}},
	}
}

func openAI(resource string) []shape {
	const stable, connector = "https://chatgpt.com/connector_platform_oauth_redirect", "https://chatgpt.com/connector/oauth/Cb_7xQ"
	id := codexID(resource)
	// Codex has been seen to leave the resource out of its refresh, which this
	// table's refreshes do anyway.
	return []shape{
		{profile: "chatgpt", name: "by its one document", document: chatGPTDocument, redirects: []string{stable}, scope: all, openID: true},
		{profile: "chatgpt", name: "registered", body: named("ChatGPT", none, stable), redirects: []string{stable}, scope: all},
		{profile: "chatgpt", name: "a callback of one connector", body: named("ChatGPT", none, connector), redirects: []string{connector}, scope: all, needs: "a block client chatgpt with instance Cb_7xQ admits it"},
		{profile: "codex", name: "by the document of one server", document: codexServerDocument(resource), redirects: []string{"http://127.0.0.1:40123/callback/" + id, "http://localhost:40124/callback/" + id}, scope: all},
		{profile: "codex", name: "by its shared document", document: codexDocument, redirects: []string{"http://127.0.0.1:40125/callback", "http://localhost:40126/callback"}, scope: all},
		{profile: "codex", name: "registered", body: named("Codex", none, "http://127.0.0.1:40127/callback/"+id), redirects: []string{"http://127.0.0.1:40127/callback/" + id}, scope: all},
	}
}

func google() []shape {
	const (
		paste, enterprise = "https://antigravity.google/oauth-callback", "https://vertexaisearch.cloud.google.com/oauth-redirect"
		workstation, app  = "https://8080-acme.cluster-1.cloudworkstations.dev/oauth/callback", "https://oauth-redirect.googleusercontent.com/r/Project-1"
	)
	// Often configured in the authorization address of Gemini Enterprise.
	consent := url.Values{"access_type": {"offline"}, "prompt": {"consent"}}
	return []shape{
		{profile: "antigravity", body: plain(none, paste), redirects: []string{paste}},
		// Registers for each sign-in, with the port that it just got and an empty scope;
		// repeats all scopes when it refreshes.
		{profile: "gemini-cli", body: `{"client_name":"Gemini CLI MCP Client","redirect_uris":["http://localhost:41234/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":""}`,
			redirects: []string{"http://localhost:41234/oauth/callback"}, scope: all, refresh: url.Values{"scope": {all}, "resource": {}}},
		{profile: "gemini-cli", name: "with a secret", body: named("Gemini CLI MCP Client", post, "http://localhost:41235/oauth/callback"), redirects: []string{"http://localhost:41235/oauth/callback"}, scope: all},
		{profile: "gemini-cli", name: "in a workstation", body: named("Gemini CLI MCP Client", none, workstation), redirects: []string{workstation}, scope: all, needs: "it fits a template of gemini-cli"},
		{profile: "gemini-app", body: plain(none, app), redirects: []string{app}, needs: "a block client gemini-app with instance Project-1 admits it"},
		// Typed in by an administrator: registered once by hand.
		{profile: "gemini-enterprise", name: "secret in the form", body: plain(post, enterprise), redirects: []string{enterprise}, scope: all, query: consent},
		{profile: "gemini-enterprise", name: "secret in the header", body: plain(basic, enterprise), redirects: []string{enterprise}, scope: all, query: consent},
	}
}

func microsoft() []shape {
	const studio, tool = "https://global.consent.azure-apim.net/redirect", "https://global.consent.azure-apim.net/redirect/crea-5flumos"
	const teams = "https://teams.microsoft.com/api/platform/v1.0/oAuthRedirect"
	return []shape{
		// The client that is registered by hand has the address without a tool's part.
		{profile: "copilot-studio", name: "by hand", body: plain(post, studio), redirects: []string{studio}},
		{profile: "copilot-studio", name: "one tool", body: plain(none, tool), redirects: []string{tool}, needs: "a block client copilot-studio with instance crea-5flumos admits it"},
		{profile: "copilot-studio", name: "one tool, with a secret", body: plain(post, tool), redirects: []string{tool}, needs: "a block client copilot-studio with instance crea-5flumos admits it"},
		{profile: "m365-copilot", name: "with a secret", body: plain(post, teams), redirects: []string{teams}},
		{profile: "m365-copilot", name: "public", body: plain(none, teams), redirects: []string{teams}},
		// Four addresses at once, of which one has no port; then another port, because
		// 33418 was taken. The grant of devices is not one of this server.
		{profile: "vscode", name: "registered", body: `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`,
			redirects: []string{"http://127.0.0.1:59656/", "http://127.0.0.1:33418/", "https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect"}, scope: all},
		{profile: "vscode", name: "by its document", document: vscodeDocument, redirects: []string{"http://127.0.0.1:33418/", "http://127.0.0.1:59656/", "https://vscode.dev/redirect"}, scope: all},
		{profile: "vscode", name: "by the document of the other edition", document: vscodeInsidersDocument, redirects: []string{"http://127.0.0.1:33418/", "https://insiders.vscode.dev/redirect"}, scope: all},
		// Its document names 33418, its request another port.
		{profile: "copilot-cli", name: "by its document", document: copilotCLIDocument, redirects: []string{"http://127.0.0.1:60005/"}},
		{profile: "copilot-cli", name: "registered, with another port than it uses", body: named("GitHub Copilot CLI", none, "http://127.0.0.1:33418/"), redirects: []string{"http://127.0.0.1:60006/"}},
	}
}

func editors() []shape {
	const web = "https://www.cursor.com/agents/mcp/oauth/callback"
	return []shape{
		// Takes the first free port of six.
		{profile: "cline", body: named("Cline", none, "http://127.0.0.1:1456/mcp/oauth/callback"), redirects: []string{"http://127.0.0.1:1456/mcp/oauth/callback", "http://127.0.0.1:1461/mcp/oauth/callback"}, scope: all},
		{profile: "continue", body: named("Continue Dev, Inc", none, "http://localhost:3000"), redirects: []string{"http://localhost:3000"}},
		{profile: "continue", name: "with a slash", body: named("Continue Dev, Inc", none, "http://localhost:3000/"), redirects: []string{"http://localhost:3000/"}},
		// Reported: three addresses, of which one has a scheme that any app can claim.
		{profile: "cursor", body: named("Cursor", none, "cursor://anysphere.cursor-mcp/oauth/callback", web, "http://localhost:8787/callback"),
			registered: []string{web, "http://localhost:8787/callback"}, redirects: []string{"http://localhost:8787/callback", web}, scope: all},
		// Registers for each sign-in; sends the resource without exception.
		{profile: "zed", name: "registered", body: named("Zed", none, "http://127.0.0.1:27523/callback"), redirects: []string{"http://127.0.0.1:27523/callback"}, scope: all, refresh: url.Values{"resource": {}}},
		{profile: "zed", name: "by its document", document: zedDocument, redirects: []string{"http://127.0.0.1:27523/callback", "http://127.0.0.1:51111/callback"}, scope: all, refresh: url.Values{"resource": {}}},
		// Has no OAuth of its own: its vendor lets it start mcp-remote.
		{profile: "jetbrains-ai", via: "mcp-remote", body: mcpRemote("http://localhost:3336/oauth/callback"), redirects: []string{"http://localhost:3336/oauth/callback"}, scope: all},
	}
}

// mcpRemote is the registration of mcp-remote.
func mcpRemote(redirect string) string {
	return `{"client_name":"MCP CLI Proxy","client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.1.38","redirect_uris":["` +
		redirect + `"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"openid email profile"}`
}

func tools() []shape {
	// With an empty scope, and application_type beside members that are not known here.
	inspector := func(redirect string) string {
		return `{"client_name":"MCP Inspector","client_uri":"https://github.com/modelcontextprotocol/inspector","redirect_uris":["` + redirect +
			`"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native","scope":""}`
	}
	const openCode = "http://127.0.0.1:19876/mcp/oauth/callback"
	return []shape{
		{profile: "factory-droid", document: factoryDocument, redirects: []string{"http://localhost:45001/factory/callback"}},
		{profile: "goose", name: "registered", body: named("goose", none, "http://127.0.0.1:42000/oauth_callback"), redirects: []string{"http://127.0.0.1:42000/oauth_callback"}, scope: all},
		{profile: "goose", name: "by its document", document: gooseDocument, redirects: []string{"http://127.0.0.1:42001/oauth_callback"}, scope: all},
		{profile: "mcp-inspector", name: "the web form", body: inspector("http://localhost:6274/oauth/callback"), redirects: []string{"http://localhost:6274/oauth/callback"}, scope: all},
		{profile: "mcp-inspector", name: "the terminal form", body: inspector("http://127.0.0.1:6276/oauth/callback"), redirects: []string{"http://127.0.0.1:6276/oauth/callback"}, scope: all},
		// Its last resort are scopes that no resource here has; then the person is
		// asked for what is asked for at first.
		{profile: "mcp-remote", body: mcpRemote("http://localhost:3335/oauth/callback"), redirects: []string{"http://localhost:3335/oauth/callback"}, scope: "openid email profile"},
		{profile: "mcp-remote", name: "at the address", body: mcpRemote("http://127.0.0.1:49150/oauth/callback"), redirects: []string{"http://127.0.0.1:49150/oauth/callback"}, scope: all},
		{profile: "mcpjam", document: mcpjamDocument, redirects: []string{"http://127.0.0.1:45002/mcpjam/callback"}},
		{profile: "opencode", name: "registered", body: named("OpenCode", none, openCode), redirects: []string{openCode}},
		{profile: "opencode", name: "registered with a secret", body: named("OpenCode", post, openCode), redirects: []string{openCode}},
		// Two paths, since strict servers refused its other one.
		{profile: "opencode", name: "by its document", document: openCodeDocument, redirects: []string{openCode, "http://localhost:45003/callback", "http://127.0.0.1:45004/callback"}},
		{profile: "toolhive", document: toolhiveDocument, redirects: []string{"http://localhost:45005/toolhive/callback"}},
	}
}

func hosted() []shape {
	const (
		devin, v0      = "https://api.devin.ai/mcp/oauth/callback", "https://api.v0.dev/v1/mcp-servers/oauth/callback"
		grok, console  = "https://grok.com/connectors-oauth-exchange-code/", "https://console.x.ai/connectors-oauth-exchange-code/"
		glean, tool    = "https://acme-be.glean.com/tools/oauth/verify_code", "https://acme-be.glean.com/tools/oauth/verify_code/ToolAbC"
		chat           = "https://chat.acme.example/api/mcp/lumos/oauth/callback"
		mistral        = "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"
		cloud, own     = "https://oauth.n8n.cloud/oauth2/callback", "https://n8n.acme.example/rest/oauth2-credential/callback"
		personal, team = "https://www.perplexity.ai/rest/connections/oauth_callback", "https://enterprise.perplexity.ai/rest/connections/oauth_callback"
	)
	gleanNeeds, chatNeeds := "a block client glean with instance acme", "a block client librechat with instance chat.acme.example and value server_name lumos admits it"
	// A parameter of its own.
	actor := url.Values{"actor": {"user"}}
	// It joins all scopes into its registration, and sends its secret in the header.
	libreChat := `{"client_name":"LibreChat MCP Client","redirect_uris":["` + chat + `"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_basic","scope":"` + all + `"}`
	return []shape{
		{profile: "devin", body: plain(none, devin), redirects: []string{devin}},
		// How it sends a secret is not published: both ways, and public.
		{profile: "glean", name: "public", body: plain(none, glean), redirects: []string{glean}, needs: gleanNeeds},
		{profile: "glean", name: "secret in the form", body: plain(post, glean), redirects: []string{glean}, needs: gleanNeeds},
		{profile: "glean", name: "secret in the header", body: plain(basic, glean), redirects: []string{glean}, needs: gleanNeeds},
		{profile: "glean", name: "one tool, in capitals and small letters", body: plain(none, tool), redirects: []string{tool}, needs: gleanNeeds},
		{profile: "grok", name: "registered", body: named("Grok", none, grok, console), redirects: []string{grok, console}},
		{profile: "grok", name: "by its document", document: grokDocument, redirects: []string{grok, console}},
		{profile: "librechat", body: libreChat, redirects: []string{chat}, scope: all, needs: chatNeeds},
		{profile: "librechat", name: "secret in the form", body: named("LibreChat MCP Client", post, chat), redirects: []string{chat}, scope: all, needs: chatNeeds},
		{profile: "librechat", name: "an older one, which names no resource", body: named("LibreChat MCP Client", none, chat), redirects: []string{chat}, scope: all, needs: chatNeeds, omitResource: true},
		{profile: "mistral-le-chat", name: "public", body: named("mistral-mcp-client", none, mistral), redirects: []string{mistral}, openID: true},
		{profile: "mistral-le-chat", name: "with a secret", body: named("mistral-mcp-client", post, mistral), redirects: []string{mistral}, openID: true},
		{profile: "n8n", name: "cloud", body: named("n8n", none, cloud), redirects: []string{cloud}, omitResource: true},
		{profile: "n8n", name: "cloud, secret in the form", body: named("n8n", post, cloud), redirects: []string{cloud}},
		{profile: "n8n", name: "cloud, secret in the header", body: named("n8n", basic, cloud), redirects: []string{cloud}},
		{profile: "n8n", name: "self-hosted", body: named("n8n", none, own), redirects: []string{own}, needs: "a block client n8n with instance n8n.acme.example admits it"},
		{profile: "notion", name: "by one document", document: notionDocument, redirects: []string{"https://www.notion.so/mcp/callback"}},
		{profile: "notion", name: "by the other document", document: notionAppDocument, redirects: []string{"https://app.notion.com/mcp/callback"}},
		{profile: "notion", name: "registered, secret in the header", body: plain(basic, "https://notion.example/mcp/callback"), redirects: []string{"https://notion.example/mcp/callback"}, needs: "is not the address of a known client"},
		{profile: "notion", name: "registered, secret in the form", body: plain(post, "https://notion.example/mcp/callback"), redirects: []string{"https://notion.example/mcp/callback"}, needs: "is not the address of a known client"},
		{profile: "perplexity", name: "public", body: plain(none, personal), redirects: []string{personal}, scope: all, query: actor},
		{profile: "perplexity", name: "of an enterprise, with a secret", body: plain(post, team), redirects: []string{team}, scope: all, query: actor},
		{profile: "v0", name: "registered", body: plain(none, v0), redirects: []string{v0}},
		{profile: "v0", name: "by its document", document: v0Document, redirects: []string{v0}},
	}
}

// unpublished products are refused until somebody has seen what they send and
// an operator has admitted exactly that.
func unpublished() []shape {
	atHome := "no client is known that listens at that path on a person's computer"
	return []shape{
		{profile: "kiro", body: plain(none, "http://localhost:43000/kiro/callback"), redirects: []string{"http://localhost:43000/kiro/callback", "http://localhost:43001/kiro/callback"}, needs: atHome},
		{profile: "kiro", name: "with a secret", body: plain(post, "http://localhost:43000/kiro/callback"), redirects: []string{"http://localhost:43000/kiro/callback"}, needs: atHome},
		{profile: "raycast", body: named("Raycast", none, "https://raycast.example/mcp/callback"), redirects: []string{"https://raycast.example/mcp/callback"}, needs: "is not the address of a known client"},
		{profile: "slack", body: named("Slack", none, "https://slack.example/mcp/callback"), redirects: []string{"https://slack.example/mcp/callback"}, needs: "is not the address of a known client"},
		{profile: "windsurf", body: named("Windsurf", none, "http://127.0.0.1:44000/windsurf/callback"), redirects: []string{"http://127.0.0.1:44000/windsurf/callback"}, needs: atHome},
	}
}
