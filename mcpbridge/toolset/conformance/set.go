//go:build conformance

package conformance

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// The scope and the permission that every tool here needs.
const (
	Scope      = "conformance:call"
	Permission = "conformance.tools.call"
)

// codeIntended is the code of the error that is asked for.
const codeIntended = "intended"

// Set is the toolset. It has no state and reaches no backend.
type Set struct{ tools []toolset.Tool }

var _ toolset.Set = (*Set)(nil)

// New returns the toolset.
func New() *Set {
	s := new(Set)
	for _, d := range definitions {
		s.tools = append(s.tools, toolset.Tool{
			Name: d.name, Title: d.title, Description: d.description, InputSchema: json.RawMessage(d.input),
			Annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
			Need:        mcpbridge.Need{Scope: Scope, Permission: Permission},
		})
	}
	return s
}

// List implements toolset.Set.
func (s *Set) List() []toolset.Tool { return s.tools }

// Call implements toolset.Set. The answers do not depend on the arguments.
func (s *Set) Call(_ context.Context, c *toolset.Call) toolset.Result {
	i := slices.IndexFunc(definitions, func(d definition) bool { return d.name == c.Tool })
	if i < 0 {
		return toolset.Result{IsError: true, Code: "unknown_tool", Text: "There is no tool of this name."}
	}
	return definitions[i].answer
}
