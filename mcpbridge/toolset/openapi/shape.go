package openapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of an output schema.
const (
	maxShapeNodes = 1500
	maxShapeDepth = 8
)

// errShape says that an answer has too many parts at this depth.
var errShape = errors.New("the answer has too many parts")

// shape is what the document says about a value of an answer: which kinds of
// JSON it may be and which members it has. A document promises more than
// backends keep (required members, closed lists of values), and a client refuses
// an answer that breaks its published schema; so only what the gateway itself
// can make true of an answer is taken, and the rest is description.
type shape struct {
	any         bool // whatever the backend says
	kinds       map[string]bool
	members     map[string]*shape
	rest        *shape // of members without a name; nil: they are dropped
	items       *shape // nil: lists are empty
	open        bool   // rest is not written, but what JSON Schema makes of nothing
	description string
}

// shapes turns schemas of the document into shapes.
type shapes struct {
	*reader
	nodes int
	most  int // depth; what lies deeper is left out
}

// shapeOf returns the shape of the schemas of all successful answers, or nil if
// they describe nothing. An answer that is too large, or contains itself, is
// cut at a depth at which it fits.
func shapeOf(root map[string]any, schemas []any) (*shape, error) {
	for most := maxShapeDepth; most > 0; most-- {
		in := &shapes{reader: &reader{root: root, lenient: true}, most: most}
		var all *shape
		var err error
		for _, s := range schemas {
			var one *shape
			if one, err = in.read(s, 0); err != nil {
				break
			}
			all = join(all, one)
		}
		if errors.Is(err, errShape) {
			continue
		}
		return all, err
	}
	return nil, fmt.Errorf("the answer has more than %d parts", maxShapeNodes)
}

// read returns the shape of a schema, nil where it lies too deep.
func (in *shapes) read(v any, depth int) (*shape, error) {
	if in.nodes++; in.nodes > maxShapeNodes || in.refs > maxRefs/2 {
		return nil, errShape
	}
	if v == false {
		return nil, nil //nolint:nilnil // nothing can be here
	}
	flat, _, err := in.flatten(v)
	if err != nil {
		return nil, err
	}
	if flat["writeOnly"] == true { // OpenAPI 3.0.3 §4.7.24.2
		return nil, nil //nolint:nilnil // not part of an answer
	}
	types, err := typesOf(flat)
	if err != nil {
		return nil, err
	}
	choices, nullable := choicesOf(flat)
	if deep := !scalars(types) || len(choices) > 0; depth > in.most && deep || depth > in.most+1 {
		return nil, nil //nolint:nilnil // no shape is what is left out
	}
	if nullable && len(types) > 0 && !slices.Contains(types, "null") {
		types = append(types, "null")
	}
	s := &shape{description: descriptionOf(flat), kinds: make(map[string]bool)}
	for _, name := range types {
		s.kinds[name] = true
	}
	if s.kinds["array"] {
		items, ok := flat["items"]
		if !ok {
			items = true
		}
		if s.items, err = in.read(items, depth+1); err != nil {
			return nil, err
		}
	}
	if s.kinds["object"] {
		if err := in.readMembers(s, flat, depth); err != nil {
			return nil, err
		}
	}
	return in.readChoices(s, choices, nullable, depth)
}

// scalars reports whether types are known and none has parts.
func scalars(types []string) bool {
	return len(types) > 0 && !slices.Contains(types, "object") && !slices.Contains(types, "array")
}

// readChoices adds what anyOf and oneOf say.
func (in *shapes) readChoices(s *shape, choices []any, nullable bool, depth int) (*shape, error) {
	if len(choices) == 0 {
		s.any = len(s.kinds) == 0
		return s, nil
	}
	var either *shape
	for _, choice := range choices {
		one, err := in.read(choice, depth+1)
		if err != nil {
			return nil, err
		}
		either = join(either, one)
	}
	if either == nil {
		return nil, nil //nolint:nilnil // every choice lies too deep
	}
	if len(s.kinds) > 0 {
		either = join(s, either)
	}
	if nullable && !either.any {
		either.kinds["null"] = true
	}
	if s.description != "" {
		either.description = s.description
	}
	return either, nil
}

func (in *shapes) readMembers(s *shape, flat map[string]any, depth int) error {
	properties, _ := flat["properties"].(map[string]any)
	s.members = make(map[string]*shape, len(properties))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		member, err := in.read(properties[name], depth+1)
		if err != nil {
			return err
		}
		if member != nil {
			s.members[name] = member
		}
	}
	switch rest := flat["additionalProperties"].(type) {
	case bool:
		if rest {
			s.rest = &shape{any: true}
		}
	case map[string]any:
		var err error
		s.rest, err = in.read(rest, depth+1)
		return err
	default:
		// An object of which nothing is said is a map; one whose members are named
		// has no others for us.
		if len(properties) == 0 && flat["anyOf"] == nil && flat["oneOf"] == nil {
			s.rest, s.open = &shape{any: true}, true
		}
	}
	return nil
}

// saysNothing reports whether a document leaves open what a whole answer is.
// Deeper down that is a member which was meant to be open; at the top it is a
// description that was forgotten.
func (s *shape) saysNothing() bool { return s.any || s.isObject() && s.open && len(s.members) == 0 }

// join returns the shape of what may be either.
func join(a, b *shape) *shape {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.any || b.any:
		return &shape{any: true, description: a.description}
	}
	j := &shape{
		description: a.description, kinds: maps.Clone(a.kinds), rest: join(a.rest, b.rest), items: join(a.items, b.items),
		members: maps.Clone(a.members), open: a.open && b.open,
	}
	maps.Copy(j.kinds, b.kinds)
	if j.kinds["number"] {
		delete(j.kinds, "integer")
	}
	for name, member := range b.members {
		if j.members == nil {
			j.members = make(map[string]*shape)
		}
		j.members[name] = join(j.members[name], member)
	}
	return j
}

// isObject reports whether the value is an object and nothing else, as
// structured content must be.
func (s *shape) isObject() bool { return !s.any && len(s.kinds) == 1 && s.kinds["object"] }

// publish returns the shape as a JSON Schema.
func (s *shape) publish() schema {
	out := schema{}
	if s.description != "" {
		out["description"] = s.description
	}
	if s.any {
		return out
	}
	if types := slices.Sorted(maps.Keys(s.kinds)); len(types) == 1 {
		out["type"] = types[0]
	} else {
		out["type"] = anys(types)
	}
	if s.kinds["array"] {
		out["items"] = false
		if s.items != nil {
			out["items"] = s.items.publish()
		}
	}
	if s.kinds["object"] {
		members := schema{}
		for name, member := range s.members {
			members[name] = member.publish()
		}
		if len(members) > 0 {
			out["properties"] = members
		}
		out["additionalProperties"] = false
		if s.rest != nil {
			out["additionalProperties"] = s.rest.publish()
		}
	}
	return out
}

// descriptionOf returns what the document says about a value, with the values
// that it knows of.
func descriptionOf(flat map[string]any) string {
	text, _ := flat["description"].(string)
	text = result.Line(text, maxSchemaText)
	values := stringsOf(anyList(valuesOf(flat)))
	if len(values) == 0 || len(values) > 30 {
		return text
	}
	known := "One of:"
	for i, value := range values {
		if i > 0 {
			known += ","
		}
		known += " " + result.Line(value, 60)
	}
	if text == "" {
		return result.Line(known+".", maxSchemaText)
	}
	return result.Line(text+" "+known+".", maxSchemaText)
}

func anyList(values []any) any { return values }
