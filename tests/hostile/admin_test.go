package hostile_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// operate runs a command as an operator on the gateway's machine does, and
// returns what it printed, without Caddy's log of reading the configuration.
func (w *world) operate(t testing.TB, args ...string) string {
	t.Helper()
	out, err := w.Command(append(args, "--adapter", "caddyfile", "--config", w.Caddyfile)...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	var printed strings.Builder
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, `{"level":`) {
			printed.WriteString(line)
		}
	}
	return printed.String()
}

// TestOperators is about what operators do at run time, by commands, while
// strangers choose what they are shown.
func TestOperators(t *testing.T) {
	start(t).run(t,
		part{"a removed client is refused at its next request", removedByOperator},
		part{"what was refused can be admitted by the printed lines", admittedByOperator},
		part{"a command without a gateway says what is missing", withoutAdminEndpoint},
		part{"the admin routes are nowhere but at the admin endpoint", adminElsewhere},
	)
}

func removedByOperator(t *testing.T, w *world) {
	a, other := w.register(t), w.register(t)
	tokens, others := w.connect(t, a, "member", readScope), w.connect(t, other, "member", readScope)
	w.alive(t, "the token", tokens.AccessToken)
	if list := w.operate(t, "registrations"); !strings.Contains(list, a.ClientID) || !strings.Contains(list, "MCP Inspector") {
		t.Errorf("not listed:\n%s", list)
	}
	if out := w.operate(t, "registrations", "remove", a.ClientID, "--keep-client"); out != "kept the client, ended 1 grants\n" {
		t.Errorf("%q", out)
	}
	w.dead(t, "the token", tokens.AccessToken)
	again := w.connect(t, a, "member", readScope)
	w.alive(t, "the next token", again.AccessToken)
	if out := w.operate(t, "registrations", "remove", a.ClientID); out != "removed the client, ended 1 grants\n" {
		t.Errorf("%q", out)
	}
	w.dead(t, "the next token", again.AccessToken)
	refused(t, w.refresh(t, a, again.RefreshToken), http.StatusUnauthorized, "invalid_client")
	w.alive(t, "the token of another client", others.AccessToken)
	var listed []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(w.operate(t, "registrations", "--json")), &listed); err != nil || len(listed) != 1 || listed[0].ID != other.ClientID {
		t.Errorf("%v %v", listed, err)
	}
	if out, err := w.Command("registrations", "remove", a.ClientID, "--address", w.AdminAddress()); err == nil || !strings.Contains(out, "there is none with that id") {
		t.Errorf("removed twice: %v %s", err, out)
	}
	w.audited(t, map[string]any{"event_name": "admin_action", "client_id": a.ClientID})
	w.audited(t, map[string]any{"event_name": "client_removed", "client_id": a.ClientID, "reason": "admin"})
	// One with a document comes back with the next approval: the configuration decides.
	a = &assistant.Assistant{Issuer: w.issuer, Resource: w.resource, HTTP: w.client(), ClientID: claudeCodeDocument, Redirect: "http://localhost:58135/callback"}
	tokens = w.connect(t, a, "member", readScope)
	w.alive(t, "the token of a document's client", tokens.AccessToken)
	if out := w.operate(t, "registrations", "remove", claudeCodeDocument); out != "removed the client, ended 1 grants\n" {
		t.Errorf("%q", out)
	}
	w.dead(t, "the token of a document's client", tokens.AccessToken)
	w.alive(t, "the token after a new approval", w.connect(t, a, "member", readScope).AccessToken)
	w.dead(t, "the token from before", tokens.AccessToken)
	// A metadata document's URL, unknown as it is, arrives as one id.
	if out, err := w.Command("registrations", "remove", "https://x.example/a//b?c", "--address", w.AdminAddress()); err == nil || !strings.Contains(out, "HTTP 404") {
		t.Errorf("%v %s", err, out)
	}
}

func admittedByOperator(t *testing.T, w *world) {
	body := `{"client_name":"Acme {$MCP_EDGE_IDP_SECRET}","redirect_uris":["https://agent.acme.example/cb","http://localhost:7/acme"]}`
	refused(t, w.tryRegister(t, body), http.StatusBadRequest, "invalid_redirect_uri")
	printed := w.operate(t, "rejections")
	var blocks, clients string
	for line := range strings.Lines(printed) {
		if rest, ok := strings.CutPrefix(line, "\t"); ok && strings.HasPrefix(rest, "clients ") {
			clients = strings.TrimSpace(rest)
		} else if ok {
			blocks += rest
		}
	}
	if strings.Contains(blocks, "$") || !strings.Contains(blocks, "redirect_uri https://agent.acme.example/cb") {
		t.Errorf("printed\n%s", printed)
	}
	const domain, before = "domain {$MCP_EDGE_DOMAIN:demo.example} {", "clients claude claude-code chatgpt vscode mcp-inspector mcp-remote"
	if err := w.Reload(w.Variant(domain, blocks+domain, before, clients)); err != nil {
		t.Fatal(err)
	}
	if answer := w.tryRegister(t, body); answer.Status != http.StatusCreated {
		t.Errorf("%d %s with\n%s", answer.Status, answer.Body, printed)
	}
	id, _, _ := strings.Cut(printed, " ")
	w.operate(t, "rejections", "dismiss", id)
	if left := w.operate(t, "rejections"); !strings.HasPrefix(left, "nothing was refused") {
		t.Errorf("%s", left)
	}
}

func withoutAdminEndpoint(t *testing.T, w *world) {
	off := gateway.Variant(t, w.Caddyfile, "admin {$MCP_EDGE_ADMIN:off}", "admin off")
	for _, command := range []string{"registrations", "rejections"} {
		out, err := w.Command(command, "--adapter", "caddyfile", "--config", off)
		if err == nil || !strings.Contains(out, "admin endpoint is off") || !strings.Contains(out, "unix//") {
			t.Errorf("%s: %v %s", command, err, out)
		}
		out, err = w.Command(command, "--address", "unix//nowhere/admin.sock")
		if err == nil || !strings.Contains(out, "does it run") {
			t.Errorf("%s: %v %s", command, err, out)
		}
		if out, err := w.Command(command, "rm", "x"); err == nil {
			t.Errorf("%s rm x: %s", command, out)
		}
	}
}

// adminElsewhere: field of many gateways, whose admin plane was reachable by the
// public port.
func adminElsewhere(t *testing.T, w *world) {
	for _, path := range []string{"/mcp_edge/clients", "/mcp_edge/rejections", "/mcp_edge/clients/" + url.PathEscape("https://x.example/c")} {
		for _, origin := range []string{w.issuer, strings.TrimSuffix(w.resource, "/mcp/appstore")} {
			if a := w.send(t, http.MethodGet, origin+path, ""); a.Status != http.StatusNotFound {
				t.Errorf("%s%s: %d %s", origin, path, a.Status, a.Body)
			}
		}
	}
}
