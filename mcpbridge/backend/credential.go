package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

// Credential makes a finished request one of the person's. It is applied last,
// when nothing of the request changes any more, because it may sign all of it.
type Credential interface {
	// Apply sets the Authorization header of out, which is about to be sent for
	// r, and fields that hold a signature. It must not change anything else of it.
	Apply(ctx context.Context, out *http.Request, r *Request) error
}

// Signer makes an assertion; *assertion.Signer is one.
type Signer interface {
	Sign(assertion.Request) (string, error)
}

// Assertion is the Credential by which the gateway itself vouches for the
// person: a signed assertion as bearer token (RFC 6750 §2.1), made for each
// request.
type Assertion struct{ Signer Signer }

// Apply implements Credential.
func (a Assertion) Apply(_ context.Context, out *http.Request, r *Request) error {
	token, err := a.Signer.Sign(assertionFor(out, r))
	if err != nil {
		return fmt.Errorf("signing for the backend: %w", err)
	}
	out.Header["Authorization"] = []string{"Bearer " + token}
	return nil
}

// assertionFor says what out, which is sent for r, is asserted to be.
func assertionFor(out *http.Request, r *Request) assertion.Request {
	return assertion.Request{
		UserID:      r.Person.Subject,
		Email:       r.Person.Email,
		DomainID:    r.Person.Domain,
		ClientID:    r.Person.ClientID,
		Scope:       r.Scope,
		Permissions: r.Permissions,
		Transaction: r.Person.TXN,
		Method:      out.Method,
		Path:        out.URL.EscapedPath(),
		Body:        r.Body,
	}
}
