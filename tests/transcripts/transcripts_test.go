package transcripts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

var update = flag.Bool("update", false, "rewrite testdata from what passes the gateway")

// TestEveryToolSpeaksEveryRevisionAsWrittenDown runs the scripts once for each
// revision, each time before an untouched backend.
func TestEveryToolSpeaksEveryRevisionAsWrittenDown(t *testing.T) {
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			w := newWorld(t, revision)
			w.haveAScriptForEveryTool(t)
			for _, s := range scripts {
				t.Run(s.tool, func(t *testing.T) { w.play(t, s) })
			}
		})
	}
}

// world is one gateway with its people's tokens.
type world struct {
	revision string
	g        *gateway.Gateway
	backend  *backend
	client   *http.Client
	tokens   map[string]string
	made     map[string]string // ids of access requests by the step that made them
	volatile []string          // old, new, old, new …
}

func newWorld(t *testing.T, revision string) *world {
	t.Helper()
	b := newBackend(t)
	g := gateway.Start(t, stack.Options{}, "", "MCP_EDGE_BACKEND="+b.URL)
	b.point(t, g.Stack.Backend.URL())
	w := &world{revision: revision, g: g, backend: b, client: g.Stack.Client(), tokens: map[string]string{}, made: map[string]string{
		"permission": appstore.PermissionID(appstore.AppVisible, 0),
	}}
	a, err := assistant.Register(t.Context(), w.client, g.Stack.Issuer, g.Stack.Resource)
	if err != nil {
		t.Fatal(err)
	}
	for token, consent := range map[string][2]string{
		"": {"member", "appstore:read appstore:request"}, reader: {"member", "appstore:read"},
		visitor: {"guest", "appstore:read appstore:request"}, admin: {"admin", "appstore:read appstore:request"},
	} {
		user := g.Stack.User(consent[0])
		tokens, err := a.Connect(t.Context(), robot.New(g.Stack.Transport(), robot.Person{Email: user.Email, Password: user.Password}), consent[1])
		if err != nil {
			t.Fatal(err)
		}
		w.tokens[token] = tokens.AccessToken
	}
	origin := strings.TrimSuffix(g.Stack.Resource, stack.ResourcePath)
	w.volatile = []string{g.Stack.Issuer, "https://auth.example", origin, "https://api.example", a.ClientID, "CLIENT"}
	return w
}

// haveAScriptForEveryTool compares the scripts with what is offered.
func (w *world) haveAScriptForEveryTool(t *testing.T) {
	t.Helper()
	a := &assistant.Assistant{Resource: w.g.Stack.Resource, HTTP: w.client}
	answer, err := a.MCP(t.Context(), w.tokens[""], `{"jsonrpc":"2.0","id":0,"method":"tools/list"}`)
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Result struct{ Tools []struct{ Name string } }
	}
	if err := json.Unmarshal(answer.Body, &listed); err != nil || len(listed.Result.Tools) == 0 {
		t.Fatalf("%v in %s", err, answer.Body)
	}
	offered, scripted := map[string]bool{}, map[string]bool{}
	for _, tool := range listed.Result.Tools {
		offered[tool.Name] = true
	}
	for _, s := range scripts {
		scripted[s.tool] = true
	}
	if diff := cmp.Diff(offered, scripted); diff != "" {
		t.Errorf("tools with a script (-offered +scripted):\n%s", diff)
	}
}

// play runs a script and compares what passed with its file.
func (w *world) play(t *testing.T, s script) {
	path := filepath.Join("testdata", w.revision, s.tool+".txtar")
	now := &txtar.Archive{Comment: fmt.Appendf(nil, "The tool %s in the form of revision %s.\nWritten by the test with -update: what differs from run to run has a name in capitals.\n\n", s.tool, w.revision)}
	for i, st := range s.steps {
		req, body := w.request(t, s.tool, i+1, st)
		answer, err := assistant.Do(w.client, req)
		if err != nil {
			t.Fatal(err)
		}
		w.remember(st, answer)
		now.Files = append(now.Files,
			txtar.File{Name: st.name + ": request", Data: w.normal(transcribeRequest(req, body))},
			txtar.File{Name: st.name + ": answer", Data: w.normal(transcribeAnswer(t, answer))},
		)
		if caused := w.backend.of(answer.Header.Get("X-Request-Id")); len(caused) > 0 {
			now.Files = append(now.Files, txtar.File{Name: st.name + ": at the backend", Data: w.normal(transcribeBackend(t, caused))})
		}
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, txtar.Format(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(old), string(txtar.Format(now))); diff != "" {
		t.Errorf("what passes changed; if it should, run the test with -update (-want +got):\n%s", diff)
	}
}

// request makes the call of a step in the form of the revision.
func (w *world) request(t *testing.T, tool string, id int, st step) (*http.Request, string) {
	t.Helper()
	arguments := st.arguments
	for name, made := range w.made {
		arguments = strings.ReplaceAll(arguments, "{"+name+"}", made)
	}
	meta, header := "", http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Authorization": {"Bearer " + w.tokens[st.token]},
	}
	if w.revision != "2025-03-26" { // which knew no such header
		header["Mcp-Protocol-Version"] = []string{w.revision}
	}
	if w.revision == "2026-07-28" {
		header["Mcp-Method"], header["Mcp-Name"] = []string{"tools/call"}, []string{tool}
		meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + w.revision + `","io.modelcontextprotocol/clientCapabilities":{}}`
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s%s}}`, id, tool, arguments, meta)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.g.Stack.Resource, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	return req, body
}

// remember learns what differs from run to run in an answer: the id of the
// request, and of an access request that was made.
func (w *world) remember(st step, a assistant.Answer) {
	w.volatile = append(w.volatile, a.Header.Get("X-Request-Id"), "CALL")
	var made struct {
		Result struct {
			StructuredContent struct {
				Outcome string
				Request struct{ ID string }
			}
		}
	}
	_ = json.Unmarshal(a.Body, &made) // errors have none
	if c := made.Result.StructuredContent; c.Outcome == "created" {
		w.made[st.name] = c.Request.ID
		w.volatile = append(w.volatile, c.Request.ID, "ID-OF-"+strings.ToUpper(strings.ReplaceAll(st.name, " ", "-")))
	}
}

var (
	instant = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})`)
	bearer  = regexp.MustCompile(`Bearer lma_[A-Za-z0-9_.-]+`)
	left    = []string{"Date", "Content-Length"} // out: they say nothing of the protocol
)

// normal gives what differs from run to run a name.
func (w *world) normal(text []byte) []byte {
	s := strings.NewReplacer(w.volatile...).Replace(string(text))
	s = instant.ReplaceAllString(s, "TIME")
	return []byte(bearer.ReplaceAllString(s, "Bearer TOKEN"))
}

func transcribeRequest(r *http.Request, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL)
	writeHeader(&b, r.Header)
	b.WriteString("\n" + body + "\n")
	return b.Bytes()
}

func transcribeAnswer(t *testing.T, a assistant.Answer) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP %d\n", a.Status)
	writeHeader(&b, a.Header)
	b.WriteByte('\n')
	if err := json.Indent(&b, a.Body, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, a.Body)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func writeHeader(b *bytes.Buffer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := strings.Join(h[name], ", ")
		if strings.HasPrefix(name, "X-Ratelimit-") {
			value = "N" // what is left of a budget depends on the time
		}
		if !slices.Contains(left, name) {
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
}

// transcribeBackend writes what a call caused. Reads that come one after the
// other may be made at the same time, so that their order is not kept.
func transcribeBackend(t *testing.T, all []arrival) []byte {
	t.Helper()
	start := 0
	for i := range all {
		if all[i].method != http.MethodGet {
			sortReads(all[start:i])
			start = i + 1
		}
	}
	sortReads(all[start:])
	var b bytes.Buffer
	for i, a := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		target := a.path
		if a.query != "" {
			target += "?" + a.query
		}
		fmt.Fprintf(&b, "%s %s\n", a.method, target)
		if len(a.body) > 0 {
			fmt.Fprintf(&b, "%s\n", a.body)
		}
		issued, _ := a.claims["iat"].(float64)
		expires, _ := a.claims["exp"].(float64)
		a.claims["iat"], a.claims["exp"], a.claims["jti"] = "NOW", fmt.Sprintf("NOW+%g", expires-issued), "ONCE"
		claims, err := json.Marshal(a.claims) // sorts the names
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "assertion %s\nanswered %d\n", claims, a.status)
	}
	return b.Bytes()
}

func sortReads(reads []arrival) {
	slices.SortStableFunc(reads, func(a, b arrival) int { return strings.Compare(a.path+"?"+a.query, b.path+"?"+b.query) })
}
