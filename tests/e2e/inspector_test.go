package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// TestInspectorFindsNothingAndCallsEveryTool has MCP Inspector look for what is
// not portable in the tools' schemas, and call each, in both eras.
func TestInspectorFindsNothingAndCallsEveryTool(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := must[*assistant.Assistant](t)(assistant.Register(t.Context(), g.Stack.Client(), g.Stack.Issuer, g.Stack.Resource))
	token := connect(t, g, a, "member", bothScopes).AccessToken
	for _, era := range []string{"legacy", "modern"} {
		t.Run(era, func(t *testing.T) {
			inspect := func(args ...string) (json.RawMessage, error) {
				return inspector(t, g, token, append([]string{"--protocol-era", era}, args...)...)
			}
			out, err := inspect("--method", "tools/list", "--strict")
			if err != nil {
				t.Fatal(err)
			}
			var listed struct{ Tools []struct{ Name string } }
			if err := json.Unmarshal(out, &listed); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			var names []string
			for _, tool := range listed.Tools {
				names = append(names, tool.Name)
			}
			slices.Sort(names)
			if !slices.Equal(names, appstoreTools) {
				t.Errorf("tools/list has %v: %s", names, out)
			}
			callAllSeven(t, func(tool string, arguments map[string]any) (json.RawMessage, error) {
				encoded, err := json.Marshal(arguments)
				if err != nil {
					return nil, err
				}
				out, err := inspect("--method", "tools/call", "--tool-name", tool, "--tool-args-json", string(encoded))
				if err != nil {
					return nil, err
				}
				var result struct {
					IsError           bool
					StructuredContent json.RawMessage
				}
				if err := json.Unmarshal(out, &result); err != nil || result.IsError {
					return out, errors.Join(err, errors.New("not a result"))
				}
				return result.StructuredContent, nil
			})
		})
	}
}

// inspector runs MCP Inspector without its window and returns the result.
// Any word on its error output is an error: there it reports what it finds.
func inspector(t *testing.T, g *gateway.Gateway, token string, args ...string) (json.RawMessage, error) {
	t.Helper()
	modules := filepath.Join(gateway.Root(), "tests", "e2e", "inspector", "node_modules")
	script := filepath.Join(modules, "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")
	found, err := filepath.Glob(filepath.Join(modules, "node-*", "bin", "node"))
	if _, missing := os.Stat(script); missing != nil || err != nil || len(found) != 1 {
		t.Fatal("the inspector is not installed: ./tests/run does it, or run npm ci in tests/e2e/inspector")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, found[0], append([]string{script, "--cli", "--transport", "http", "--server-url", g.Stack.Resource,
		"--header", "Authorization: Bearer " + token, "--format", "json"}, args...)...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+g.Stack.CAFile, "HOME="+home, "MCP_INSPECTOR_SECRET_STORE=memory")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		return nil, fmt.Errorf("inspector: %w: %s%s", errors.Join(err, errors.New("it says")), errs.String(), out.String())
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || len(answer) != 1 || answer["result"] == nil {
		return nil, fmt.Errorf("inspector printed more than a result: %w: %s", err, out.String())
	}
	return answer["result"], nil
}
