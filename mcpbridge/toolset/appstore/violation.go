package appstore

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

// maxNamed bounds the name of an unknown argument in a sentence, in characters.
const maxNamed = 64

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
		if s.Properties[name] == nil {
			known := slices.Sorted(maps.Keys(s.Properties))
			return fmt.Sprintf("there is no argument %q; allowed here: %s", at(result.Line(name, maxNamed)), enumerated(known, at, "and"))
		}
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

// fault says what value itself is instead of what s allows, "" if it is that.
func fault(s *jsonschema.Schema, value any) string {
	switch v := value.(type) {
	case float64:
		whole := v == math.Trunc(v)
		switch {
		case s.Type == "integer" && whole && within(v, s.Minimum, s.Maximum):
			return ""
		case s.Type != "integer":
			return "a number"
		case math.Abs(v) >= 1e15:
			return "a number far out of that range" // whose digits would tell nobody anything
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		n := utf8.RuneCountInString(v)
		rule := ruleOf(s.Pattern)
		switch {
		case s.Type != "string":
			return "text"
		case len(s.Enum) > 0 && !slices.Contains(s.Enum, value):
			return "another text"
		case n == 0 && (s.MinLength != nil && *s.MinLength > 0 || !rule.matches(v)):
			return "empty"
		case !within(n, s.MinLength, s.MaxLength):
			return strconv.Itoa(n) + " characters long"
		case !rule.matches(v):
			return rule.broken
		}
	case []any:
		switch {
		case s.Type != "array":
			return "a list"
		case len(v) == 0 && !within(0, s.MinItems, s.MaxItems):
			return "empty"
		case !within(len(v), s.MinItems, s.MaxItems):
			return fmt.Sprintf("a list of %d", len(v))
		}
	case map[string]any:
		if s.Type != "object" {
			return "an object"
		}
	case bool:
		if s.Type != "boolean" {
			return strconv.FormatBool(v)
		}
	case nil:
		return "null"
	}
	return ""
}

// allowed says in words what a schema admits.
func allowed(s *jsonschema.Schema) string {
	switch s.Type {
	case "integer":
		return "a whole number" + bounds(" from ", s.Minimum, s.Maximum, "")
	case "string":
		if len(s.Enum) > 0 {
			values := make([]string, 0, len(s.Enum))
			for _, v := range s.Enum {
				values = append(values, fmt.Sprint(v))
			}
			return "one of " + enumerated(values, strconv.Quote, "or")
		}
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
	return "what the schema says"
}

// textRule is a pattern in words.
type textRule struct {
	pattern *regexp.Regexp
	noun    string // what it admits; "" is text
	rest    string // the end of a sentence about it
	broken  string // what a text is that it does not match
}

var textRules = map[string]*textRule{
	idPattern: {
		pattern: regexp.MustCompile(idPattern), noun: "an id",
		rest:   " out of A-Z a-z 0-9 . _ ~ - that does not start with . or ~",
		broken: "not of that form",
	},
	keyPattern: {
		pattern: regexp.MustCompile(keyPattern), noun: "a key",
		rest:   " out of visible ASCII characters, without spaces",
		broken: "not of that form",
	},
	linePattern: {
		pattern: regexp.MustCompile(linePattern),
		rest:    " on one line, without control characters",
		broken:  "more than one line or has a control character",
	},
	prosePattern: {
		pattern: regexp.MustCompile(prosePattern),
		rest:    ", at least one of them visible, without control characters other than tabs and line breaks",
		broken:  "blank or has another control character",
	},
}

// ruleOf returns the rule of a pattern; one that is not known has no words.
func ruleOf(pattern string) *textRule { return cmp.Or(textRules[pattern], &textRule{}) }

func (r *textRule) matches(text string) bool { return r.pattern == nil || r.pattern.MatchString(text) }

// within reports whether n is in the bounds that exist.
func within[N cmp.Ordered](n N, least, most *N) bool {
	return (least == nil || n >= *least) && (most == nil || n <= *most)
}

// bounds says a range, "" if it has no upper end, which none here lacks.
func bounds[N int | float64](before string, least, most *N, unit string) string {
	switch {
	case most == nil:
		return ""
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
