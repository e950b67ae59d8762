//go:build conformance

package conformance

import (
	"encoding/json"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// definition is one tool with its one answer.
type definition struct {
	name, title, description, input string
	answer                          toolset.Result
}

const (
	nothing = `{"type":"object","additionalProperties":false}`

	// dialect has the keywords of JSON Schema 2020-12 that must reach a client as
	// they are. Nothing is checked against it: the tool is only listed.
	dialect = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",` +
		`"$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},` +
		`"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"contactMethod":{"type":"string","enum":["phone","email"]},` +
		`"phone":{"type":"string"},"email":{"type":"string"}},` +
		`"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],` +
		`"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},"then":{"required":["phone"]},"else":{"required":["email"]},` +
		`"additionalProperties":false}`

	// A picture of one pixel and a sound without samples.
	image = `{"type":"image","mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"}`
	sound = `{"type":"audio","mimeType":"audio/wav","data":"UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="}`
)

// definitions are the tools. The names, and what each answers, are those that
// the conformance tool asks for.
var definitions = []definition{
	{
		"test_simple_text", "Text", "Answers with a sentence.", nothing,
		toolset.Result{Text: "This is a simple text response for testing."},
	},
	{
		"test_image_content", "Image", "Answers with an image.", nothing,
		toolset.Result{Blocks: blocks(image)},
	},
	{
		"test_audio_content", "Audio", "Answers with a sound.", nothing,
		toolset.Result{Blocks: blocks(sound)},
	},
	{
		"test_embedded_resource", "Embedded resource", "Answers with the text of a resource.", nothing,
		toolset.Result{Blocks: blocks(`{"type":"resource","resource":{"uri":"test://embedded-resource","mimeType":"text/plain","text":"This is an embedded resource content."}}`)},
	},
	{
		"test_multiple_content_types", "Mixed content", "Answers with a sentence, an image and a resource.", nothing,
		toolset.Result{
			Text:   "Multiple content types test:",
			Blocks: blocks(image, `{"type":"resource","resource":{"uri":"test://mixed-content-resource","mimeType":"application/json","text":"{\"test\":\"data\",\"value\":123}"}}`),
		},
	},
	{
		"test_error_handling", "Error", "Fails, each time.", nothing,
		toolset.Result{IsError: true, Code: codeIntended, Text: "This tool intentionally returns an error for testing"},
	},
	{
		// Called to see that a server asks nothing in the middle of an answer.
		"test_streaming_elicitation", "One answer", "Answers at once, without a question.", nothing,
		toolset.Result{Text: "Nothing had to be asked."},
	},
	{
		// Called to see that a server sends no log that was not asked for.
		"test_logging_tool", "No log", "Answers without log messages.", nothing,
		toolset.Result{Text: "Nothing was logged to you."},
	},
	{
		"json_schema_2020_12_tool", "Schema", "Tool with JSON Schema 2020-12 features", dialect,
		toolset.Result{Text: "The schema is what this tool is about."},
	},
	{
		"test_input_required_result_elicitation", "Name", "Greets a person by the name that they give.", named,
		toolset.Result{Text: "Hello!"},
	},
	{
		"test_input_required_result_multi_round", "Two steps", "Asks for a name, then for a color.", stepped,
		toolset.Result{Text: "Both steps were taken."},
	},
	{
		"test_input_required_result_request_state", "Confirmed", "Asks for a confirmation.", confirmed,
		toolset.Result{Text: "An answer came."},
	},
	{
		"test_input_required_result_tampered_state", "Confirmed", "Asks for a confirmation, and is given another state than it gave.", confirmed,
		toolset.Result{Text: "An answer came."},
	},
}

func blocks(encoded ...string) []json.RawMessage {
	var all []json.RawMessage
	for _, b := range encoded {
		all = append(all, json.RawMessage(b))
	}
	return all
}
