package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// secondResource returns a copy of the Caddyfile with a second mcp_bridge
// block, at /mcp/second beside the first one.
func secondResource(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const head, end = "\tmcp_bridge /mcp/appstore {\n", "\n\t}\n"
	_, rest, found := strings.Cut(string(text), head)
	body, _, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the Caddyfile has no mcp_bridge block")
	}
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "\t\tresource ") {
			lines[i] = "\t\tresource {$MCP_EDGE_API_SITE}/mcp/second"
		}
	}
	second := "\tmcp_bridge /mcp/second {\n" + strings.Join(lines, "\n") + end
	return gateway.Variant(t, path, head+body+end, head+body+end+second)
}
