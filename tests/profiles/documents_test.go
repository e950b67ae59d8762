package profiles_test

// The addresses of the documents by which assistants introduce themselves.
const (
	chatGPTDocument        = "https://chatgpt.com/oauth/client.json"
	claudeCodeDocument     = "https://claude.ai/oauth/claude-code-client-metadata"
	claudeDocument         = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	codexDocument          = "https://chatgpt.com/oauth/codex/client.json"
	copilotCLIDocument     = "https://github.com/copilot/cli/client-metadata.json"
	factoryDocument        = "https://api.factory.ai/mcp/oauth-client"
	gooseDocument          = "https://goose-docs.ai/oauth/client-metadata.json"
	grokDocument           = "https://grok.com/oauth/mcp-client.json"
	mcpjamDocument         = "https://www.mcpjam.com/.well-known/oauth/client-metadata.json"
	notionDocument         = "https://www.notion.so/oauth/mcp-client-metadata.json"
	notionAppDocument      = "https://app.notion.com/oauth/mcp-client-metadata.json"
	openCodeDocument       = "https://opencode.ai/oauth/opencode/client.json"
	toolhiveDocument       = "https://toolhive.dev/oauth/client-metadata.json"
	v0Document             = "https://v0.app/api/chat/integrations/oauth/client-metadata.json"
	vscodeDocument         = "https://vscode.dev/oauth/client-metadata.json"
	vscodeInsidersDocument = "https://insiders.vscode.dev/oauth/client-metadata.json"
	zedDocument            = "https://zed.dev/oauth/client-metadata.json"
)

func codexServerDocument(resource string) string {
	return "https://chatgpt.com/oauth/codex/" + codexID(resource) + "/client.json"
}

// documents are the texts at those addresses, as far as they have been read:
// with the members that this server does not know. Those that are not here
// (Claude Code, Codex's shared one, Visual Studio Code) are the copies that the
// product brings. The contents of Factory's, MCPJam's, Notion's and ToolHive's
// are not public in detail: theirs are of the common form, with a callback made up.
func documents(resource string) map[string]string {
	id := codexID(resource)
	texts := map[string]string{
		// It prefers a method that is not offered here, and goes down to none.
		chatGPTDocument: `"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"],"token_endpoint_auth_method":"private_key_jwt",` +
			`"token_endpoint_auth_methods_supported":["none","private_key_jwt"],"token_endpoint_auth_signing_alg":"RS256","jwks_uri":"https://chatgpt.com/oauth/jwks.json","response_types":["code"]`,
		// It lists a grant that this server does not have, and no application_type.
		claudeDocument: `"client_name":"Claude","client_uri":"https://claude.ai","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],` +
			`"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:jwt-bearer"],"response_types":["code"],"token_endpoint_auth_method":"none"`,
		codexServerDocument(resource): `"client_name":"Codex","redirect_uris":["http://127.0.0.1/callback/` + id + `","http://localhost/callback/` + id + `"],"application_type":"native",` + public,
		copilotCLIDocument:            `"client_name":"GitHub Copilot CLI","redirect_uris":["http://127.0.0.1:33418/"],"application_type":"native",` + public,
		gooseDocument:                 `"client_name":"goose","redirect_uris":["http://127.0.0.1/oauth_callback"],"application_type":"native",` + public,
		grokDocument:                  `"client_name":"Grok","redirect_uris":["https://grok.com/connectors-oauth-exchange-code/","https://console.x.ai/connectors-oauth-exchange-code/"],` + public,
		openCodeDocument:              `"client_name":"OpenCode","redirect_uris":["http://127.0.0.1/callback","http://localhost/callback","http://127.0.0.1/mcp/oauth/callback"],` + public,
		v0Document:                    `"client_name":"v0","redirect_uris":["https://api.v0.dev/v1/mcp-servers/oauth/callback"],` + public,
		vscodeInsidersDocument:        `"client_name":"Visual Studio Code - Insiders","client_uri":"https://vscode.dev/product","redirect_uris":["http://127.0.0.1:33418/","https://insiders.vscode.dev/redirect"],` + public,
		zedDocument:                   `"client_name":"Zed","redirect_uris":["http://127.0.0.1/callback"],"application_type":"native",` + public,
		factoryDocument:               `"client_name":"Factory Droid","redirect_uris":["http://localhost/factory/callback"],` + public,
		mcpjamDocument:                `"client_name":"MCPJam Inspector","redirect_uris":["http://127.0.0.1/mcpjam/callback"],` + public,
		notionDocument:                `"client_name":"Notion","redirect_uris":["https://www.notion.so/mcp/callback"],` + public,
		notionAppDocument:             `"client_name":"Notion","redirect_uris":["https://app.notion.com/mcp/callback"],` + public,
		toolhiveDocument:              `"client_name":"ToolHive","redirect_uris":["http://localhost/toolhive/callback"],` + public,
	}
	for address, members := range texts {
		texts[address] = `{"client_id":"` + address + `",` + members + `}`
	}
	return texts
}

const public = `"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"`
