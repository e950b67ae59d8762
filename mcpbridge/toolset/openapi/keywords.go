package openapi

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// maxPattern bounds a pattern that is enforced here, in bytes.
const maxPattern = 1000

// copyBounds copies what bounds a value. OpenAPI 3.0 writes some of it in the way
// of an older JSON Schema (OpenAPI 3.0.3 §4.7.24).
func copyBounds(out schema, flat map[string]any, types []string) error {
	if values := valuesOf(flat); values != nil {
		if err := copyValues(out, values, types); err != nil {
			return err
		}
	}
	has := func(names ...string) bool {
		return len(types) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(types, name) })
	}
	if has("number", "integer") {
		if err := copyNumbers(out, flat, "minimum", "maximum", "multipleOf"); err != nil {
			return err
		}
		exclusive(out, flat, "exclusiveMinimum", "minimum")
		exclusive(out, flat, "exclusiveMaximum", "maximum")
		if n, ok := out["multipleOf"].(float64); ok {
			if n <= 0 {
				return fmt.Errorf("multipleOf is not more than 0")
			}
			// 0.01 is no number of the machine, and 19.99 no multiple of it there.
			if n != math.Trunc(n) {
				delete(out, "multipleOf")
			}
		}
	}
	if has("string") {
		if err := copyCounts(out, flat, "minLength", "maxLength"); err != nil {
			return err
		}
		pattern, _ := flat["pattern"].(string)
		// One in the dialect of another language stays the backend's to check: it is
		// shown with the description.
		if _, err := regexp.Compile(pattern[:min(len(pattern), maxPattern+1)]); err == nil && pattern != "" && len(pattern) <= maxPattern {
			out["pattern"] = pattern
		}
		if format, ok := flat["format"].(string); ok {
			out["format"] = result.Line(format, 64)
		}
	}
	if has("array") {
		if err := copyCounts(out, flat, "minItems", "maxItems"); err != nil {
			return err
		}
		if flat["uniqueItems"] == true {
			out["uniqueItems"] = true
		}
	}
	if has("object") {
		return copyCounts(out, flat, "minProperties", "maxProperties")
	}
	return nil
}

// copyValues copies the values of a choice; they are text, numbers, true, false
// or null.
func copyValues(out schema, values []any, types []string) error {
	if len(values) == 0 || len(values) > maxEnum {
		return fmt.Errorf("enum has %d values: 1 to %d can be offered", len(values), maxEnum)
	}
	list := slices.Clone(values)
	for _, value := range list {
		switch value.(type) {
		case map[string]any, []any:
			return fmt.Errorf("enum has values that are objects or lists")
		}
	}
	// OpenAPI 3.0.3 has a nullable enum whose values do not name null.
	if slices.Contains(types, "null") && !slices.Contains(list, nil) {
		list = append(list, nil)
	}
	out["enum"] = list
	return nil
}

func copyNumbers(out schema, flat map[string]any, keys ...string) error {
	for _, key := range keys {
		value, ok := flat[key]
		if !ok {
			continue
		}
		n, ok := value.(float64)
		if !ok {
			return fmt.Errorf("%s is not a number", key)
		}
		out[key] = n
	}
	return nil
}

func copyCounts(out schema, flat map[string]any, keys ...string) error {
	if err := copyNumbers(out, flat, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if n, ok := out[key].(float64); ok && (n < 0 || n != math.Trunc(n) || n > math.MaxInt32) {
			return fmt.Errorf("%s is not a count", key)
		}
	}
	return nil
}

// exclusive copies a bound that is not itself admitted: a number, or in OpenAPI
// 3.0 a flag of the inclusive one.
func exclusive(out schema, flat map[string]any, key, inclusive string) {
	switch v := flat[key].(type) {
	case float64:
		out[key] = v
	case bool:
		if n, ok := out[inclusive]; ok && v {
			out[key] = n
			delete(out, inclusive)
		}
	}
}

// describe copies what is said about a value. Texts are one line, printable and
// bounded: they become part of every list of tools.
func describe(out schema, flat map[string]any) {
	text, _ := flat["description"].(string)
	if text == "" {
		text, _ = flat["title"].(string)
	}
	text = result.Line(text, maxSchemaText)
	if pattern, ok := flat["pattern"].(string); ok && out["pattern"] == nil && out["type"] != nil {
		text = result.Line(text+" Pattern: "+pattern, maxSchemaText)
	}
	if n, ok := flat["multipleOf"].(float64); ok && out["multipleOf"] == nil && out["type"] != nil {
		text = result.Line(text+" A multiple of "+strconv.FormatFloat(n, 'f', -1, 64)+".", maxSchemaText)
	}
	if text != "" {
		out["description"] = text
	}
	if flat["deprecated"] == true {
		out["deprecated"] = true
	}
	if value, ok := flat["default"]; ok && plain(value) && admits(out, value) {
		out["default"] = value
	}
	example, ok := flat["example"] // OpenAPI 3.0
	if list, several := flat["examples"].([]any); several && len(list) > 0 {
		example, ok = list[0], true
	}
	if ok && plain(example) && admits(out, example) {
		out["examples"] = []any{example}
	}
}

// plain reports whether a value is short enough to be part of a description.
func plain(v any) bool {
	switch v := v.(type) {
	case string:
		return result.Line(v, 200) == v
	case float64, bool:
		return true
	}
	return false
}

// admits reports whether a default or an example has a type that the schema
// takes: one that does not is a slip of the document and would confuse a reader.
func admits(s schema, v any) bool {
	types := stringsOf(s["type"])
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return false
	}
	switch v := v.(type) {
	case string:
		return slices.Contains(types, "string")
	case bool:
		return slices.Contains(types, "boolean")
	case float64:
		return slices.Contains(types, "number") || slices.Contains(types, "integer") && v == math.Trunc(v)
	}
	return false
}
