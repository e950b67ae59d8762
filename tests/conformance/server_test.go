package conformance_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// revisions are those that the tool has a frozen list of requirements for, each
// with how many scenarios it runs for servers (30 and 37 of them count) and how
// many checks of them are expected to fail. The last number may only shrink; the
// reasons stand in expected-….yml.
var revisions = []struct {
	revision            string
	scenarios, expected int
}{
	{"2025-11-25", 33, 20},
	{"2026-07-28", 50, 24},
}

// alsoRequired are scenarios that the tool runs without scoring them, and which
// say something about what the gateway promises. Others say nothing about it:
// tasks and http-custom-header-server-validation are for servers that offer tasks
// or have parameters mirrored in headers (x-mcp-header), and no tool here does.
var alsoRequired = []string{"http-header-validation", "json-schema-2020-12"}

// TestServerScenariosPass lets the tool judge the MCP endpoint: the real binary
// with tools of the names that the tool calls, and everything in front of them
// as in the product. A failure that is not expected fails, and so does an
// expected one that has stopped to fail.
func TestServerScenariosPass(t *testing.T) {
	g, endpoint := startFixtures(t)
	for _, r := range revisions {
		t.Run(r.revision, func(t *testing.T) {
			baseline := filepath.Join(gateway.Root(), "tests", "conformance", "expected-"+r.revision+".yml")
			if got := len(expected(t, baseline)); got != r.expected {
				t.Errorf("%s has %d entries, and %d are known here", baseline, got, r.expected)
			}
			dir := t.TempDir()
			out, err := runServer(t, "--url", endpoint, "--requirements", r.revision, "--expected-failures", baseline, "--output-dir", dir)
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			ran := regexp.MustCompile(`(?m)^\s*[✓✗~] ([a-z0-9-]+): `).FindAllStringSubmatch(out, -1)
			if len(ran) != r.scenarios {
				t.Errorf("%d scenarios were run, want %d:\n%s", len(ran), r.scenarios, out)
			}
		})
	}
	for _, scenario := range alsoRequired {
		t.Run(scenario, func(t *testing.T) {
			dir := t.TempDir()
			out, err := runServer(t, "--url", endpoint, "--scenario", scenario, "--spec-version", "2026-07-28", "--output-dir", dir)
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			for _, v := range read(t, dir) {
				v.fails(t)
			}
		})
	}
	t.Run("every call is in the audit trail", func(t *testing.T) {
		trail := strings.Join(g.AuditLines(), "\n")
		for _, tool := range []string{"test_simple_text", "test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types", "test_error_handling", "test_input_required_result_elicitation"} {
			if !strings.Contains(trail, tool) {
				t.Errorf("no line tells of %s", tool)
			}
		}
	})
}

// startFixtures starts the gateway with the tools of the conformance tool, for a
// person who may call them, and returns the address at which the tool reaches it.
func startFixtures(t *testing.T) (*gateway.Gateway, string) {
	t.Helper()
	proxy := listen(t)
	g := gateway.StartBinary(t, gateway.Tagged(t, "conformance"), stack.Options{}, gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"),
		"toolset appstore", "toolset conformance",
		"allow appstore.apps.view", "allow conformance.tools.call appstore.apps.view",
		"# allow_origin http://localhost:6274", "allow_origin http://"+proxy.Addr().String(),
	))
	a, err := assistant.Register(t.Context(), g.Stack.Client(), g.Stack.Issuer, g.Stack.Resource)
	if err != nil {
		t.Fatal(err)
	}
	member := g.Stack.User("member")
	person := robot.New(g.Stack.Transport(), robot.Person{Email: member.Email, Password: member.Password})
	tokens, err := a.Connect(t.Context(), person, "")
	if err != nil {
		t.Fatal(err)
	}
	serveAs(t, proxy, g, tokens.AccessToken)
	return g, "http://" + proxy.Addr().String() + stack.ResourcePath
}

// runServer runs scenarios for servers and returns what the tool printed.
func runServer(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	out, err := tool(ctx, t, append([]string{"server"}, args...)...).CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ansi.ReplaceAllString(string(out), ""), err
}

var ansi = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// expected reads the entries of a baseline. Each has to give its reason: a
// comment that stands before it, for itself or for a group without empty lines.
func expected(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	reasoned := false
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case line == "":
			reasoned = false
		case strings.HasPrefix(line, "#"):
			reasoned = true
		case strings.HasPrefix(line, "- "):
			entry := strings.TrimPrefix(line, "- ")
			if !reasoned || slices.Contains(entries, entry) {
				t.Errorf("%s: %s has no reason, or stands twice", path, entry)
			}
			entries = append(entries, entry)
		}
	}
	return entries
}

// TestTheProductHasNoFixtures holds that the tools of the conformance tool are
// in no binary that is built without the tag, however it is built otherwise.
func TestTheProductHasNoFixtures(t *testing.T) {
	const fixtures = "github.com/teamlumos/mcp-edge/mcpbridge/toolset/conformance"
	packages := func(flags ...string) []string {
		cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"list", "-deps"}, flags...), ".")...)
		cmd.Dir = gateway.Root()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	if !slices.Contains(packages("-tags", "conformance"), fixtures) {
		t.Error("the tag conformance does not bring the fixtures in; this test looks for the wrong package")
	}
	for _, p := range packages() {
		if p == fixtures || strings.HasPrefix(p, "github.com/teamlumos/mcp-edge/tests/") {
			t.Errorf("the product imports %s", p)
		}
	}

	files, err := filepath.Glob(filepath.Join(gateway.Root(), "mcpbridge", "toolset", "conformance", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range append(files, filepath.Join(gateway.Root(), "caddymodule", "toolsets_conformance.go")) {
		if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "//go:build conformance\n\npackage ") && !strings.HasPrefix(string(text), "//go:build conformance\n\n// Package ") {
			t.Errorf("%s does not begin with the build tag: %v", file, err)
		}
	}

	path := gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), "toolset appstore", "toolset conformance")
	out, err := exec.CommandContext(t.Context(), gateway.Binary(t), "validate", "--adapter", "caddyfile", "--config", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `unknown toolset \"conformance\"`) {
		t.Errorf("the product takes the toolset: %v\n%s", err, out)
	}
}
