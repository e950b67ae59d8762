package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// Bounds of arguments that the document does not bound.
const (
	maxFields    = 100  // arguments of a tool
	maxQueryText = 2000 // characters of one value in a query
	maxQueryList = 100  // values of a list in a query
	maxSegment   = 128  // characters of an argument in a path
	maxHeader    = 512  // characters of an argument in a header
)

// place is where an argument goes.
type place int

const (
	inPath place = iota
	inQuery
	inHeader
	inBody // a member of the body
	asBody // the body itself
)

// field is one argument of a tool.
type field struct {
	name    string // of the argument
	wire    string // of the parameter, or of the body's member
	place   place
	list    bool // of values, in a query
	explode bool // the list is repeated; else joined by commas
}

// nameTelemetry is an argument of each tool, which is not sent on.
const nameTelemetry = "telemetry"

// nameBody is the argument that is the body, where that has no members that
// could stand beside the parameters.
const nameBody = "body"

// args collects the arguments of an operation in one flat object.
type args struct {
	*inputs
	fields     []field
	properties schema
	required   []string
	bodyNeeded bool
}

func newArgs(in *inputs) *args { return &args{inputs: in, properties: schema{}} }

// schema returns the published input schema.
func (a *args) schema() schema {
	a.properties[nameTelemetry] = json.RawMessage(arguments.Telemetry)
	slices.Sort(a.required)
	out := schema{"$schema": dialect, "type": "object", "additionalProperties": false, "properties": a.properties}
	if len(a.required) > 0 {
		out["required"] = a.required
	}
	return out
}

// add takes one argument.
func (a *args) add(f field, s schema, required bool) error {
	switch {
	case f.name == nameTelemetry:
		return fmt.Errorf("the argument %s has the name of one that each tool has: rename the parameter", f.name)
	case a.properties[f.name] != nil:
		return fmt.Errorf("two parameters become the argument %s: rename one, or leave it out of the document", f.name)
	case len(a.fields) >= maxFields:
		return fmt.Errorf("the operation has more than %d arguments", maxFields)
	}
	a.fields = append(a.fields, f)
	a.properties[f.name] = s
	if required {
		a.required = append(a.required, f.name)
	}
	return nil
}

// addParameters takes the parameters of the operation and those of its path
// that it does not replace (OpenAPI 3.1.0 §4.8.9).
func (a *args) addParameters(o *operation) error {
	own, _ := o.raw["parameters"].([]any)
	seen := make(map[string]bool)
	for _, entry := range slices.Concat(own, o.shared) {
		p, err := a.object(entry)
		if err != nil {
			return fmt.Errorf("a parameter: %w", err)
		}
		name, _ := p["name"].(string)
		where, _ := p["in"].(string)
		if seen[where+" "+name] {
			continue
		}
		seen[where+" "+name] = true
		if err := a.addParameter(p, name, where); err != nil {
			return fmt.Errorf("parameter %s: %w", result.Line(name, 64), err)
		}
	}
	return nil
}

func (a *args) addParameter(p map[string]any, name, where string) error {
	f := field{name: argumentName(name), wire: name}
	if f.name == "" {
		return errors.New("it has no name")
	}
	required := p["required"] == true
	switch where {
	case "path":
		f.place, required = inPath, true
	case "query":
		f.place = inQuery
	case "header":
		f.place = inHeader
		if !backend.ValidHeader(name) {
			return leftOut(required, "a tool may not set this header: it says who calls or belongs to HTTP")
		}
	case "cookie":
		return leftOut(required, "the backend gets no cookies")
	default:
		return fmt.Errorf("it is in %q: path, query and header are sent", result.Line(where, 32))
	}
	if p["content"] != nil {
		return errors.New("it has content in place of a schema, which is not sent")
	}
	described := p["schema"]
	if described == nil {
		described = map[string]any{}
	}
	flat, _, err := a.flatten(described)
	if err != nil {
		return err
	}
	if p["description"] != nil && flat["description"] == nil {
		described = map[string]any{"description": p["description"], "allOf": []any{described}}
	}
	s, err := a.convert(described, "argument "+f.name, 0)
	if err != nil {
		return err
	}
	if s["type"] == nil && s["anyOf"] == nil && s["oneOf"] == nil {
		s["type"] = "string" // all that a URL or a header can say
	}
	if err := f.style(p, s); err != nil {
		return err
	}
	if err := f.bound(s); err != nil {
		return err
	}
	return a.add(f, s, required)
}

// leftOut leaves an optional parameter out that cannot be sent, and refuses an
// operation that needs it.
func leftOut(required bool, why string) error {
	if required {
		return errors.New(why)
	}
	return nil
}

// style takes how a value is written (OpenAPI 3.1.0 §4.8.12.2): the usual way of
// each place, and for lists in a query also without explode.
func (f *field) style(p map[string]any, s schema) error {
	style, _ := p["style"].(string)
	usual := map[place]string{inPath: "simple", inQuery: "form", inHeader: "simple"}[f.place]
	if style != "" && style != usual {
		return fmt.Errorf("its style is %s: only %s is sent here", result.Line(style, 32), usual)
	}
	types := leafTypes(s)
	if slices.Contains(types, "object") {
		return errors.New("it is an object, which is sent in a body only")
	}
	if !slices.Contains(types, "array") {
		return nil
	}
	if f.place != inQuery {
		return errors.New("it is a list, which is sent in a query or a body only")
	}
	if s["anyOf"] != nil || s["oneOf"] != nil || len(slices.DeleteFunc(types, func(t string) bool { return t == "array" || t == "null" })) > 0 {
		return errors.New("it is a list or something else: only one of them can be sent")
	}
	f.list, f.explode = true, p["explode"] != false
	items, _ := s["items"].(schema)
	if items["type"] == nil && items["anyOf"] == nil && items["oneOf"] == nil {
		items["type"] = "string"
	}
	if inner := leafTypes(items); slices.Contains(inner, "array") || slices.Contains(inner, "object") || slices.Contains(inner, "null") {
		return errors.New("it is a list of lists, objects or nulls, which a query cannot hold")
	}
	return nil
}

// bound adds to a schema what its place needs.
func (f *field) bound(s schema) error {
	switch f.place {
	case inPath:
		return boundSegment(s)
	case inHeader:
		if has(s, "null") {
			return errors.New("it is nullable, which a header cannot be")
		}
		restrict(s, arguments.Visible, maxHeader)
	case inQuery:
		if !f.list {
			restrict(s, "", maxQueryText)
			return nil
		}
		if _, ok := s["maxItems"]; !ok {
			s["maxItems"] = maxQueryList
		}
		items, _ := s["items"].(schema)
		pattern := ""
		if !f.explode {
			pattern = arguments.Item // backends split before they look
		}
		restrict(items, pattern, maxQueryText)
	}
	return nil
}

// boundSegment lets a value in a path be exactly one segment.
func boundSegment(s schema) error {
	if s["anyOf"] != nil || s["oneOf"] != nil {
		return errors.New("it has several forms: a part of a path has one")
	}
	types := stringsOf(s["type"])
	for _, name := range types {
		if name != "string" && name != "integer" && name != "boolean" {
			return fmt.Errorf("it is %s: a part of a path is text, a whole number or a boolean", name)
		}
	}
	if values, ok := s["enum"].([]any); ok {
		for _, value := range values {
			if text, ok := value.(string); ok && !backend.ValidSegment(text) {
				return fmt.Errorf("its value %q cannot be a part of a path", result.Line(text, 64))
			}
		}
		return nil
	}
	restrict(s, arguments.ID, maxSegment)
	return nil
}

// restrict bounds text: by a length, unless a shorter one is given, and by a
// pattern, beside one that is there. A choice of values bounds itself, unless the
// pattern is about the place.
func restrict(s schema, pattern string, most int) {
	for _, key := range []string{"anyOf", "oneOf"} {
		forms, _ := s[key].([]any)
		for _, form := range forms {
			if inner, ok := form.(schema); ok {
				restrict(inner, pattern, most)
			}
		}
	}
	if !has(s, "string") {
		return
	}
	if n, ok := s["maxLength"].(float64); !ok || n > float64(most) {
		s["maxLength"] = most
	}
	switch {
	case pattern == "":
	case s["pattern"] == nil:
		s["pattern"] = pattern
	default:
		s["allOf"] = []any{schema{"type": s["type"], "pattern": pattern}}
	}
}

// has reports whether a converted schema takes a type.
func has(s schema, name string) bool { return slices.Contains(stringsOf(s["type"]), name) }

// leafTypes returns the types of a converted schema and of its forms.
func leafTypes(s schema) []string {
	types := stringsOf(s["type"])
	for _, key := range []string{"anyOf", "oneOf"} {
		forms, _ := s[key].([]any)
		for _, form := range forms {
			if inner, ok := form.(schema); ok {
				types = append(types, leafTypes(inner)...)
			}
		}
	}
	return types
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// argumentName returns the name of a parameter in the form that the interfaces
// of models take.
func argumentName(name string) string {
	name = strings.Trim(notInNames.ReplaceAllString(name, "_"), "_")
	return name[:min(len(name), 64)]
}

// addBody takes the members of a JSON body beside the parameters. A body that is
// no object with named members, or one whose members would collide with
// parameters, becomes the one argument body.
func (a *args) addBody(o *operation) error {
	if o.raw["requestBody"] == nil {
		return nil
	}
	body, err := a.object(o.raw["requestBody"])
	if err != nil {
		return fmt.Errorf("the request body: %w", err)
	}
	required := body["required"] == true
	content, _ := body["content"].(map[string]any)
	var media map[string]any
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if kind, _, _ := strings.Cut(strings.ToLower(name), ";"); strings.TrimSpace(kind) == "application/json" {
			media, _ = content[name].(map[string]any)
		}
	}
	if o.method == http.MethodGet || o.method == http.MethodDelete {
		return leftOut(required, "the request has a body, which "+o.method+" cannot carry")
	}
	if media == nil {
		return fmt.Errorf("the request body is %s: only application/json is sent", result.Line(strings.Join(slices.Sorted(maps.Keys(content)), ", "), 128))
	}
	described := media["schema"]
	if described == nil {
		return errors.New("the request body has no schema")
	}
	s, err := a.convert(described, nameBody, 0)
	if err != nil {
		return err
	}
	a.bodyNeeded = required
	if !a.fits(s) {
		return a.add(field{name: nameBody, place: asBody}, s, required)
	}
	members, _ := s["properties"].(schema)
	needed := stringsOf(s["required"])
	for _, name := range slices.Sorted(maps.Keys(members)) {
		member, _ := members[name].(schema)
		if err := a.add(field{name: name, wire: name, place: inBody}, member, required && slices.Contains(needed, name)); err != nil {
			return err
		}
	}
	return nil
}

// fits reports whether the members of a body can stand beside the parameters
// without changing what is admitted.
func (a *args) fits(s schema) bool {
	members, _ := s["properties"].(schema)
	if s["type"] != "object" || s["additionalProperties"] != false || len(members) == 0 || len(a.fields)+len(members) > maxFields ||
		s["minProperties"] != nil || s["maxProperties"] != nil {
		return false
	}
	for name := range members {
		if a.properties[name] != nil || name == nameTelemetry || argumentName(name) != name {
			return false
		}
	}
	return true
}
