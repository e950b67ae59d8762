package openapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// Bounds of a tool.
const (
	maxDescription = 1000      // characters
	maxSchema      = 128 << 10 // bytes of one published schema
)

// ErrMethod says that a tool changes something and does not say so, or says so
// and does not.
var ErrMethod = errors.New("write and the method of the operation disagree")

// validName is what clients and the interfaces of models take as a tool's name.
var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// CheckName accepts the name of a tool.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("tool name %q is not 1 to 64 characters of A-Z a-z 0-9 _ . -", result.Line(name, 80))
	}
	return nil
}

// ToolConfig makes a tool of one operation.
type ToolConfig struct {
	Name string // required; see CheckName
	// Operation is an operationId, or a method and a path like "GET /invoices".
	// Required.
	Operation  string
	Scope      string // required
	Permission string // required
	// Title and Description replace those of the document, which are the summary
	// and the description of the operation.
	Title       string
	Description string
	// Write says that the tool changes something: required for each method but
	// GET, and refused for that.
	Write bool
}

// Tool is an operation as a tool. It is not changed and may be used
// concurrently.
type Tool struct {
	tool   toolset.Tool
	input  *jsonschema.Resolved
	fields []field // in the order of the arguments
	output *shape  // nil: nothing of an answer is published

	method   string
	segments []string // "" where an argument stands
	slash    bool
	body     bool // a body is sent, if need be an empty object
}

// Tool returns the tool of one operation. An error says what to change in the
// configuration or in the document.
func (d *Document) Tool(cfg ToolConfig) (*Tool, error) {
	if err := CheckName(cfg.Name); err != nil {
		return nil, err
	}
	if cfg.Scope == "" || cfg.Permission == "" {
		return nil, errors.New("the tool needs a scope and a permission")
	}
	o, err := d.find(cfg.Operation)
	if err != nil {
		return nil, err
	}
	if err := checkMethod(o, cfg.Write); err != nil {
		return nil, err
	}
	t, err := d.compile(o, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name(), err)
	}
	return t, nil
}

// Name returns the tool's name.
func (t *Tool) Name() string { return t.tool.Name }

// Need returns what a caller must hold.
func (t *Tool) Need() mcpbridge.Need { return t.tool.Need }

// checkMethod insists that the configuration knows which tools change something:
// consent, audit and limits depend on it.
func checkMethod(o *operation, write bool) error {
	switch o.method {
	case http.MethodGet:
		if write {
			return fmt.Errorf("%w: %s only reads: remove write", ErrMethod, o.name())
		}
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		if !write {
			return fmt.Errorf("%w: %s changes something: add write to the tool", ErrMethod, o.name())
		}
	case http.MethodHead:
		if write {
			return fmt.Errorf("%w: %s only reads, and its answer has no content: choose another operation", ErrMethod, o.name())
		}
		fallthrough
	default:
		return fmt.Errorf("%s cannot be a tool: the methods are GET, POST, PUT, PATCH and DELETE", o.name())
	}
	return nil
}

func (d *Document) compile(o *operation, cfg ToolConfig) (*Tool, error) {
	if o.raw["servers"] != nil {
		return nil, errors.New("the operation has servers of its own: all of a document's tools have one backend")
	}
	t := &Tool{method: o.method}
	in := &inputs{reader: &reader{root: d.root}}
	args := newArgs(in)
	if err := args.addParameters(o); err != nil {
		return nil, err
	}
	if err := args.addBody(o); err != nil {
		return nil, err
	}
	if err := t.setPath(d.base, o.path, args.fields); err != nil {
		return nil, err
	}
	t.fields, t.body = args.fields, args.bodyNeeded
	input, err := json.Marshal(args.schema())
	if err != nil {
		return nil, fmt.Errorf("the input schema: %w", err)
	}
	if t.input, err = arguments.Compile(string(input)); err != nil {
		return nil, fmt.Errorf("the input schema: %w", err)
	}
	output, err := t.setOutput(d, o)
	if err != nil {
		return nil, err
	}
	if len(input) > maxSchema || len(output) > maxSchema {
		return nil, fmt.Errorf("a published schema is longer than %d KiB: shorten the descriptions", maxSchema>>10)
	}
	t.tool = toolset.Tool{
		Name: cfg.Name, Title: titleOf(o, cfg), Description: purposeOf(o, cfg),
		InputSchema: input, OutputSchema: output, Annotations: annotationsOf(o),
		Need: mcpbridge.Need{Scope: cfg.Scope, Permission: cfg.Permission, Write: cfg.Write},
	}
	return t, nil
}

func titleOf(o *operation, cfg ToolConfig) string {
	summary, _ := o.raw["summary"].(string)
	return result.Line(cmp.Or(strings.TrimSpace(cfg.Title), strings.TrimSpace(summary), cfg.Name), maxTitle)
}

// purposeOf returns the description, which every tool must have.
func purposeOf(o *operation, cfg ToolConfig) string {
	summary, _ := o.raw["summary"].(string)
	text, _ := o.raw["description"].(string)
	text = result.Text(cmp.Or(strings.TrimSpace(cfg.Description), strings.TrimSpace(text), strings.TrimSpace(summary)), maxDescription)
	return cmp.Or(text, o.name())
}

// annotationsOf says what the method promises (RFC 9110 §9.2). What a POST does
// is unknown, unless the document says that it creates something.
func annotationsOf(o *operation) toolset.Annotations {
	switch o.method {
	case http.MethodGet:
		return toolset.Annotations{ReadOnly: true, Idempotent: true}
	case http.MethodPut, http.MethodDelete:
		return toolset.Annotations{Destructive: true, Idempotent: true}
	case http.MethodPost:
		answers, _ := o.raw["responses"].(map[string]any)
		return toolset.Annotations{Destructive: answers["201"] == nil}
	}
	return toolset.Annotations{Destructive: true}
}

// setOutput reads what successful answers are and returns the output schema,
// which is empty if nothing of them is published.
func (t *Tool) setOutput(d *Document, o *operation) (json.RawMessage, error) {
	schemas, err := answersOf(&reader{root: d.root}, o)
	if err != nil {
		return nil, err
	}
	if t.output, err = shapeOf(d.root, schemas); err != nil {
		return nil, err
	}
	if t.output != nil && t.output.saysNothing() {
		t.output = nil
	}
	if t.output == nil {
		if t.method == http.MethodGet {
			return nil, errors.New("the document does not describe the JSON of its answer, and what is not described is not passed on: describe it, if need be by type object with additionalProperties true")
		}
		return nil, nil
	}
	published := t.output.publish()
	if !t.output.isObject() {
		published = schema{"type": "object", "properties": schema{"result": published}, "additionalProperties": false}
	}
	published["$schema"] = dialect
	raw, err := json.Marshal(published)
	if err != nil {
		return nil, fmt.Errorf("the output schema: %w", err)
	}
	if _, err := arguments.Compile(string(raw)); err != nil {
		return nil, fmt.Errorf("the output schema: %w", err)
	}
	return raw, nil
}

// dialect is the JSON Schema of what is published.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// answersOf returns the JSON schemas of an operation's successful answers.
func answersOf(r *reader, o *operation) ([]any, error) {
	answers, _ := o.raw["responses"].(map[string]any)
	var schemas []any
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		answer, err := r.object(answers[status])
		if err != nil {
			return nil, fmt.Errorf("answer %s: %w", status, err)
		}
		content, _ := answer["content"].(map[string]any)
		media, ok := jsonMedia(content)
		if !ok && len(content) > 0 {
			return nil, fmt.Errorf("answer %s is %s: only JSON can be passed on", status, result.Line(slices.Sorted(maps.Keys(content))[0], 64))
		}
		if described, ok := media["schema"]; ok {
			schemas = append(schemas, described)
		}
	}
	return schemas, nil
}

// jsonMedia returns the entry of JSON (RFC 8259, RFC 6839 §3.1) in content.
func jsonMedia(content map[string]any) (map[string]any, bool) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		media, _, _ := strings.Cut(strings.ToLower(name), ";")
		media = strings.TrimSpace(media)
		if media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json") {
			entry, _ := content[name].(map[string]any)
			return entry, true
		}
	}
	return nil, false
}
