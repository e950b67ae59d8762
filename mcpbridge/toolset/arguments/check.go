package arguments

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"
)

// errRef says that a schema is not self-contained.
var errRef = errors.New("schema has a reference")

// What is said to a model about arguments that cannot be looked at one by one.
var (
	errNotJSON  = errors.New("the arguments are not one JSON object with unique names in valid UTF-8")
	errMismatch = errors.New(mismatch)
	errBeyond   = errors.New("a number in the arguments is larger than numbers can be")
)

// maxArguments bounds the arguments of a call, in bytes. The longest that match
// a schema are half of that, escaped as wastefully as JSON allows.
const maxArguments = 64 << 10

// Compile returns the checker of a schema, which must not refer to another.
func Compile(schema string) (*jsonschema.Resolved, error) {
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

// Check returns nil if arguments match the schema. The error's text is for the
// model that wrote them. Names are case-sensitive and duplicates are refused at
// every depth (RFC 8259 §4 leaves both open).
func Check(schema *jsonschema.Resolved, raw []byte) error {
	if len(raw) > maxArguments {
		return fmt.Errorf("the arguments are longer than %d bytes", maxArguments)
	}
	var instance any
	err := json.Unmarshal(raw, &instance)
	beyond := false
	if outOfRange := new(json.SemanticError); errors.As(err, &outOfRange) {
		// Well-formed, with a number beyond a float64: read again, so that the
		// answer can name it.
		instance, beyond = nil, true
		err = json.Unmarshal(raw, &instance, saturated)
	}
	if err != nil {
		return errNotJSON
	}
	if err := schema.Validate(instance); err != nil {
		// The checker's own words quote the schema and values of Go.
		return errors.New(violation("", schema.Schema(), instance))
	}
	if beyond {
		return errBeyond // no schema bounds it, but nobody can read it either
	}
	return nil
}

// Decode reads arguments into the struct v points to, if they match the schema.
// The error's text is for the model that wrote them.
//
// The schema that is published is the one that is enforced; so that the two
// cannot differ, arguments are first read into plain values and checked, then
// read into v, which refuses whatever v does not know.
func Decode(schema *jsonschema.Resolved, raw []byte, v any) error {
	if err := Check(schema, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v, json.RejectUnknownMembers(true), integral); err != nil {
		return errMismatch // the schema admits what v does not: a fault of the tool
	}
	return nil
}

// saturated reads a number beyond the range of a float64 as the last one of it.
var saturated = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
	if dec.PeekKind() != '0' {
		return errors.ErrUnsupported // as without this function
	}
	number, err := dec.ReadToken()
	if err != nil {
		return err
	}
	f, _ := number.Float() // infinite out of the range
	*v = min(max(f, -math.MaxFloat64), math.MaxFloat64)
	return nil
}))

// integral reads a number without fraction into an int however it is written:
// to JSON Schema 2020-12 (validation §6.1.1) 1.0 and 1e0 are integers, and
// clients whose language has one kind of number write them.
var integral = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, n *int) error {
	if dec.PeekKind() != '0' {
		return errMismatch
	}
	number, err := dec.ReadToken()
	if err != nil {
		return err
	}
	const most = 1 << 53 // what a float64 holds exactly
	f, err := number.Float()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > most {
		return errMismatch
	}
	*n = int(f)
	return nil
}))
