//go:build conformance

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// The scope and the permission that every tool here needs.
const (
	Scope      = "conformance:call"
	Permission = "conformance.tools.call"
)

// Codes of errors that are part of what is judged.
const (
	codeIntended = "intended"       // the error that is asked for
	codeMissing  = "missing_answer" // what a person is asked for, if they can be
)

// Set is the toolset. It has no state and reaches no backend.
type Set struct {
	tools []toolset.Tool
	// schemas are those of the tools that ask for arguments, by name.
	schemas map[string]*jsonschema.Resolved
}

var _ toolset.Set = (*Set)(nil)

// New returns the toolset, or an error if a schema of it cannot be checked against.
func New() (*Set, error) {
	s := &Set{schemas: make(map[string]*jsonschema.Resolved)}
	for _, d := range definitions {
		if len(questions[d.name]) > 0 {
			schema, err := arguments.Compile(d.input)
			if err != nil {
				return nil, fmt.Errorf("compiling the schema of %s: %w", d.name, err)
			}
			s.schemas[d.name] = schema
		}
		s.tools = append(s.tools, toolset.Tool{
			Name: d.name, Title: d.title, Description: d.description, InputSchema: json.RawMessage(d.input),
			Annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
			Need:        mcpbridge.Need{Scope: Scope, Permission: Permission},
		})
	}
	return s, nil
}

// List implements toolset.Set.
func (s *Set) List() []toolset.Tool { return s.tools }

// Call implements toolset.Set. Only of tools that ask for something does the
// answer depend on the arguments.
func (s *Set) Call(_ context.Context, c *toolset.Call) toolset.Result {
	i := slices.IndexFunc(definitions, func(d definition) bool { return d.name == c.Tool })
	if i < 0 {
		return toolset.Result{IsError: true, Code: "unknown_tool", Text: "There is no tool of this name."}
	}
	if asks := questions[c.Tool]; len(asks) > 0 {
		return s.ask(&definitions[i], asks, c)
	}
	return definitions[i].answer
}
