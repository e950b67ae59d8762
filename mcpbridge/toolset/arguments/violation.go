package arguments

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// mismatch is what is said if no sentence of this file fits. Seeing it means
// that a schema uses a keyword which is not said here.
const mismatch = "an argument does not have the form that the schema asks for"

// Bounds of a sentence.
const (
	maxNamed   = 64  // the name of an unknown argument, in characters
	maxPattern = 200 // a pattern, in characters
	maxListed  = 40  // the values of a choice
)

// violation says where value, which is at path of the arguments, first differs
// from its schema: the argument's full path, what is allowed and what it is. It
// decides nothing; that is the checker's, which found the difference. Numbers
// and counts are said, text is not: it may come from anywhere and be of any
// length.
func violation(path string, s *jsonschema.Schema, value any) string {
	return cmp.Or(differs(path, s, value), mismatch)
}

// differs is violation, and "" if there is no difference.
func differs(path string, s *jsonschema.Schema, value any) string {
	if s == nil {
		return ""
	}
	if wrong := fault(s, value); wrong != "" {
		return fmt.Sprintf("%s must be %s; it is %s", cmp.Or(path, "the whole of the arguments"), allowed(s), wrong)
	}
	for _, part := range s.AllOf {
		if text := differs(path, part, value); text != "" {
			return text
		}
	}
	if text := noChoice(path, s, value); text != "" {
		return text
	}
	switch v := value.(type) {
	case map[string]any:
		return memberDiffers(path, s, v)
	case []any:
		for i, item := range v {
			place := fmt.Sprintf("%s[%d]", path, i)
			if text := differs(place, s.Items, item); text != "" {
				return text
			}
			same := func(other any) bool { return reflect.DeepEqual(other, item) }
			if first := slices.IndexFunc(v[:i], same); s.UniqueItems && first >= 0 {
				return fmt.Sprintf("%s must differ from the others; it is the same as %s[%d]", place, path, first)
			}
		}
	}
	return ""
}

// noChoice says that a value is none of the forms that a schema offers, or more
// than one where it must be one.
func noChoice(path string, s *jsonschema.Schema, value any) string {
	choices, fits := slices.Concat(s.AnyOf, s.OneOf), 0
	if len(choices) == 0 {
		return ""
	}
	var forms []string
	var last string
	for _, choice := range choices {
		text := differs(path, choice, value)
		if text == "" {
			fits++
			continue
		}
		last = text
		if form := allowed(choice); !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	switch {
	case fits == 0 && len(choices) == 1:
		return last
	case fits == 0:
		return fmt.Sprintf("%s must have one of the forms: %s; it is %s", cmp.Or(path, "the whole of the arguments"), strings.Join(forms, "; or "), kindOf(value))
	case fits > 1 && len(s.OneOf) > 0:
		return fmt.Sprintf("%s must fit exactly one of the forms that the schema offers; it fits %d", cmp.Or(path, "the whole of the arguments"), fits)
	}
	return ""
}

// memberDiffers looks at an object's members in a fixed order, so that the same
// arguments get the same sentence. Unknown names come first: a misspelt name is
// also a missing one, and the spelling is what to correct.
func memberDiffers(path string, s *jsonschema.Schema, members map[string]any) string {
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	names := slices.Sorted(maps.Keys(members))
	for _, name := range names {
		if s.Properties[name] == nil && open(s) {
			if text := differs(at(result.Line(name, maxNamed)), s.AdditionalProperties, members[name]); text != "" {
				return text
			}
			continue
		}
		if s.Properties[name] == nil {
			known := slices.Sorted(maps.Keys(s.Properties))
			return fmt.Sprintf("there is no argument %q; allowed here: %s", at(result.Line(name, maxNamed)), enumerated(known, at, "and"))
		}
	}
	if n := len(members); !within(n, s.MinProperties, s.MaxProperties) {
		return fmt.Sprintf("%s must have%s; it has %d", cmp.Or(path, "the whole of the arguments"), bounds(" ", s.MinProperties, s.MaxProperties, " members"), n)
	}
	for _, name := range s.Required {
		if _, ok := members[name]; !ok {
			return fmt.Sprintf("%s is missing; it must be %s", at(name), allowed(s.Properties[name]))
		}
	}
	for _, name := range names {
		if text := differs(at(name), s.Properties[name], members[name]); text != "" {
			return text
		}
	}
	return ""
}

// open reports whether an object may have members that its schema does not name.
func open(s *jsonschema.Schema) bool {
	return s.AdditionalProperties == nil || s.AdditionalProperties.Not == nil
}

// fault says what value itself is instead of what s allows, "" if it is that.
func fault(s *jsonschema.Schema, value any) string {
	if !typed(s, value) {
		if f, ok := value.(float64); ok && takes(s, "integer") {
			return numeral(f)
		}
		return kindOf(value)
	}
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		if f, ok := value.(float64); ok {
			return numeral(f)
		}
		return strings.Replace(kindOf(value), "text", "another text", 1)
	}
	switch v := value.(type) {
	case float64:
		outside := !within(v, s.Minimum, s.Maximum) ||
			s.ExclusiveMinimum != nil && v <= *s.ExclusiveMinimum || s.ExclusiveMaximum != nil && v >= *s.ExclusiveMaximum
		if outside || s.MultipleOf != nil && math.Mod(v, *s.MultipleOf) != 0 {
			return numeral(v)
		}
	case string:
		n := utf8.RuneCountInString(v)
		rule := ruleOf(s.Pattern)
		switch {
		case n == 0 && (s.MinLength != nil && *s.MinLength > 0 || !rule.matches(v)):
			return "empty"
		case !within(n, s.MinLength, s.MaxLength):
			return strconv.Itoa(n) + " characters long"
		case !rule.matches(v):
			return rule.broken
		}
	case []any:
		switch {
		case len(v) == 0 && !within(0, s.MinItems, s.MaxItems):
			return "empty"
		case !within(len(v), s.MinItems, s.MaxItems):
			return fmt.Sprintf("a list of %d", len(v))
		}
	}
	return ""
}

// typed reports whether value has a type that s allows.
func typed(s *jsonschema.Schema, value any) bool {
	if s.Type == "" && s.Types == nil {
		return true
	}
	switch v := value.(type) {
	case float64:
		return takes(s, "number") || takes(s, "integer") && v == math.Trunc(v)
	case string:
		return takes(s, "string")
	case []any:
		return takes(s, "array")
	case map[string]any:
		return takes(s, "object")
	case bool:
		return takes(s, "boolean")
	case nil:
		return takes(s, "null")
	}
	return false
}

// takes reports whether a schema names a type.
func takes(s *jsonschema.Schema, name string) bool {
	return s.Type == name || slices.Contains(s.Types, name)
}

// kindOf says in words what a value is.
func kindOf(value any) string {
	switch v := value.(type) {
	case float64:
		return "a number"
	case string:
		return "text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

// numeral writes a number, unless its digits would tell nobody anything.
func numeral(f float64) string {
	if math.Abs(f) >= 1e15 {
		return "a number far out of that range"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// allowed says in words what a schema admits.
func allowed(s *jsonschema.Schema) string {
	if len(s.Enum) > 0 {
		values := make([]string, 0, len(s.Enum))
		for _, v := range s.Enum[:min(len(s.Enum), maxListed)] {
			text, ok := v.(string)
			switch {
			case ok:
				text = strconv.Quote(text)
			case v == nil:
				text = "null"
			default:
				text = fmt.Sprint(v)
			}
			values = append(values, text)
		}
		asIs := func(s string) string { return s }
		if len(s.Enum) > maxListed {
			return fmt.Sprintf("one of the %d values of the schema, such as %s", len(s.Enum), enumerated(values, asIs, "or"))
		}
		return "one of " + enumerated(values, asIs, "or")
	}
	if s.Type == "" && s.Types == nil {
		if s.Pattern != "" || s.MinLength != nil || s.MaxLength != nil {
			return allowedOf("string", s)
		}
		return "what the schema says"
	}
	types := s.Types
	if s.Type != "" {
		types = []string{s.Type}
	}
	return enumerated(types, func(name string) string { return allowedOf(name, s) }, "or")
}

// allowedOf is allowed for one type.
func allowedOf(name string, s *jsonschema.Schema) string {
	switch name {
	case "integer":
		return "a whole number" + numberRule(s)
	case "number":
		return "a number" + numberRule(s)
	case "string":
		rule := ruleOf(s.Pattern)
		return cmp.Or(rule.noun, "text") + bounds(" of ", s.MinLength, s.MaxLength, " characters") + rule.rest
	case "array":
		text := "a list" + bounds(" of ", s.MinItems, s.MaxItems, " entries")
		if s.UniqueItems {
			text += ", no two the same"
		}
		return text
	case "boolean":
		return "true or false"
	case "object":
		return "a JSON object"
	}
	return name
}

// numberRule says the bounds of a number.
func numberRule(s *jsonschema.Schema) string {
	before := " from "
	if s.Minimum == nil || s.Maximum == nil {
		before = " of "
	}
	text := bounds(before, s.Minimum, s.Maximum, "")
	if s.ExclusiveMinimum != nil {
		text += fmt.Sprintf(" more than %v", *s.ExclusiveMinimum)
	}
	if s.ExclusiveMaximum != nil {
		text += fmt.Sprintf(" less than %v", *s.ExclusiveMaximum)
	}
	if s.MultipleOf != nil {
		text += fmt.Sprintf(" that is a multiple of %v", *s.MultipleOf)
	}
	return text
}

// textRule is a pattern in words.
type textRule struct {
	pattern *regexp.Regexp
	noun    string // what it admits; "" is text
	rest    string // the end of a sentence about it
	broken  string // what a text is that it does not match
}

var textRules = map[string]*textRule{
	ID: {
		pattern: regexp.MustCompile(ID), noun: "an id",
		rest:   " out of A-Z a-z 0-9 . _ ~ - that does not start with . or ~",
		broken: "not of that form",
	},
	Key: {
		pattern: regexp.MustCompile(Key), noun: "a key",
		rest:   " out of visible ASCII characters, without spaces",
		broken: "not of that form",
	},
	Line: {
		pattern: regexp.MustCompile(Line),
		rest:    " on one line, without control characters",
		broken:  "more than one line or has a control character",
	},
	Visible: {
		pattern: regexp.MustCompile(Visible),
		rest:    " of letters, digits and signs of ASCII on one line, without space at its ends",
		broken:  "not of that form",
	},
	Item: {
		pattern: regexp.MustCompile(Item),
		rest:    " without commas and control characters",
		broken:  "not of that form",
	},
	Prose: {
		pattern: regexp.MustCompile(Prose),
		rest:    ", at least one of them visible, without control characters other than tabs and line breaks",
		broken:  "blank or has another control character",
	},
}

// ruleOf returns the rule of a pattern. One of an operator's document has no
// words of ours: the pattern is said as it is.
func ruleOf(pattern string) *textRule {
	if rule := textRules[pattern]; rule != nil || pattern == "" {
		return cmp.Or(rule, &textRule{})
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return &textRule{} // no schema with it was compiled
	}
	return &textRule{pattern: compiled, rest: " that matches the pattern " + result.Line(pattern, maxPattern), broken: "not of that form"}
}

func (r *textRule) matches(text string) bool { return r.pattern == nil || r.pattern.MatchString(text) }

// within reports whether n is in the bounds that exist.
func within[N cmp.Ordered](n N, least, most *N) bool {
	return (least == nil || n >= *least) && (most == nil || n <= *most)
}

// bounds says a range, "" if it has no end.
func bounds[N int | float64](before string, least, most *N, unit string) string {
	switch {
	case least == nil && most == nil:
		return ""
	case most == nil && unit != "" && *least == 0:
		return ""
	case most == nil:
		return fmt.Sprintf("%sat least %v%s", before, *least, unit)
	case least == nil:
		return fmt.Sprintf("%sat most %v%s", before, *most, unit)
	}
	return fmt.Sprintf("%s%v to %v%s", before, *least, *most, unit)
}

// enumerated joins values to a part of a sentence.
func enumerated(values []string, each func(string) string, last string) string {
	said := make([]string, 0, len(values))
	for _, v := range values {
		said = append(said, each(v))
	}
	if n := len(said); n > 1 {
		return strings.Join(said[:n-1], ", ") + " " + last + " " + said[n-1]
	}
	return strings.Join(said, "")
}
