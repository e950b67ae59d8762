package openapi

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of what one tool may use of a document.
const (
	maxRefs  = 5000 // references that are followed
	maxChain = 50   // references and allOf within one schema
)

// reader follows the references of one operation.
type reader struct {
	root map[string]any
	refs int // followed so far
	// lenient says that parts of an allOf which contradict each other are no
	// fault: what an answer really is decides then.
	lenient bool
}

// target returns what a reference refers to. Only the document itself is ever
// read: a reference to another file or address is refused.
func (r *reader) target(ref string) (any, error) {
	if r.refs++; r.refs > maxRefs {
		return nil, fmt.Errorf("the operation follows more than %d references", maxRefs)
	}
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, fmt.Errorf("$ref %q is outside of the document: put what it refers to under #/components", result.Line(ref, 200))
	}
	var value any = r.root
	for part := range strings.SplitSeq(pointer, "/") {
		name, err := url.PathUnescape(part)
		if err != nil {
			return nil, fmt.Errorf("$ref %q is not a JSON pointer", result.Line(ref, 200))
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch v := value.(type) {
		case map[string]any:
			value, ok = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if ok = err == nil && i >= 0 && i < len(v); ok {
				value = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("$ref %q refers to nothing", result.Line(ref, 200))
		}
	}
	return value, nil
}

// object returns v, or what it refers to, as an object that is no schema: a
// parameter, a body, an answer.
func (r *reader) object(v any) (map[string]any, error) {
	for range maxChain {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the document has %s where an object belongs", kindName(v))
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			return m, nil
		}
		var err error
		if v, err = r.target(ref); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("a $ref refers to itself")
}

// flatten returns a schema without $ref and allOf: one object with what all of
// them say. The second result lists the references that were followed.
func (r *reader) flatten(v any) (flat map[string]any, followed []string, err error) {
	flat = make(map[string]any)
	err = r.flattenInto(flat, v, &followed, 0)
	return flat, followed, err
}

func (r *reader) flattenInto(flat map[string]any, v any, followed *[]string, chain int) error {
	if chain > maxChain {
		return fmt.Errorf("a schema consists of more than 50 others, or of itself: %s", strings.Join((*followed)[:min(len(*followed), 3)], ", "))
	}
	if v == true {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("the document has %s where a schema belongs", kindName(v))
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == "$ref" || key == "allOf" {
			continue
		}
		if err := merge(flat, key, m[key]); err != nil && !r.lenient {
			return err
		}
	}
	if ref, ok := m["$ref"].(string); ok {
		value, err := r.target(ref)
		if err != nil {
			return err
		}
		*followed = append(*followed, ref)
		if err := r.flattenInto(flat, value, followed, chain+1); err != nil {
			return err
		}
	}
	parts, _ := m["allOf"].([]any)
	for _, part := range parts {
		if r.refs++; r.refs > maxRefs {
			return fmt.Errorf("the operation follows more than %d references", maxRefs)
		}
		if err := r.flattenInto(flat, part, followed, chain+1); err != nil {
			return err
		}
	}
	return nil
}

// merge adds a keyword of a part of an allOf. What only describes is the first
// part's, which is the outermost; what bounds must be met by all.
func merge(flat map[string]any, key string, value any) error {
	have, ok := flat[key]
	if !ok || reflect.DeepEqual(have, value) {
		flat[key] = value
		return nil
	}
	switch key {
	case "properties":
		return mergeProperties(flat, have, value)
	case "required":
		a, _ := have.([]any)
		b, _ := value.([]any)
		flat[key] = slices.Concat(a, b)
	case "type":
		common := slices.DeleteFunc(stringsOf(have), func(name string) bool { return !slices.Contains(stringsOf(value), name) })
		if len(common) == 0 {
			return fmt.Errorf("the parts of an allOf have no type in common")
		}
		flat[key] = anys(common)
	case "minimum", "minLength", "minItems", "minProperties":
		flat[key] = tighter(have, value, func(a, b float64) bool { return a > b })
	case "maximum", "maxLength", "maxItems", "maxProperties":
		flat[key] = tighter(have, value, func(a, b float64) bool { return a < b })
	case "uniqueItems", "nullable":
		flat[key] = have == true || value == true
	case "items":
		flat[key] = map[string]any{"allOf": []any{have, value}}
	case "additionalProperties":
		if value == false {
			flat[key] = false
		}
	case "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const", "pattern", "anyOf", "oneOf":
		return fmt.Errorf("the parts of an allOf differ in %s", key)
	}
	return nil
}

func mergeProperties(flat map[string]any, have, value any) error {
	a, ok := have.(map[string]any)
	b, ok2 := value.(map[string]any)
	if !ok || !ok2 {
		return fmt.Errorf("properties is not an object")
	}
	all := maps.Clone(a) // the document's own stays as it is
	for name, schema := range b {
		if other, twice := all[name]; twice && !reflect.DeepEqual(other, schema) {
			schema = map[string]any{"allOf": []any{other, schema}}
		}
		all[name] = schema
	}
	flat["properties"] = all
	return nil
}

func tighter(a, b any, less func(a, b float64) bool) any {
	x, ok := a.(float64)
	y, ok2 := b.(float64)
	if ok && ok2 && less(y, x) {
		return b
	}
	return a
}

// stringsOf returns a text, or a list of texts, as a list.
func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

func anys(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// kindName says what a value of the document is.
func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case string:
		return "text"
	case float64:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
