package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Bounds of a request.
const (
	// MaxQuery is the longest query that is read, in bytes.
	MaxQuery = 8 << 10
	// MaxParams is the largest number of parameters that are read.
	MaxParams = 100
)

// Params are the parameters of a request. An empty value counts as absent
// (RFC 6749 §3.1).
type Params struct {
	values url.Values
}

// ParseQuery reads the query of r.
func ParseQuery(r *http.Request) (Params, *Error) {
	if len(r.URL.RawQuery) > MaxQuery {
		return Params{}, Errorf(InvalidRequest, reason.ClientBadRequest, "the query is longer than %d bytes", MaxQuery)
	}
	return parseValues(r.URL.RawQuery)
}

// ParseForm reads the form body of a POST. The query is never looked at, so
// that no credential is taken from an address that ends up in logs. A body
// over maxBytes is answered with 413.
func ParseForm(w http.ResponseWriter, r *http.Request, maxBytes int64) (Params, *Error) {
	if r.Method != http.MethodPost {
		e := Errorf(InvalidRequest, reason.ClientBadRequest, "use POST")
		e.Status = http.StatusMethodNotAllowed
		return Params{}, e
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return Params{}, Errorf(InvalidRequest, reason.ClientBadRequest, "the content type must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		e := Errorf(InvalidRequest, reason.ClientBadRequest, "the body is longer than %d bytes", maxBytes)
		e.Status = http.StatusRequestEntityTooLarge
		return Params{}, e
	}
	if err != nil {
		return Params{}, Errorf(InvalidRequest, reason.ClientBadRequest, "the body could not be read")
	}
	return parseValues(string(body))
}

func parseValues(raw string) (Params, *Error) {
	if strings.Count(raw, "&") >= MaxParams {
		return Params{}, Errorf(InvalidRequest, reason.ClientBadRequest, "more than %d parameters", MaxParams)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Params{}, Errorf(InvalidRequest, reason.ClientBadRequest, "the parameters are not form-encoded")
	}
	return Params{values: values}, nil
}

// Get returns the first value of name, or "".
func (p Params) Get(name string) string { return p.values.Get(name) }

// Repeated returns the first of names that was given more than once, or ""
// (RFC 6749 §3.1 and §3.2: parameters must not be repeated).
func (p Params) Repeated(names ...string) string {
	for _, name := range names {
		if len(p.values[name]) > 1 {
			return name
		}
	}
	return ""
}
