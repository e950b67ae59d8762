package caddymodule

import (
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/teamlumos/mcp-edge"

// version is that of this module in the binary, or "dev".
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	found := ""
	if info.Main.Path == modulePath {
		found = info.Main.Version
	}
	for _, dependency := range info.Deps {
		if dependency.Path == modulePath { // built by xcaddy
			found = dependency.Version
		}
	}
	if found == "" || found == "(devel)" {
		return "dev"
	}
	return found
})
