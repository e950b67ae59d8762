// Command mcp-edge is Caddy with the MCP Edge modules compiled in.
//
// It is the ordinary Caddy command: "mcp-edge run", "mcp-edge validate",
// "mcp-edge reload" and so on, plus the handlers and the app of package
// caddymodule. "go run . run" starts it with the Caddyfile at the root of this
// repository.
package main

import (
	_ "time/tzdata" // expiry and audit times must not depend on the host's zone files

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/teamlumos/mcp-edge/caddymodule"
)

func main() {
	caddycmd.Main()
}
