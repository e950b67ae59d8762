package assertion

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Type is the JOSE header typ of an assertion (RFC 9068 §2.1). A verifier that
// checks it cannot be given another kind of JWT of the same issuer.
const Type = "at+jwt"

// emailSubject marks a subject that is an address because the backend's id of
// the person is not known yet.
const emailSubject = "email:"

// ErrIncomplete says that a Request lacks what every assertion must state.
var ErrIncomplete = errors.New("assertion: incomplete request")

// Actor is the party that acts for the subject (RFC 8693 §4.1): the assistant.
type Actor struct {
	Subject string `json:"sub"` // its client_id
}

// Claims is the payload of an assertion. Times are seconds since 1970 UTC.
type Claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"` // the one backend that may accept it
	// Subject is the backend's id of the person, or "email:" and the address
	// while that id is unknown.
	Subject  string `json:"sub"`
	Email    string `json:"email,omitzero"`
	DomainID string `json:"domain_id"`
	ClientID string `json:"client_id,omitzero"`
	Actor    *Actor `json:"act,omitzero"`
	// Scope and Permissions are what this request needs, not what the person has.
	Scope       string   `json:"scope,omitzero"`
	Permissions []string `json:"permissions,omitzero"`
	// Transaction is the audit request id, shared by all requests of one call.
	Transaction string `json:"txn"`
	ID          string `json:"jti"`
	IssuedAt    int64  `json:"iat"`
	Expires     int64  `json:"exp"`
	// Method and URL bind the assertion to one route, as in RFC 9449 §4.2: the
	// method, and the audience with the escaped path, without query.
	Method string `json:"htm"`
	URL    string `json:"htu"`
	// ContentDigest is the RFC 9530 digest of the body, absent without one.
	ContentDigest string `json:"content_digest,omitzero"`
}

// Request is what one assertion is made for.
type Request struct {
	// UserID is the backend's id of the person, or "" while it is unknown; then
	// Email names the person.
	UserID   string
	Email    string
	DomainID string
	ClientID string // "" when no assistant is involved
	Scope    string
	// Permissions that this request needs.
	Permissions []string
	Transaction string
	Method      string
	// Path is the escaped path of the request, from the slash on, without query.
	Path string
	// Body is the exact body that is sent; empty when there is none.
	Body []byte
}

// check returns an error that is ErrIncomplete and names the first thing wrong.
func (r *Request) check() error {
	switch {
	case r.UserID == "" && r.Email == "":
		return fmt.Errorf("%w: neither user id nor e-mail", ErrIncomplete)
	case strings.HasPrefix(r.UserID, emailSubject):
		// An id of this form would be read as somebody's address.
		return fmt.Errorf("%w: user id looks like an e-mail subject", ErrIncomplete)
	case r.DomainID == "":
		return fmt.Errorf("%w: no domain", ErrIncomplete)
	case r.Transaction == "":
		return fmt.Errorf("%w: no transaction id", ErrIncomplete)
	case r.Method == "":
		return fmt.Errorf("%w: no method", ErrIncomplete)
	case !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#"):
		return fmt.Errorf("%w: path is not an escaped path", ErrIncomplete)
	}
	return nil
}

// subject returns the sub claim.
func (r *Request) subject() string {
	if r.UserID != "" {
		return r.UserID
	}
	return emailSubject + r.Email
}

// ContentDigest returns the RFC 9530 §2 digest of body by SHA-256, or "" for an
// empty body.
func ContentDigest(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}
