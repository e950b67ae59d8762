package openapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of an input schema.
const (
	maxInputNodes = 1000
	maxInputDepth = 12
	maxSchemaText = 500 // characters of a description of a member
	maxEnum       = 500
)

// schema is a JSON Schema 2020-12 in the making.
type schema = map[string]any

// notTaken are keywords that change what a schema admits and that are neither
// said in words nor needed by the interfaces that this package is for. An input
// schema with one of them is refused, because what is published is enforced.
var notTaken = []string{
	"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "contains", "dependentRequired", "dependentSchemas", "else", "if", "not",
	"patternProperties", "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
}

// inputs turns schemas of the document into published ones.
type inputs struct {
	*reader
	nodes int
	open  []string // references on the way to the current schema
}

// convert returns the published form of a schema. The place is for errors.
func (in *inputs) convert(v any, place string, depth int) (schema, error) {
	if in.nodes++; in.nodes > maxInputNodes || depth > maxInputDepth {
		return nil, fmt.Errorf("%s: the arguments have more than %d parts or are nested more than %d deep", place, maxInputNodes, maxInputDepth)
	}
	flat, followed, err := in.flatten(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	for _, ref := range followed {
		if slices.Contains(in.open, ref) {
			return nil, fmt.Errorf("%s: %s contains itself: arguments cannot be endless", place, ref)
		}
	}
	in.open = append(in.open, followed...)
	defer func() { in.open = in.open[:len(in.open)-len(followed)] }()
	for _, key := range notTaken {
		if _, ok := flat[key]; ok {
			return nil, fmt.Errorf("%s: the schema uses %s, which arguments cannot have", place, key)
		}
	}
	out, err := in.convertFlat(flat, place, depth)
	if err != nil {
		return nil, err
	}
	describe(out, flat)
	return out, nil
}

func (in *inputs) convertFlat(flat map[string]any, place string, depth int) (schema, error) {
	if choices, nullable := choicesOf(flat); choices != nil {
		return in.choice(flat, choices, nullable, place, depth)
	}
	types, err := typesOf(flat)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	out := schema{}
	if len(types) == 1 {
		out["type"] = types[0]
	} else if len(types) > 1 {
		out["type"] = anys(types)
	}
	if err := copyBounds(out, flat, types); err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	if slices.Contains(types, "array") {
		items := flat["items"]
		if items == nil {
			items = true
		}
		if out["items"], err = in.convert(items, place+"[]", depth+1); err != nil {
			return nil, err
		}
	}
	if slices.Contains(types, "object") {
		if err := in.members(out, flat, place, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// members converts what an object consists of. One that names its members has no
// others, whatever the document leaves open: a misspelt name is refused instead
// of being lost. One that names none is a map.
func (in *inputs) members(out schema, flat map[string]any, place string, depth int) error {
	properties, _ := flat["properties"].(map[string]any)
	converted := schema{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if in.readOnly(properties[name]) {
			continue
		}
		member, err := in.convert(properties[name], place+"."+result.Line(name, 64), depth+1)
		if err != nil {
			return err
		}
		converted[name] = member
	}
	var required []string
	for _, name := range stringsOf(flat["required"]) {
		if converted[name] != nil && !slices.Contains(required, name) {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	if len(converted) > 0 {
		out["properties"] = converted
	}
	if len(required) > 0 {
		out["required"] = anys(required)
	}
	switch rest := flat["additionalProperties"].(type) {
	case map[string]any:
		values, err := in.convert(rest, place+".*", depth+1)
		if err != nil {
			return err
		}
		out["additionalProperties"] = values
	case bool:
		out["additionalProperties"] = rest && len(properties) == 0
	default:
		out["additionalProperties"] = len(properties) == 0
	}
	return nil
}

// readOnly reports whether a member is the backend's to set (OpenAPI 3.0.3
// §4.7.24.2).
func (in *inputs) readOnly(v any) bool {
	flat, _, err := in.flatten(v)
	return err == nil && flat["readOnly"] == true
}

// choice converts anyOf and oneOf. Of two forms of which one is null, the other
// is converted as nullable.
func (in *inputs) choice(flat map[string]any, choices []any, nullable bool, place string, depth int) (schema, error) {
	if flat["properties"] != nil || flat["items"] != nil {
		return nil, fmt.Errorf("%s: the schema has anyOf or oneOf beside properties or items: write one form only", place)
	}
	if t, ok := flat["type"]; ok {
		choices = slices.Clone(choices)
		for i, choice := range choices {
			choices[i] = map[string]any{"allOf": []any{map[string]any{"type": t}, choice}}
		}
	}
	if len(choices) == 1 {
		out, err := in.convert(choices[0], place, depth+1)
		if err == nil && nullable {
			admitNull(out)
		}
		return out, err
	}
	var forms []any
	for _, choice := range choices {
		form, err := in.convert(choice, place, depth+1)
		if err != nil {
			return nil, err
		}
		forms = append(forms, form)
	}
	if nullable {
		forms = append(forms, schema{"type": "null"})
	}
	key := "anyOf"
	if flat["oneOf"] != nil {
		key = "oneOf"
	}
	return schema{key: forms}, nil
}

// admitNull lets a converted schema take null as well.
func admitNull(s schema) {
	switch t := s["type"].(type) {
	case string:
		if t != "null" {
			s["type"] = []any{t, "null"}
		}
	case []any:
		if !slices.Contains(t, any("null")) {
			s["type"] = append(slices.Clone(t), "null")
		}
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, nil) {
		s["enum"] = append(slices.Clone(enum), nil)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if forms, ok := s[key].([]any); ok {
			s[key] = append(slices.Clone(forms), schema{"type": "null"})
		}
	}
}

// choicesOf returns the forms of anyOf or oneOf that are not null, and whether
// null is one; nil if there are none.
func choicesOf(flat map[string]any) (choices []any, nullable bool) {
	nullable = flat["nullable"] == true
	for _, key := range []string{"anyOf", "oneOf"} {
		forms, _ := flat[key].([]any)
		for _, form := range forms {
			if m, ok := form.(map[string]any); ok && m["type"] == "null" {
				nullable = true
				continue
			}
			choices = append(choices, form)
		}
	}
	return choices, nullable
}

// known are the types of JSON Schema.
var known = []string{"array", "boolean", "integer", "null", "number", "object", "string"}

var errTypes = errors.New("the schema has a type that is none of JSON Schema")

// typesOf returns the types that a schema admits, sorted; none is any. A type
// that is not written is taken from the keywords that only one type has.
func typesOf(flat map[string]any) ([]string, error) {
	types := stringsOf(flat["type"])
	for _, name := range types {
		if !slices.Contains(known, name) {
			return nil, errTypes
		}
	}
	if flat["type"] != nil && len(types) == 0 {
		return nil, errTypes
	}
	if len(types) == 0 {
		types = typesOfContent(flat)
	}
	if flat["nullable"] == true && len(types) > 0 {
		types = append(types, "null")
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(name string) bool { return name == "integer" })
	}
	return types, nil
}

func typesOfContent(flat map[string]any) []string {
	switch {
	case flat["properties"] != nil || flat["additionalProperties"] != nil:
		return []string{"object"}
	case flat["items"] != nil:
		return []string{"array"}
	case flat["pattern"] != nil || flat["minLength"] != nil || flat["maxLength"] != nil:
		return []string{"string"}
	}
	var types []string
	for _, value := range valuesOf(flat) {
		switch value.(type) {
		case string:
			types = append(types, "string")
		case float64:
			types = append(types, "number")
		case bool:
			types = append(types, "boolean")
		case nil:
			types = append(types, "null")
		}
	}
	return types
}

// valuesOf returns the values of enum or const, nil if the schema has neither.
func valuesOf(flat map[string]any) []any {
	if value, ok := flat["const"]; ok {
		return []any{value}
	}
	values, _ := flat["enum"].([]any)
	return values
}
