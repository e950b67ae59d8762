package hostile_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

const inspectorRedirect = "http://localhost:6274/oauth/callback"

// TestRegistration is about POST /register (RFC 7591). Each request comes from an
// address of its own, so that no budget answers in place of the rule.
func TestRegistration(t *testing.T) {
	start(t).run(t,
		part{"redirect URIs that lead elsewhere are refused [A5 R2 H4 H9 E37 E38]", hostileRedirects},
		part{"metadata that deceives or overloads is refused [G8 R2 R4 H4 H9 H30 E39 E40]", hostileMetadata},
		part{"the server decides what is registered [R1 R3 R5 H9 E42]", serverDecides},
		part{"a registration grants nothing [A10 M5 R6]", grantsNothing},
		part{"other methods and content types are refused in JSON [M10]", malformedRegistrations},
	)
}

func (w *world) tryRegister(t testing.TB, body string) assistant.Answer {
	t.Helper()
	return w.sendBy(t, w.stranger(t), http.MethodPost, w.issuer+"/register", jsonType, body)
}

// hostileRedirects: RFC 7591 §5, RFC 8252 §8.4; CVE-2026-26384 … 26390 among
// many MCP servers, GHSA-q9xg-f2v2-695g, GHSA-wx5f-576r-gpcx.
func hostileRedirects(t *testing.T, w *world) {
	for name, uri := range map[string]string{
		"a script":                          "javascript:alert(1)",
		"a script, spelt in mixed case":     "JaVaScRiPt:alert(1)",
		"a document":                        "data:text/html,<script>alert(1)</script>",
		"a file":                            "file:///etc/passwd",
		"a blob":                            "blob:https://claude.ai/x",
		"a Visual Basic script":             "vbscript:msgbox(1)",
		"a blank page":                      "about:blank",
		"mail":                              "mailto:x@" + evil,
		"a web socket":                      "wss://" + evil + "/",
		"a private-use scheme of nobody":    "evil://callback",
		"a private-use scheme of Claude":    "claude://claude.ai/mcp-auth-callback/sdk",
		"http on the network":               "http://" + evil + "/cb",
		"http at the host of an assistant":  "http://claude.ai/api/mcp/auth_callback",
		"an unknown https host":             "https://" + evil + "/cb",
		"a wildcard host":                   "https://*." + evil + "/cb",
		"a wildcard path":                   "https://claude.ai/*",
		"a wildcard":                        "*",
		"a fragment":                        claudeRedirect + "#x",
		"an empty fragment":                 claudeRedirect + "#",
		"user information":                  "https://user:pw@claude.ai/api/mcp/auth_callback",
		"the assistant as user information": "https://claude.ai@" + evil + "/api/mcp/auth_callback",
		"a slash at the end":                claudeRedirect + "/",
		"a query":                           claudeRedirect + "?x=1",
		"another port":                      "https://claude.ai:444/api/mcp/auth_callback",
		"a control character":               "http://localhost:6274/oauth/callback\u0000",
		"a line break":                      "http://localhost:6274/oauth/callback\nx",
		"a space":                           "http://localhost:6274/oauth/callback x",
		"a backslash":                       `http://localhost:6274\@` + evil + `/oauth/callback`,
		"letters of another script":         "https://cl\u0430ude.ai/api/mcp/auth_callback",
		"an unspecified address":            "http://0.0.0.0:6274/oauth/callback",
		"a short address":                   "http://127.1:6274/oauth/callback",
		"another address of the loopback":   "http://127.0.0.2:6274/oauth/callback",
		"localhost as a prefix":             "http://localhost." + evil + "/oauth/callback",
		"no scheme":                         "//localhost/oauth/callback",
		"a relative path":                   "/oauth/callback",
		"nothing":                           "",
		"2,049 bytes":                       "http://localhost:6274/oauth/callback?" + strings.Repeat("x", 2049),
	} {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.Marshal(uri)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, w.tryRegister(t, fmt.Sprintf(`{"client_name":"x","redirect_uris":[%s],"token_endpoint_auth_method":"none"}`, encoded)),
				http.StatusBadRequest, "invalid_redirect_uri")
		})
	}
	for name, list := range map[string]string{
		"none":                       `[]`,
		"a good one and a foreign":   `["` + inspectorRedirect + `","https://` + evil + `/cb"]`,
		"those of two assistants":    `["` + claudeRedirect + `","https://chatgpt.com/connector_platform_oauth_redirect"]`,
		"1,000 of them":              "[" + strings.Repeat(`"`+inspectorRedirect+`",`, 999) + `"` + inspectorRedirect + `"]`,
		"one good one and a program": `["` + inspectorRedirect + `","javascript:alert(1)"]`,
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.tryRegister(t, fmt.Sprintf(`{"client_name":"x","redirect_uris":%s}`, list))
			if answer.Status == http.StatusRequestEntityTooLarge {
				refused(t, answer, http.StatusRequestEntityTooLarge, "invalid_client_metadata")
				return
			}
			refused(t, answer, http.StatusBadRequest, "invalid_redirect_uri")
		})
	}
	t.Run("no list at all", func(t *testing.T) {
		refused(t, w.tryRegister(t, `{"client_name":"x"}`), http.StatusBadRequest, "invalid_redirect_uri")
	})
}

// hostileMetadata: what people would be shown, and what costs the parser.
func hostileMetadata(t *testing.T, w *world) {
	with := func(members string) string {
		return `{"redirect_uris":["` + inspectorRedirect + `"],` + members + `}`
	}
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"a name that reorders text", with(`"client_name":"Cla\u202eedu"`), 400},
		{"a name with a zero-width character", with(`"client_name":"Cla\u200bude"`), 400},
		{"a name with a line break", with(`"client_name":"Claude\nVerified assistant"`), 400},
		{"a name with a zero byte", with(`"client_name":"Claude\u0000"`), 400},
		{"a name with an escape sequence", with(`"client_name":"\u001b[31mClaude"`), 400},
		{"a name of 10,000 letters", with(`"client_name":"` + strings.Repeat("n", 10_000) + `"`), 400},
		{"a name that is no text", with(`"client_name":{"en":"x"}`), 400},
		{"a name that is no UTF-8", with("\"client_name\":\"\xff\""), 400},
		{"a logo that is a script", with(`"logo_uri":"javascript:alert(1)"`), 400},
		{"a home page that is a document", with(`"client_uri":"data:text/html,x"`), 400},
		{"terms that are a file", with(`"tos_uri":"file:///etc/passwd"`), 400},
		{"a policy that is a script", with(`"policy_uri":"JAVASCRIPT:x"`), 400},
		{"only the grant type implicit", with(`"grant_types":["implicit"]`), 400},
		{"only the grant type password", with(`"grant_types":["password"]`), 400},
		{"only the grant type client_credentials", with(`"grant_types":["client_credentials"]`), 400},
		{"only the response type token", with(`"response_types":["token"]`), 400},
		{"an unknown authentication method", with(`"token_endpoint_auth_method":"magic"`), 400},
		{"a scope with a quote", with(`"scope":"a\"b"`), 400},
		{"a member given twice", `{"redirect_uris":["` + inspectorRedirect + `"],"redirect_uris":["https://` + evil + `/"]}`, 400},
		{"a member in another case", with(`"Redirect_URIs":["https://` + evil + `/"]`), 400},
		{"10,000 nested arrays", with(`"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), 400},
		{"10,000 open brackets", strings.Repeat("[", 10_000), 400},
		{"no object", `[]`, 400},
		{"no JSON", `client_name=x`, 400},
		{"nothing", ``, 400},
		{"trailing text", with(`"client_name":"x"`) + `{}`, 400},
		{"a number beyond all", with(`"client_name":1e309`), 400},
		{"1 MiB", with(`"x":"` + strings.Repeat("y", 1<<20) + `"`), 413},
		{"5 MiB", with(`"x":"` + strings.Repeat("y", 5<<20) + `"`), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, w.tryRegister(t, c.body), c.status, "invalid_client_metadata")
		})
	}
}

// serverDecides: ids, secrets and lists are the server's (RFC 7591 §3.2.1).
func serverDecides(t *testing.T, w *world) {
	_, r := w.registerAs(t, inspectorRedirect, `{"client_name":"MCP Inspector","redirect_uris":["`+inspectorRedirect+`"],"token_endpoint_auth_method":"none",
		"client_id":"https://claude.ai/oauth/claude-code-client-metadata","client_secret":"chosen-by-the-client","client_id_issued_at":1,
		"registration_access_token":"chosen-too","software_statement":"eyJhbGciOiJub25lIn0.e30.","jwks_uri":"http://169.254.169.254/",
		"grant_types":["authorization_code","refresh_token","password","client_credentials"],"response_types":["code","token"],"__proto__":{"x":1}}`)
	if strings.HasPrefix(r.ClientID, "http") || r.ClientID == "" || r.Secret != "" || r.AuthMethod != "none" {
		t.Errorf("registered %+v", r)
	}
	if got := strings.Join(r.GrantTypes, " "); got != "authorization_code refresh_token" {
		t.Errorf("grant types %q", got)
	}
	_, secretive := w.registerAs(t, inspectorRedirect, `{"client_name":"MCP Inspector","redirect_uris":["`+inspectorRedirect+`"],"token_endpoint_auth_method":"client_secret_post","client_secret":"chosen-by-the-client"}`)
	if len(secretive.Secret) < 40 || secretive.Secret == "chosen-by-the-client" || secretive.SecretEnds == nil {
		t.Errorf("registered %+v", secretive)
	}
	ids := map[string]bool{}
	for range 5 {
		ids[w.register(t).ClientID] = true
	}
	if len(ids) != 5 {
		t.Errorf("five registrations share %d ids", len(ids))
	}
}

// grantsNothing: with a registration alone nobody gets anywhere.
func grantsNothing(t *testing.T, w *world) {
	a := w.register(t)
	refused(t, w.post(t, "/token", form("grant_type", "client_credentials", "client_id", a.ClientID)), http.StatusBadRequest, "unsupported_grant_type")
	refused(t, w.post(t, "/token", form("grant_type", "authorization_code", "code", a.ClientID, "code_verifier", strings.Repeat("v", 43), "client_id", a.ClientID)), http.StatusBadRequest, "invalid_grant")
	w.dead(t, "a client id as a token", a.ClientID)
	address, _ := a.AuthorizationURL(readScope, nil)
	if answer := w.send(t, http.MethodGet, address, ""); answer.Status != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), "/signin?") {
		t.Errorf("before anybody signed in: %d to %q", answer.Status, answer.Header.Get("Location"))
	}
}

func malformedRegistrations(t *testing.T, w *world) {
	good := `{"redirect_uris":["` + inspectorRedirect + `"]}`
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		answer := w.sendBy(t, w.stranger(t), method, w.issuer+"/register", jsonType, good)
		refused(t, answer, http.StatusMethodNotAllowed, "invalid_request")
		if answer.Header.Get("Allow") == "" {
			t.Errorf("%s: 405 without Allow", method)
		}
	}
	for _, media := range []string{"", formType, "text/plain", "application/jsonp", "text/html"} {
		refused(t, w.sendBy(t, w.stranger(t), http.MethodPost, w.issuer+"/register", media, good), http.StatusBadRequest, "invalid_client_metadata")
	}
}
