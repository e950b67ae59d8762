//go:build conformance

package caddymodule

import (
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/conformance"
)

// A binary with this build tag is for the conformance tool only. It is the
// product but for one more name that the line toolset takes.
func init() {
	toolsets["conformance"] = tools{
		title:       "Conformance fixtures",
		scopes:      []policy.Scope{{Name: conformance.Scope, Title: "Call the tools of the conformance tool", Permissions: []string{conformance.Permission}}},
		initial:     []string{conformance.Scope},
		permissions: []string{conformance.Permission},
		build: func(toolDeps) (toolset.Set, error) {
			return conformance.New()
		},
	}
}
