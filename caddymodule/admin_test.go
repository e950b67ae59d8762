package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// administered is a gateway whose admin endpoint is a socket.
type administered struct {
	*gateway
	socket string
	admin  *http.Client
}

func newAdministered(t *testing.T) *administered {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &administered{gateway: newGateway(t), socket: filepath.Join(dir, "admin.sock")}
	a.admin = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", a.socket)
	}}}
	return a
}

// run makes Caddy run the configuration with pairs of old and new text.
func (a *administered) run(edits ...string) {
	a.t.Helper()
	text := strings.Replace(a.caddyfile(policyOf{}), "admin off", "admin unix/"+a.socket, 1)
	if err := a.load(strings.NewReplacer(edits...).Replace(text)); err != nil {
		a.t.Fatal(err)
	}
}

// ask sends one request to the admin endpoint and reads its JSON.
func (a *administered) ask(method, uri string, header ...string) (*http.Response, map[string]any) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, "http://127.0.0.1"+uri, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := a.admin.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		a.t.Errorf("%s %s: %q is no JSON: %v", method, uri, raw, err)
	}
	return resp, answer
}

func (a *administered) mustAsk(method, uri string) map[string]any {
	a.t.Helper()
	resp, answer := a.ask(method, uri)
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s %s: %d %v", method, uri, resp.StatusCode, answer)
	}
	return answer
}

// clientIDs are those of one page, and what comes after it.
func (a *administered) clientIDs(query string) (ids []string, next string) {
	a.t.Helper()
	answer := a.mustAsk(http.MethodGet, "/mcp_edge/clients"+query)
	for _, row := range answer["clients"].([]any) {
		ids = append(ids, row.(map[string]any)["id"].(string))
	}
	next, _ = answer["next"].(string)
	return ids, next
}

// register registers and returns the answer.
func (a *administered) register(body string) (int, map[string]any) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, "http://"+a.auth+"/register", strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, text, err := a.do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal([]byte(text), &answer)
	return status, answer
}

func (a *administered) wantSearch(token string, want int) {
	a.t.Helper()
	if status, body, err := a.search(a.t.Context(), token, "x"); err != nil || status != want {
		a.t.Errorf("a call: %d %s %v, want %d", status, body, err, want)
	}
}

func TestOperatorsListClientsInPages(t *testing.T) {
	a := newAdministered(t)
	a.run()
	a.token()
	a.token()
	all, next := a.clientIDs("")
	if len(all) != 2 || next != "" {
		t.Fatalf("%q, then %q", all, next)
	}
	first, next := a.clientIDs("?limit=1")
	second, end := a.clientIDs("?limit=1&after=" + url.QueryEscape(next))
	if len(first) != 1 || len(second) != 1 || first[0] != all[0] || second[0] != all[1] || next != all[0] || end != "" {
		t.Errorf("%q %q, then %q %q", first, next, second, end)
	}
	row := a.mustAsk(http.MethodGet, "/mcp_edge/clients")["clients"].([]any)[0].(map[string]any)
	if row["kind"] != "registration" || row["profile"] != "claude" || row["name"] != "Claude" || row["live_grants"] != 1.0 || row["last_grant_at"] == nil {
		t.Errorf("%v", row)
	}
	if text := fmt.Sprint(row); strings.Contains(strings.ToLower(text), "hash") || strings.Contains(text, "secret") {
		t.Errorf("more than operators need: %s", text)
	}
}

func TestARemovedClientIsRefusedAtItsNextRequest(t *testing.T) {
	a := newAdministered(t)
	a.run()
	token := a.token()
	a.wantSearch(token, 200) // and is cached now
	ids, _ := a.clientIDs("")
	if got := a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(ids[0])); got["ended_grants"] != 1.0 || got["removed"] != true {
		t.Errorf("%v", got)
	}
	a.wantSearch(token, 401)
	if ids, _ := a.clientIDs(""); len(ids) != 0 {
		t.Errorf("left: %q", ids)
	}
	if resp, _ := a.ask(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(ids[0])); resp.StatusCode != http.StatusNotFound {
		t.Errorf("again: %d", resp.StatusCode)
	}
	if order := regexp.MustCompile(`(?s)"admin_action".*"token_revoked".*"reason":"admin".*"client_removed".*"reason":"admin"`); !order.MatchString(a.audit()) {
		t.Errorf("audited %s", a.audit())
	}
}

func TestOnlyTheGrantsMayEnd(t *testing.T) {
	a := newAdministered(t)
	a.run()
	token := a.token()
	a.wantSearch(token, 200)
	ids, _ := a.clientIDs("")
	if got := a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(ids[0])+"?grants=only"); got["ended_grants"] != 1.0 || got["removed"] != false {
		t.Errorf("%v", got)
	}
	a.wantSearch(token, 401)
	if left, _ := a.clientIDs(""); len(left) != 1 || strings.Contains(a.audit(), `"client_removed"`) {
		t.Errorf("left: %q", left)
	}
}

func TestAReloadChangesNothingForOperators(t *testing.T) {
	a := newAdministered(t)
	a.run()
	token := a.token()
	a.wantSearch(token, 200)
	ids, _ := a.clientIDs("")
	a.run("clients claude", "clients claude chatgpt")
	if err := a.load("{\n\tadmin unix/" + a.socket + "\n\tmcp_edge {\n\t}\n}"); err == nil {
		t.Fatal("a configuration without issuer is accepted")
	}
	a.wantSearch(token, 200)
	a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(ids[0]))
	a.wantSearch(token, 401)
}

func TestAClientIsFoundByTheURLOfItsDocument(t *testing.T) {
	a := newAdministered(t)
	a.run()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	err := a.app().running.Load().runtime.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.CreateClient(t.Context(), store.Client{ID: id, Kind: store.KindDocument, Profile: "claude-code", Name: "Claude Code", CreatedAt: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows := a.mustAsk(http.MethodGet, "/mcp_edge/clients")["clients"].([]any); len(rows) != 1 || rows[0].(map[string]any)["kind"] != "document" {
		t.Errorf("%v", rows)
	}
	a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(id))
	if ids, _ := a.clientIDs(""); len(ids) != 0 {
		t.Errorf("left: %q", ids)
	}
}

func TestAClientThatNobodyApprovedYetCanBeRemoved(t *testing.T) {
	a := newAdministered(t)
	a.run()
	status, registered := a.register(`{"redirect_uris":["https://claude.ai/api/mcp/auth_callback"]}`)
	if ids, _ := a.clientIDs(""); status != http.StatusCreated || len(ids) != 0 {
		t.Fatalf("%d, listed %q", status, ids)
	}
	a.mustAsk(http.MethodDelete, "/mcp_edge/clients/"+url.PathEscape(registered["client_id"].(string)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, registered["registration_client_uri"].(string), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+registered["registration_access_token"].(string))
	if status, body, err := a.do(req); status != http.StatusUnauthorized || err != nil {
		t.Errorf("it still manages itself: %d %s %v", status, body, err)
	}
}

func TestOperatorRoutesReadStrictly(t *testing.T) {
	a := newAdministered(t)
	a.run()
	for name, c := range map[string]struct {
		method, uri string
		status      int
		allow       string
	}{
		"a page of none":            {"GET", "/mcp_edge/clients?limit=0", 400, ""},
		"a page beyond all":         {"GET", "/mcp_edge/clients?limit=1001", 400, ""},
		"a page that is no number":  {"GET", "/mcp_edge/clients?limit=1e2", 400, ""},
		"a number spelt otherwise":  {"GET", "/mcp_edge/clients?limit=%2B5", 400, ""},
		"a limit given twice":       {"GET", "/mcp_edge/rejections?limit=1&limit=2", 400, ""},
		"a misspelt parameter":      {"GET", "/mcp_edge/clients?aftr=x", 400, ""},
		"a parameter of another":    {"GET", "/mcp_edge/rejections?after=x", 400, ""},
		"a query that is none":      {"GET", "/mcp_edge/clients?limit=%zz", 400, ""},
		"grants of another word":    {"DELETE", "/mcp_edge/clients/x?grants=all", 400, ""},
		"grants given empty":        {"DELETE", "/mcp_edge/clients/x?grants=", 400, ""},
		"no id":                     {"DELETE", "/mcp_edge/clients/", 400, ""},
		"an id with a bare slash":   {"DELETE", "/mcp_edge/clients/a/b", 400, ""},
		"an id beyond all lengths":  {"DELETE", "/mcp_edge/clients/" + strings.Repeat("x", 3000), 400, ""},
		"an unknown client":         {"DELETE", "/mcp_edge/clients/x", 404, ""},
		"an unknown rejection":      {"DELETE", "/mcp_edge/rejections/x", 404, ""},
		"removing all":              {"DELETE", "/mcp_edge/clients", 405, "GET"},
		"reading one":               {"GET", "/mcp_edge/clients/x", 405, "DELETE"},
		"writing":                   {"POST", "/mcp_edge/clients", 405, "GET"},
		"a preflight":               {"OPTIONS", "/mcp_edge/clients", 405, "GET"},
		"dismissing all rejections": {"DELETE", "/mcp_edge/rejections", 405, "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, answer := a.ask(c.method, c.uri)
			if resp.StatusCode != c.status || answer["error"] == "" || resp.Header.Get("Allow") != c.allow {
				t.Errorf("%d %v, Allow %q", resp.StatusCode, answer, resp.Header.Get("Allow"))
			}
			for header := range resp.Header {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("says %s", header)
				}
			}
		})
	}
	if resp, _ := a.ask(http.MethodGet, "/mcp_edge/clients", "Origin", "https://evil.example"); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign web page got %d", resp.StatusCode)
	}
}

func TestOperatorsAreToldWhereNoGatewayRuns(t *testing.T) {
	a := newAdministered(t)
	if err := caddy.Load(fmt.Appendf(nil, `{"admin":{"listen":"unix/%s","config":{"persist":false}}}`, a.socket), true); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"GET", "/mcp_edge/clients"}, {"DELETE", "/mcp_edge/clients/x"}, {"GET", "/mcp_edge/rejections"}, {"DELETE", "/mcp_edge/rejections/x"}} {
		resp, answer := a.ask(c[0], c[1])
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(fmt.Sprint(answer["error"]), "has no app mcp_edge") {
			t.Errorf("%s: %d %v %v", c, resp.StatusCode, resp.Header, answer)
		}
	}
}

// forCaddyfile returns what a printed list says to write down: blocks for
// mcp_edge, and a clients line.
func forCaddyfile(printed string) (blocks, clients string) {
	for text := range strings.Lines(printed) {
		text, ok := strings.CutPrefix(text, "\t")
		switch {
		case ok && strings.HasPrefix(text, "clients "):
			clients = strings.TrimSpace(text)
		case ok:
			blocks += text
		}
	}
	return blocks, clients
}

func (a *administered) printedRejections() string {
	a.t.Helper()
	var out bytes.Buffer
	if err := printRejections(&out, &adminClient{"unix/" + a.socket}, false); err != nil {
		a.t.Fatal(err)
	}
	return out.String()
}

// TestThePrintedLinesAdmitWhatWasRefused writes what the command prints into the
// Caddyfile, as an operator would.
func TestThePrintedLinesAdmitWhatWasRefused(t *testing.T) {
	for name, redirects := range map[string]string{
		"an own assistant":                        `"https://agent.acme.com/oauth/callback"`,
		"an own assistant with a query":           `"https://agent.acme.com/cb?tenant=1"`,
		"one with two hosts and a loopback path":  `"https://a.example/cb","https://b.example/cb","http://127.0.0.1:5555/cb2"`,
		"an app on the computer":                  `"http://localhost:7777/my-app/callback"`,
		"an app on the computer, with a query":    `"http://localhost:7777/cb?app=1"`,
		"a known assistant that nobody allows":    `"https://chatgpt.com/connector_platform_oauth_redirect"`,
		"an instance of Glean":                    `"https://acme-be.glean.com/tools/oauth/verify_code"`,
		"another callback at the host of Claude":  `"https://claude.ai/api/mcp/auth_callback_2"`,
		"a foreign address beside that of Claude": `"https://claude.ai/api/mcp/auth_callback","https://a.example/cb"`,
		"two instances of Glean":                  `"https://acme-be.glean.com/tools/oauth/verify_code","https://beta-be.glean.com/tools/oauth/verify_code"`,
		"a host that is called like an assistant": `"https://claude/cb"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAdministered(t)
			a.run()
			body := `{"client_name":"\u201c{$TEST_IDP_SECRET} } import x","redirect_uris":[` + redirects + `]}`
			status, refused := a.register(body)
			printed := a.printedRejections()
			blocks, clients := forCaddyfile(printed)
			if status == http.StatusCreated || blocks+clients == "" {
				t.Fatalf("%d %v, printed %s", status, refused, printed)
			}
			if clients == "" { // Claude is allowed already
				clients = "clients claude"
			}
			if strings.Contains(blocks, "$") {
				t.Errorf("the name is part of the lines:\n%s", blocks)
			}
			a.run("\t\tdomain demo.example", blocks+"\t\tdomain demo.example", "clients claude\n", clients+"\n")
			if status, answer := a.register(body); status != http.StatusCreated {
				t.Errorf("still refused: %d %v with\n%s", status, answer, printed)
			}
			if printed := a.printedRejections(); !strings.Contains(printed, "it is allowed now, by demo.example") {
				t.Errorf("it is not said to be allowed:\n%s", printed)
			}
		})
	}
}

func TestThePrintedLinesAdmitADocument(t *testing.T) {
	a := newAdministered(t)
	a.run()
	const document = "https://agent.acme.com/client.json"
	if _, _, err := a.get("http://" + a.auth + "/authorize?client_id=" + url.QueryEscape(document)); err != nil {
		t.Fatal(err)
	}
	blocks, clients := forCaddyfile(a.printedRejections())
	a.run("\t\tdomain demo.example", blocks+"\t\tdomain demo.example", "clients claude\n", clients+"\n")
	if p, ok := a.app().profiles.ByDocument(document); !ok || p.ID != "agent-acme-com" || !strings.HasSuffix(clients, " agent-acme-com") {
		t.Errorf("%q %q: %v", blocks, clients, ok)
	}
}

func TestARejectionIsDismissed(t *testing.T) {
	a := newAdministered(t)
	a.run()
	a.register(`{"redirect_uris":["https://agent.acme.com/cb"]}`)
	kept := a.mustAsk(http.MethodGet, "/mcp_edge/rejections?limit=5")["rejections"].([]any)
	if len(kept) != 1 {
		t.Fatalf("%v", kept)
	}
	a.mustAsk(http.MethodDelete, "/mcp_edge/rejections/"+kept[0].(map[string]any)["id"].(string))
	if printed := a.printedRejections(); !strings.HasPrefix(printed, "nothing was refused") || !strings.Contains(a.audit(), "dismiss the refused registration") {
		t.Errorf("%s", printed)
	}
}

func TestAPersonWhoIsSignedOutByAnOperatorIsRefusedAtTheNextRequest(t *testing.T) {
	a := newAdministered(t)
	a.run()
	one, two := a.token(), a.token()
	a.wantSearch(one, http.StatusOK)
	for uri, want := range map[string]int{
		"/mcp_edge/people/demo.example/bob@demo.example":  http.StatusNotFound,
		"/mcp_edge/people/other.example/ada@demo.example": http.StatusNotFound,
		"/mcp_edge/people/demo.example":                   http.StatusBadRequest,
		"/mcp_edge/people/demo.example/":                  http.StatusBadRequest,
		"/mcp_edge/people//ada@demo.example":              http.StatusBadRequest,
		"/mcp_edge/people/demo.example/a/b":               http.StatusBadRequest,
	} {
		if resp, answer := a.ask(http.MethodDelete, uri); resp.StatusCode != want {
			t.Errorf("%s: %d %v", uri, resp.StatusCode, answer)
		}
	}
	a.wantSearch(one, http.StatusOK)
	var printed bytes.Buffer
	gateway := &adminClient{address: "unix/" + a.socket}
	if err := signOutPerson(&printed, gateway, "demo.example", "Ada@demo.example", false); err != nil {
		t.Fatal(err)
	}
	if printed.String() != "signed out 1 people, ended 2 grants\n" {
		t.Errorf("%q", &printed)
	}
	a.wantSearch(one, http.StatusUnauthorized)
	a.wantSearch(two, http.StatusUnauthorized)
	trail := a.audit()
	for _, line := range []string{`"event_name":"admin_action"`, `"event_name":"person_signed_out"`, `"reason":"admin"`, "an operator signed the person out, with 2 grants"} {
		if !strings.Contains(trail, line) {
			t.Errorf("the trail has no %s:\n%s", line, trail)
		}
	}
	if n := strings.Count(trail, `"event_name":"token_revoked"`); n != 2 {
		t.Errorf("%d grants in the trail", n)
	}
}
