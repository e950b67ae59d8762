package httpsig

import (
	"crypto"
	"fmt"
	"net/http"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/golang-jwt/jwt/v5"
)

// Algorithms by their names in the registry of RFC 9421 §6.2.2.
const (
	Ed25519         = "ed25519"
	ECDSAP256SHA256 = "ecdsa-p256-sha256"
)

// methods make and check signatures: JWS uses the same form as RFC 9421 §3.3,
// for ECDSA too (RFC 7518 §3.4).
var methods = map[string]jwt.SigningMethod{Ed25519: jwt.SigningMethodEdDSA, ECDSAP256SHA256: jwt.SigningMethodES256}

// Params are what a signature says about itself (RFC 9421 §2.3). Times have whole
// seconds; what is empty is left out.
type Params struct {
	Created time.Time
	Expires time.Time
	Nonce   string
	KeyID   string
	Alg     string // Ed25519 or ECDSAP256SHA256
	Tag     string // by which a verifier finds the signature that is for it
}

// Sign adds a signature over components of r to its fields Signature-Input and
// Signature, under label, in the place of any that are there. Derived components
// are @method, @path, @query and @authority; others are names of fields in lower
// case. The key is an Ed25519 or a P-256 one, as p.Alg says.
//
// The error is ErrComponent if r lacks a component; otherwise the key does not fit.
func Sign(r *http.Request, label string, components []string, p Params, key crypto.Signer) error {
	method, ok := methods[p.Alg]
	if !ok {
		return fmt.Errorf("httpsig: unknown algorithm %q", p.Alg)
	}
	params, list, err := signatureParams(components, p)
	if err != nil {
		return err
	}
	text, err := base(r, components, params)
	if err != nil {
		return err
	}
	signature, err := method.Sign(text, key)
	if err != nil {
		return fmt.Errorf("httpsig: signing: %w", err)
	}
	for name, member := range map[string]httpsfv.Member{"Signature-Input": list, "Signature": httpsfv.NewItem(signature)} {
		dictionary := httpsfv.NewDictionary()
		dictionary.Add(label, member)
		value, err := httpsfv.Marshal(dictionary)
		if err != nil {
			return fmt.Errorf("httpsig: encoding %s: %w", name, err)
		}
		r.Header[name] = []string{value}
	}
	return nil
}
