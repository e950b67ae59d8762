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
	start := strings.Index(string(text), "\tmcp_bridge /mcp/appstore {")
	if start < 0 {
		t.Fatal("the Caddyfile has no mcp_bridge block")
	}
	end := start + strings.Index(string(text)[start:], "\n\t}\n") + len("\n\t}\n")
	block := string(text)[start:end]
	second := strings.ReplaceAll(block, "mcp_bridge /mcp/appstore", "mcp_bridge /mcp/second")
	line := second[strings.Index(second, "\t\tresource "):]
	line = line[:strings.Index(line, "\n")]
	second = strings.Replace(second, line, "\t\tresource {$MCP_EDGE_API_SITE}/mcp/second", 1)
	return gateway.Variant(t, path, block, block+second)
}
