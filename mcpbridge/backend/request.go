package backend

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Bounds of a request, in bytes.
const (
	maxSegment = 128
	maxQuery   = 8 << 10
)

// ErrSegment says that a path segment is not one: it could change the path.
var ErrSegment = errors.New("backend: not a path segment")

// errQuery says that the query would be longer than servers take.
var errQuery = errors.New("backend: query too long")

// Person is on whose behalf a request runs, and through which assistant.
type Person struct {
	Email    string
	Domain   string // the id of the e-mail domain
	Subject  string // the backend's id of the person, or "" while unknown
	ClientID string // the assistant, or ""
	TXN      string // audit request id; also sent as X-Request-Id
}

// Param is one query parameter. A name may be repeated.
type Param struct{ Name, Value string }

// Request is one request to the backend. No part can change another: segments
// are checked, values are encoded, and there is no place for a header.
type Request struct {
	Person Person
	// Scope and Permissions are what this request needs; they are asserted.
	Scope       string
	Permissions []string

	Method string // GET, POST or DELETE
	// Path holds the segments, each by itself: 1–128 characters of
	// [A-Za-z0-9._~-], but not "." or "..".
	Path  []string
	Query []Param
	Body  []byte // JSON, or nil
}

// write reports whether r may change something. Such a request is sent once.
func (r *Request) write() bool { return r.Method != http.MethodGet }

// path returns the path of r, or an error that is ErrSegment. All characters
// that are let through are unreserved (RFC 3986 §2.3), so it is also its own
// escaped form and no server on the way can read it in another way.
func (r *Request) path() (string, error) {
	var b strings.Builder
	for _, segment := range r.Path {
		if !ValidSegment(segment) {
			return "", ErrSegment
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	if b.Len() == 0 {
		return "", ErrSegment
	}
	return b.String(), nil
}

// ValidSegment reports whether s can stand as one segment of a path.
func ValidSegment(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > maxSegment {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// query returns the encoded query of r in the order given.
func (r *Request) query() (string, error) {
	if len(r.Query) == 0 {
		return "", nil
	}
	var b strings.Builder
	for i, p := range r.Query {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	if b.Len() > maxQuery {
		return "", errQuery
	}
	return b.String(), nil
}

// check refuses what this package does not send.
func (r *Request) check() error {
	switch r.Method {
	case http.MethodGet, http.MethodDelete:
		if len(r.Body) > 0 {
			return fmt.Errorf("backend: %s with a body", r.Method)
		}
	case http.MethodPost:
	default:
		return fmt.Errorf("backend: method %q is not used", r.Method)
	}
	return nil
}

// validToken reports whether s can be a header value as it is: visible ASCII.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
