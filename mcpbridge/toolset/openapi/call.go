package openapi

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// setPath splits the path of an operation. A part in braces is an argument and
// stands for exactly one segment.
func (t *Tool) setPath(base []string, path string, fields []field) error {
	t.segments = slices.Clone(base)
	trimmed := strings.TrimPrefix(path, "/")
	if trimmed == "" && len(base) == 0 {
		return errors.New("its path is empty")
	}
	trimmed, t.slash = strings.CutSuffix(trimmed, "/")
	var used []string
	for part := range strings.SplitSeq(trimmed, "/") {
		name, isName := strings.CutPrefix(part, "{")
		if isName {
			name, isName = strings.CutSuffix(name, "}")
		}
		switch {
		case isName && !strings.ContainsAny(name, "{}"):
			used = append(used, name)
			t.segments = append(t.segments, "")
		case part == "" && trimmed == "":
		case !backend.ValidSegment(part):
			return fmt.Errorf("the part %q of its path is neither plain text nor one argument", result.Line(part, 64))
		default:
			t.segments = append(t.segments, part)
		}
	}
	for i, name := range used {
		declared := slices.ContainsFunc(fields, func(f field) bool { return f.place == inPath && f.wire == name })
		if !declared || slices.Contains(used[:i], name) {
			return fmt.Errorf("its path has {%s}, which is not exactly one parameter of the path", result.Line(name, 64))
		}
	}
	for _, f := range fields {
		if f.place == inPath && !slices.Contains(used, f.wire) {
			return fmt.Errorf("its parameter %s is not in the path", result.Line(f.wire, 64))
		}
	}
	t.pathFields(used, fields)
	return nil
}

// pathFields brings the arguments of the path into its order.
func (t *Tool) pathFields(used []string, fields []field) {
	slices.SortStableFunc(fields, func(a, b field) int {
		if a.place != inPath || b.place != inPath {
			return int(a.place) - int(b.place)
		}
		return slices.Index(used, a.wire) - slices.Index(used, b.wire)
	})
}

// input is what one call asks for.
type input struct {
	request backend.Request // without the person
	target  string          // the last argument of the path
	intent  string
}

// read returns the request that arguments ask for. They are checked against the
// input schema first; the error's text is for the model that wrote them.
//
// Values are taken from the text of the arguments and not from numbers of Go, so
// that none is rounded on its way to the backend.
func (t *Tool) read(raw []byte) (input, error) {
	var in input
	if err := arguments.Check(t.input, raw); err != nil {
		return in, err
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return in, errors.New("the arguments are not one JSON object")
	}
	in.request.Method, in.request.Slash = t.method, t.slash
	in.intent = intentOf(members[nameTelemetry])
	segments := slices.Clone(t.segments)
	var body []byte
	for i := range t.fields {
		f := &t.fields[i]
		value, ok := members[f.name]
		if !ok {
			continue
		}
		switch f.place {
		case inPath:
			in.target = text(value)
			segments[slices.Index(segments, "")] = in.target
		case inQuery:
			in.request.Query = append(in.request.Query, f.query(value)...)
		case inHeader:
			in.request.Header = append(in.request.Header, backend.Param{Name: f.wire, Value: text(value)})
		case inBody:
			var err error
			if body, err = appendMember(body, f.wire, value); err != nil {
				return in, err
			}
		case asBody:
			in.request.Body = slices.Clone(value)
		}
	}
	switch {
	case body != nil:
		body = append(body, '}')
		in.request.Body = body
	case t.body && in.request.Body == nil:
		in.request.Body = []byte(`{}`)
	}
	in.request.Path = segments
	return in, nil
}

// appendMember appends a member to an object that is not closed yet.
func appendMember(b []byte, name string, value jsontext.Value) ([]byte, error) {
	if b == nil {
		b = []byte{'{'}
	} else {
		b = append(b, ',')
	}
	b, err := jsontext.AppendQuote(b, name)
	if err != nil {
		return nil, fmt.Errorf("the argument cannot be sent: %w", err)
	}
	return append(append(b, ':'), value...), nil
}

// query returns the parameters that a value in a query becomes. Null is a value
// that is not given.
func (f *field) query(value jsontext.Value) []backend.Param {
	if value.Kind() == 'n' {
		return nil
	}
	if !f.list {
		return []backend.Param{{Name: f.wire, Value: text(value)}}
	}
	var items []jsontext.Value
	if err := json.Unmarshal(value, &items); err != nil || len(items) == 0 {
		return nil // an empty list is not said in a query
	}
	var params []backend.Param
	var list []string
	for _, item := range items {
		params = append(params, backend.Param{Name: f.wire, Value: text(item)})
		list = append(list, text(item))
	}
	if f.explode {
		return params
	}
	return []backend.Param{{Name: f.wire, List: list}}
}

// text returns a scalar as a URL or a header says it.
func text(value jsontext.Value) string {
	switch value.Kind() {
	case '"':
		s, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return "" // the arguments were read before
		}
		return string(s)
	case '0':
		return decimal(string(value))
	}
	return string(value)
}

// decimal returns a number without exponent or empty fraction where it has an
// exact short form: 1e3 and 1000.0 are 1000 to a schema, but not to a backend
// that reads digits.
func decimal(s string) string {
	const most = 1 << 53 // what a float64 holds exactly
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) > most {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// intentOf returns telemetry.intent for the audit trail.
func intentOf(value jsontext.Value) string {
	var t struct {
		Intent string `json:"intent"`
	}
	if value == nil {
		return ""
	}
	if err := json.Unmarshal(value, &t); err != nil {
		return ""
	}
	return result.Text(t.Intent, arguments.MaxIntent)
}
