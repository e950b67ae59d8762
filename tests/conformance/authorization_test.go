package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// check is one entry of the checks.json that the tool writes for a scenario.
type check struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Message string `json:"errorMessage"`
}

// verdict are the checks of one scenario.
type verdict []check

// fails tells each check that the gateway did not pass. A skipped check is a
// failure: nothing was shown.
func (v verdict) fails(t *testing.T) {
	t.Helper()
	passed := 0
	for _, c := range v {
		switch c.Status {
		case "SUCCESS":
			passed++
		case "INFO":
		case "WARNING":
			t.Logf("%s warns: %s", c.ID, c.Message)
		default:
			t.Errorf("%s: %s: %s", c.ID, c.Status, c.Message)
		}
	}
	if passed == 0 {
		t.Errorf("no check passed among %d", len(v))
	}
}

// scenarios are all that the tool has for authorization servers. A newer tool
// that has more, or fewer, makes the test fail.
var scenarios = []string{"authorization-code-grant", "authorization-server-metadata-endpoint"}

// TestAuthorizationScenariosPass lets the tool judge the gateway over TLS, with
// a person who approves what it asks for.
func TestAuthorizationScenariosPass(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, withConformanceClient(t))
	port := freePort(t)
	verdicts := run(t, g, port, register(t, g, port))
	if got := slices.Sorted(maps.Keys(verdicts)); !slices.Equal(got, scenarios) {
		t.Errorf("the tool ran %v, want %v", got, scenarios)
	}
	for scenario, v := range verdicts {
		t.Run(scenario, v.fails)
	}
}

// withConformanceClient adds a host profile for the tool, as an operator adds
// an assistant of their own, and allows it to the demo domain.
func withConformanceClient(t *testing.T) string {
	t.Helper()
	return gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"),
		"\t\t# One block for each customer", "\t\tclient conformance {\n\t\t\tname \"MCP Conformance\"\n\t\t\tloopback /callback\n\t\t}\n\n\t\t# One block for each customer",
		"clients claude claude-code", "clients conformance",
	)
}

// register registers the tool at the gateway and returns its client id.
func register(t *testing.T, g *gateway.Gateway, port string) string {
	t.Helper()
	body := fmt.Sprintf(`{"client_name":"MCP Conformance","redirect_uris":["http://127.0.0.1:%s/callback"],"token_endpoint_auth_method":"none"}`, port)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Stack.Issuer+"/register", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := assistant.Do(g.Stack.Client(), req)
	if err != nil {
		t.Fatal(err)
	}
	var registered struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(answer.Body, &registered); err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("registration answered %d: %s", answer.Status, answer.Body)
	}
	return registered.ClientID
}

// run runs the scenarios and reads what the tool wrote down about each. They
// share one process, because the second one starts from what the first found. A
// person opens each authorization address that the tool prints.
func run(t *testing.T, g *gateway.Gateway, port, clientID string) map[string]verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	cmd := tool(ctx, t, "authorization", "--url", g.Stack.Issuer,
		"--client-id", clientID, "--resource", g.Stack.Resource, "--port", port, "--output-dir", dir)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+g.Stack.CAFile)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := approveWhatIsPrinted(ctx, t, g, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the tool: %v\n%s", err, printed)
	}
	return read(t, dir)
}

var address = regexp.MustCompile(`https://[^\s\x1b"']+/authorize\?[^\s\x1b"']+`)

// approveWhatIsPrinted sends a person to each authorization address in out,
// and their browser back to the tool. It returns all that was printed.
func approveWhatIsPrinted(ctx context.Context, t *testing.T, g *gateway.Gateway, out io.Reader) string {
	t.Helper()
	var printed strings.Builder
	opened := map[string]bool{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		printed.WriteString(lines.Text() + "\n")
		found := address.FindString(lines.Text())
		if found == "" || opened[found] {
			continue
		}
		opened[found] = true
		if err := approve(ctx, g, found); err != nil {
			t.Errorf("%v", err)
		}
	}
	return printed.String()
}

func approve(ctx context.Context, g *gateway.Gateway, authorization string) error {
	member := g.Stack.User("member")
	person := robot.New(g.Stack.Transport(), robot.Person{Email: member.Email, Password: member.Password})
	callback, err := person.Authorize(ctx, authorization)
	if err != nil {
		return fmt.Errorf("the person: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, callback.String(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("back at the tool: %w", err)
	}
	return resp.Body.Close()
}

// folder is how the tool names the folder of a scenario's result.
var folder = regexp.MustCompile(`^(?:authorization-)?server-(.+)-\d{4}-\d{2}-\d{2}T[0-9-]+Z$`)

// read returns the checks below dir by scenario.
func read(t *testing.T, dir string) map[string]verdict {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]verdict{}
	for _, file := range files {
		name := folder.FindStringSubmatch(filepath.Base(filepath.Dir(file)))
		raw, err := os.ReadFile(file)
		if err != nil || name == nil {
			t.Fatalf("%s: not a result of a scenario: %v", file, err)
		}
		var v verdict
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		verdicts[name[1]] = v
	}
	return verdicts
}

// tool is a command of the conformance tool, under the Node.js that it needs.
func tool(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	modules := filepath.Join(gateway.Root(), "tests", "conformance", "node_modules")
	script := filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js")
	found, err := filepath.Glob(filepath.Join(modules, "node-*", "bin", "node"))
	if _, missing := os.Stat(script); missing != nil || err != nil || len(found) != 1 {
		t.Fatal("the conformance tool is not installed: ./tests/run does it, or run npm ci in tests/conformance")
	}
	return exec.CommandContext(ctx, found[0], append([]string{script}, args...)...)
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := testport.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}
