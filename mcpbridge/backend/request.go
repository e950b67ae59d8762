package backend

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// Bounds of a request, in bytes.
const (
	maxSegment = 128
	maxQuery   = 8 << 10
	maxHeader  = 512 // the value of a header field
)

// ErrSegment says that a path segment is not one: it could change the path.
var ErrSegment = errors.New("backend: not a path segment")

// ErrQuery says that the query would be longer than servers take.
var ErrQuery = errors.New("backend: query too long")

// ErrHeader says that a header field is not one that a caller may set.
var ErrHeader = errors.New("backend: not a header field of the interface")

// Person is on whose behalf a request runs, and through which assistant.
type Person struct {
	Email    string
	Domain   string // the id of the e-mail domain
	Subject  string // the backend's id of the person, or "" while unknown
	ClientID string // the assistant, or ""
	TXN      string // audit request id; also sent as X-Request-Id
}

// Param is one parameter. A name may be repeated in a query, not in a header.
type Param struct {
	Name, Value string
	// List, in a query, stands instead of Value: its values are joined by commas,
	// which no value can hold unescaped.
	List []string
}

// Request is one request to the backend. No part can change another: segments
// are checked, values are encoded, and no header says whom the request is for.
type Request struct {
	Person Person
	// Scope and Permissions are what this request needs; they are asserted.
	Scope       string
	Permissions []string

	Method string // GET, POST, PUT, PATCH or DELETE
	// Path holds the segments, each by itself: 1–128 characters of
	// [A-Za-z0-9._~-], but not "." or "..".
	Path []string
	// Slash says that the path ends with a slash.
	Slash bool
	Query []Param
	// Header holds further fields of the backend's interface. Their names pass
	// ValidHeader and their values are visible ASCII of at most 512 bytes.
	Header []Param
	Body   []byte // JSON, or nil
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
	if r.Slash {
		b.WriteByte('/')
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
		if p.List == nil {
			b.WriteString(url.QueryEscape(p.Value))
		}
		for i, value := range p.List {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(url.QueryEscape(value))
		}
	}
	if b.Len() > maxQuery {
		return "", ErrQuery
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
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return fmt.Errorf("backend: method %q is not used", r.Method)
	}
	for i, p := range r.Header {
		same := func(other Param) bool { return strings.EqualFold(other.Name, p.Name) }
		if !ValidHeader(p.Name) || !validValue(p.Value) || slices.ContainsFunc(r.Header[:i], same) {
			return ErrHeader
		}
	}
	return nil
}

// ValidHeader reports whether a parameter may be sent as the header field of
// this name: a token (RFC 9110 §5.1) that neither says whom a request is for nor
// steers HTTP itself.
func ValidHeader(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		default:
			return false
		}
	}
	lower := strings.ToLower(name)
	return name != "" && len(name) <= maxSegment && !ownHeaders[lower] && !httpx.IsIdentity(name) &&
		!slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(lower, prefix) })
}

// ownHeaders are fields that this package, the transport or HTTP itself sets.
var ownHeaders = map[string]bool{
	"authorization": true, "cookie": true, "set-cookie": true, "host": true, "accept": true, "user-agent": true,
	"connection": true, "keep-alive": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"expect": true, "via": true, "max-forwards": true, "range": true, "date": true, "origin": true, "referer": true,
	"x-http-method": true, "x-http-method-override": true, "x-method-override": true, "x-original-url": true, "x-rewrite-url": true,
}

// ownPrefixes are families of such fields.
var ownPrefixes = []string{"content-", "proxy-", "accept-", "access-control-", "sec-"}

// validValue reports whether s can be the value of a header field as it is.
func validValue(s string) bool {
	return s != "" && len(s) <= maxHeader && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// validToken reports whether s can be a header value as it is: visible ASCII.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
