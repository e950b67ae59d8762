package appstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// errRef says that a schema is not self-contained.
var errRef = errors.New("schema has a reference")

// maxViolation bounds what is said about a violation: the checker quotes the
// offending value, and that may be as long as the request.
const maxViolation = 300

// maxArguments bounds the arguments of a call, in bytes. The longest that match
// a schema are half of that, escaped as wastefully as JSON allows; a longer
// value would only be quoted in a message that is cut.
const maxArguments = 64 << 10

// compile returns the checker of a schema.
func compile(schema string) (*jsonschema.Resolved, error) {
	// References are not used here, and none may ever be fetched.
	if strings.Contains(schema, `"$ref"`) {
		return nil, errRef
	}
	s := new(jsonschema.Schema)
	if err := json.Unmarshal([]byte(schema), s); err != nil {
		return nil, fmt.Errorf("reading schema: %w", err)
	}
	resolved, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		return nil, fmt.Errorf("resolving schema: %w", err)
	}
	return resolved, nil
}

// decode reads arguments into the struct v points to, if they match the schema.
// The error's text is for the model that wrote them.
//
// The schema that is published is the one that is enforced; so that the two
// cannot differ, arguments are first read into plain values and checked, then
// read into v, which refuses whatever v does not know. Names are
// case-sensitive and duplicates are refused (RFC 8259 §4 leaves both open).
func decode(schema *jsonschema.Resolved, raw []byte, v any) error {
	if len(raw) > maxArguments {
		return fmt.Errorf("the arguments are longer than %d bytes", maxArguments)
	}
	var instance any
	if err := json.Unmarshal(raw, &instance); err != nil {
		return errors.New("the arguments are not one JSON object with unique names in valid UTF-8")
	}
	if err := schema.Validate(instance); err != nil {
		return errors.New(violation(err))
	}
	if err := json.Unmarshal(raw, v, json.RejectUnknownMembers(true)); err != nil {
		return errors.New("an argument has a value that is out of range")
	}
	return nil
}

// violation returns the last part of a checker's message. Its beginning is the
// trail of schemas on the way down, which tells a model nothing.
func violation(err error) string {
	text := err.Error()
	place := ""
	for strings.HasPrefix(text, "validating ") {
		head, rest, ok := strings.Cut(text, ": ")
		if !ok {
			break
		}
		place, text = head, rest
	}
	if i := strings.LastIndex(place, "/properties/"); i >= 0 {
		text = place[i+len("/properties/"):] + ": " + text
	}
	return result.Line(text, maxViolation)
}
