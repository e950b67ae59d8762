package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of an answer that a model gets.
const (
	maxAnswer  = 256 << 10 // bytes, about
	maxEntries = 500       // of a list, or of an object without named members
	maxText    = 8000      // characters of one text
	maxFree    = 16        // depth of a value of which the document says nothing
	maxName    = 128       // characters of a member that the document does not name
)

// errAnswer says that an answer is not one JSON value, or not of the documented
// kind.
var errAnswer = errors.New("the answer does not fit the document")

// filter keeps of an answer what its shape has.
type filter struct {
	dec *jsontext.Decoder
	out []byte
	cut int // parts that were left out because the answer is too long
}

// structured returns the answer as structured content: an object with exactly
// what is published, and how many parts did not fit. An error says nothing of
// the answer's text.
func (s *shape) structured(body []byte) (content []byte, cut int, err error) {
	f := &filter{dec: jsontext.NewDecoder(bytes.NewReader(body)), out: make([]byte, 0, min(len(body)+16, maxAnswer))}
	wrapped := !s.isObject()
	if wrapped {
		f.out = append(f.out, `{"result":`...)
	}
	ok, err := f.value(s, maxFree)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %T", errAnswer, err) // the decoder's message may quote the answer
	}
	if _, err := f.dec.ReadToken(); err == nil || !ok {
		return nil, 0, errAnswer
	}
	if wrapped {
		f.out = append(f.out, '}')
	}
	return f.out, f.cut, nil
}

// value appends the next value if it is of the shape, and reports whether.
func (f *filter) value(s *shape, free int) (bool, error) {
	kind := f.dec.PeekKind()
	if s == nil || s.any && free == 0 || kind != 0 && !s.takes(kind) || len(f.out) > maxAnswer {
		if len(f.out) > maxAnswer {
			f.cut++
		}
		return false, f.dec.SkipValue()
	}
	if s.any {
		free--
	}
	switch kind {
	case '{':
		return true, f.object(s, free)
	case '[':
		return true, f.list(s, free)
	case '"':
		token, err := f.dec.ReadToken()
		if err != nil {
			return false, err
		}
		f.out, err = jsontext.AppendQuote(f.out, result.Text(token.String(), maxText))
		return true, err
	case '0':
		return f.number(s)
	}
	value, err := f.dec.ReadValue() // true, false, null, or a fault
	f.out = append(f.out, value...)
	return err == nil, err
}

// number appends a number as the backend wrote it: a float64 would round it.
func (f *filter) number(s *shape) (bool, error) {
	value, err := f.dec.ReadValue()
	if err != nil {
		return false, err
	}
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !s.any && !s.kinds["number"] && n != math.Trunc(n) {
		return false, nil //nolint:nilerr // no number that a reader could take
	}
	f.out = append(f.out, value...)
	return true, nil
}

func (f *filter) list(s *shape, free int) error {
	if _, err := f.dec.ReadToken(); err != nil {
		return err
	}
	f.out = append(f.out, '[')
	items := s.items
	if s.any {
		items = s
	}
	for n := 0; f.dec.PeekKind() != ']'; {
		if n >= maxEntries {
			f.cut++
			if err := f.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		mark := len(f.out)
		if n > 0 {
			f.out = append(f.out, ',')
		}
		ok, err := f.value(items, free)
		if err != nil {
			return err
		}
		if !ok {
			f.out = f.out[:mark]
			continue
		}
		n++
	}
	f.out = append(f.out, ']')
	_, err := f.dec.ReadToken()
	return err
}

func (f *filter) object(s *shape, free int) error {
	if _, err := f.dec.ReadToken(); err != nil {
		return err
	}
	f.out = append(f.out, '{')
	first, unnamed := true, 0
	for f.dec.PeekKind() != '}' {
		token, err := f.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		member := s.members[name]
		if member == nil {
			member = s.unnamed(name)
			unnamed++
		}
		if member != nil && unnamed > maxEntries {
			member = nil
			f.cut++
		}
		mark := len(f.out)
		if !first {
			f.out = append(f.out, ',')
		}
		if f.out, err = jsontext.AppendQuote(f.out, name); err != nil {
			return err
		}
		f.out = append(f.out, ':')
		ok, err := f.value(member, free)
		if err != nil {
			return err
		}
		if !ok {
			f.out = f.out[:mark]
			continue
		}
		first = false
	}
	f.out = append(f.out, '}')
	_, err := f.dec.ReadToken()
	return err
}

// unnamed returns the shape of a member that the document does not name, nil if
// it is dropped. A name is the backend's text as well, and a cleaned one could
// be that of another member.
func (s *shape) unnamed(name string) *shape {
	if name == "" || result.Line(name, maxName) != name {
		return nil
	}
	if s.any {
		return s
	}
	return s.rest
}

// takes reports whether a value that begins with kind may be of the shape.
func (s *shape) takes(kind jsontext.Kind) bool {
	if s.any {
		return true
	}
	switch kind {
	case 'n':
		return s.kinds["null"]
	case 't', 'f':
		return s.kinds["boolean"]
	case '"':
		return s.kinds["string"]
	case '0':
		return s.kinds["number"] || s.kinds["integer"]
	case '{':
		return s.kinds["object"]
	case '[':
		return s.kinds["array"]
	}
	return false
}

// identifier returns the member id of an answer, or of the only element of one
// that is a list: what a write made or changed.
func identifier(body []byte) string {
	var made struct {
		ID jsontext.Value `json:"id"`
	}
	if jsontext.Value(body).Kind() == '[' {
		var list []jsontext.Value
		if err := backend.Decode(body, &list, false); err != nil || len(list) != 1 {
			return ""
		}
		body = list[0]
	}
	if err := backend.Decode(body, &made, false); err != nil {
		return ""
	}
	switch made.ID.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, made.ID)
		if err != nil {
			return ""
		}
		return result.Line(string(text), maxName)
	case '0':
		return result.Line(string(made.ID), maxName)
	}
	return ""
}
