//go:build conformance

package conformance

import (
	"fmt"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// Arguments that a person is asked for. No schema requires one, because the
// conformance tool calls without any.
const (
	named     = `{"type":"object","properties":{"user_name":{"type":"string","minLength":1,"maxLength":100}},"additionalProperties":false}`
	stepped   = `{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":100},"color":{"type":"string","enum":["red","blue"]}},"additionalProperties":false}`
	confirmed = `{"type":"object","properties":{"ok":{"type":"boolean"}},"additionalProperties":false}`

	longestName = 100 // characters, as above
)

// questions are the arguments that tools need, in the order in which they ask.
// The conformance tool has chosen the names, and answers without a look at the form.
var questions = map[string][]toolset.Ask{
	"test_input_required_result_elicitation": {
		{Argument: "user_name", Field: "name", Text: "What is your name?", Kind: toolset.AskText, Most: longestName},
	},
	"test_input_required_result_multi_round": {
		{Argument: "name", Text: "Step 1: What is your name?", Kind: toolset.AskText, Most: longestName},
		{Argument: "color", Text: "Step 2: What is your favorite color?", Options: []toolset.Option{{Value: "red", Title: "Red"}, {Value: "blue", Title: "Blue"}}},
	},
	"test_input_required_result_request_state":  {askOK},
	"test_input_required_result_tampered_state": {askOK},
}

var askOK = toolset.Ask{Argument: "ok", Text: "Please confirm", Kind: toolset.AskYesNo}

// ask asks for the first argument that is missing, or answers with all of them.
func (s *Set) ask(d *definition, asks []toolset.Ask, c *toolset.Call) toolset.Result {
	var given map[string]any
	if err := arguments.Decode(s.schemas[d.name], c.Arguments, &given); err != nil {
		return fault.New(fault.InvalidArguments, "The arguments do not match the tool's schema: %v.", err).Result()
	}
	result := d.answer
	for i, a := range asks {
		value, ok := given[a.Argument]
		if !ok {
			return toolset.Result{
				IsError: true, Code: codeMissing, Ask: &asks[i],
				Text: "Ask the user and call again with " + a.Argument + ": " + a.Text,
			}
		}
		result.Text += fmt.Sprintf(" %s: %v.", a.Argument, value)
	}
	if c.Exchange != "" {
		result.Text += " state-ok" // an exchange comes out of a state that was opened
	}
	return result
}
