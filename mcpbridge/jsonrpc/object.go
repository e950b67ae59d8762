package jsonrpc

import (
	"bytes"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// reader walks JSON in place. Decoders are pooled because each would otherwise
// cost several allocations per request.
type reader struct {
	dec jsontext.Decoder
	buf bytes.Buffer
}

var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(data []byte) *reader {
	r := readers.Get().(*reader)
	// From a bytes.Buffer the decoder parses in place and leaves the bytes alone,
	// so that values may alias the input.
	r.buf = *bytes.NewBuffer(data)
	r.dec.Reset(&r.buf)
	return r
}

// release returns r to the pool without any of the input, which belongs to one
// request.
func (r *reader) release() {
	r.buf = bytes.Buffer{}
	r.dec.Reset(&r.buf)
	readers.Put(r)
}

// member reads a name and its value; the value has no space around it.
func (r *reader) member() (name []byte, value jsontext.Value, err error) {
	quoted, err := r.dec.ReadValue()
	if err != nil {
		return nil, nil, err
	}
	name, _ = Unquote(quoted) // the decoder accepts only strings for names
	if value, err = r.dec.ReadValue(); err != nil {
		return nil, nil, err
	}
	return name, value, nil
}

// fault names what is wrong with a value that is not an object: with the JSON
// if it is none, else what the caller expected.
func (r *reader) fault(expected string) *Error {
	if _, err := r.dec.ReadValue(); err != nil {
		return syntaxError(err)
	}
	return &Error{CodeInvalidRequest, expected}
}

// Members finds members of a JSON object: values[i] becomes the value of
// names[i], or stays as it is if the object has no such member. Values alias
// the object. It reports whether object is a valid JSON object.
func Members(object jsontext.Value, names []string, values []jsontext.Value) bool {
	r := newReader(object)
	defer r.release()
	if start, err := r.dec.ReadToken(); err != nil || start.Kind() != '{' {
		return false
	}
	for r.dec.PeekKind() != '}' {
		name, value, err := r.member()
		if err != nil {
			return false
		}
		if i := slices.Index(names, string(name)); i >= 0 {
			values[i] = value
		}
	}
	_, err := r.dec.ReadToken()
	return err == nil
}

// Unquote returns the text of a JSON string and whether v is one. The text
// aliases v unless v has escapes.
func Unquote(v jsontext.Value) ([]byte, bool) {
	if v.Kind() != '"' || len(v) < 2 {
		return nil, false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], true
	}
	text, err := jsontext.AppendUnquote(nil, v)
	return text, err == nil
}
