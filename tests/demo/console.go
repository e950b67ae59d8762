package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// console is what the person who runs the demo sees.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

func newConsole(out io.Writer) *console { return &console{out: out} }

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format, args...)
}

// request shows one request as the backend saw it.
func (c *console) request(r appstore.Request) {
	target := r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	who := r.PersonEmail
	if who == "" {
		who = "nobody"
	}
	c.printf("  backend  %-6s %s\n           runs as %s (%s) through %s, may %s → %d%s\n",
		r.Method, target, who, orDash(r.Subject), orDash(r.ClientID), orDash(strings.Join(r.Permissions, " ")), r.Status, because(r.Refusal))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func because(refusal string) string {
	if refusal == "" {
		return ""
	}
	return ": " + refusal
}

// welcome prints how to connect.
func (c *console) welcome(s *stack.Stack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, `
MCP Edge is up.

  MCP endpoint          %s
  authorization server  %s
  identity provider     %s   (stands in for a company's)
  App Store backend     %s   (stands in for the REST API)
  audit trail           %s/audit.jsonl
  CA certificate        %s

People who can sign in:
`, s.Resource, s.Issuer, s.IdP.Issuer(), s.Backend.URL(), s.Data, s.CAFile)
	table := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	for _, u := range s.Users {
		fmt.Fprintf(table, "  %s\tpassword %s\t%s\n", u.Email, u.Password, u.Role)
	}
	_ = table.Flush()
	fmt.Fprintf(c.out, `
Claude Code:
  export NODE_EXTRA_CA_CERTS=%[1]s
  claude mcp add --transport http appstore %[2]s
  then, inside Claude Code: /mcp → appstore → Authenticate

MCP Inspector (Node 22 or newer):
  NODE_EXTRA_CA_CERTS=%[1]s MCP_AUTO_OPEN_ENABLED=true \
    npx @modelcontextprotocol/inspector --cli --transport http --server-url %[2]s --method tools/list

curl, to see what an assistant sees first:
  curl -i --cacert %[1]s -X POST %[2]s
  curl --cacert %[1]s %[3]s/.well-known/oauth-authorization-server

Each request appears here as it arrives at the backend. Ctrl-C ends everything.

`, s.CAFile, s.Resource, s.Issuer)
}
