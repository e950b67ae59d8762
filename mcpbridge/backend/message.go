package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/httpsig"
)

// Issuer makes an assertion and says what it holds; *assertion.Signer is one.
type Issuer interface {
	Issue(assertion.Request) (assertion.Issued, error)
}

// SignedMessage is the Credential Assertion with an HTTP Message Signature
// (RFC 9421) beside it, for backends that verify those. The signature covers the
// Authorization header and with it the person; together they bind the query too,
// which the assertion alone does not.
//
// It does not cover the host: a proxy in front of the backend may change it, and
// the assertion names the audience.
type SignedMessage struct {
	Issuer Issuer
	Keys   assertion.Keys
	Alg    string // EdDSA or ES256, as of the assertion
}

// Apply implements Credential.
func (m SignedMessage) Apply(_ context.Context, out *http.Request, r *Request) error {
	issued, err := m.Issuer.Issue(assertionFor(out, r))
	if err != nil {
		return fmt.Errorf("signing for the backend: %w", err)
	}
	out.Header["Authorization"] = []string{"Bearer " + issued.Token}
	if digest := assertion.ContentDigest(r.Body); digest != "" {
		out.Header["Content-Digest"] = []string{digest}
	}
	kid, key, err := m.Keys.SigningKey(m.Alg)
	if err != nil {
		return fmt.Errorf("signing for the backend: getting the signing key: %w", err)
	}
	err = httpsig.Sign(out, assertion.MessageTag, assertion.MessageComponents(len(r.Body) > 0), httpsig.Params{
		Created: issued.Created, Expires: issued.Expires, Nonce: issued.ID,
		KeyID: kid, Alg: assertion.MessageAlgorithm(m.Alg), Tag: assertion.MessageTag,
	}, key)
	if err != nil {
		return fmt.Errorf("signing for the backend: %w", err)
	}
	return nil
}
