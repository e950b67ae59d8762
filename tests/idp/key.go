package idp

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// signingKey signs ID tokens with RS256, which every provider must support
// (OpenID Connect Core section 15.1) and which most companies' providers use.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// newSigningKey makes a key that lives as long as the process.
func newSigningKey() (signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signingKey{}, fmt.Errorf("make signing key: %w", err)
	}
	return signingKey{id: rand.Text(), private: private}, nil
}

// SignatureAlgorithm is the alg of the ID token.
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Key is the private key.
func (k signingKey) Key() any { return k.private }

// ID is the kid of the ID token.
func (k signingKey) ID() string { return k.id }

// publicKey is the same key as the key set shows it.
type publicKey struct{ key signingKey }

// ID is the kid.
func (p publicKey) ID() string { return p.key.id }

// Algorithm is the alg member of the JWK.
func (p publicKey) Algorithm() jose.SignatureAlgorithm { return p.key.SignatureAlgorithm() }

// Use is the use member of the JWK.
func (p publicKey) Use() string { return "sig" }

// Key is the public key.
func (p publicKey) Key() any { return &p.key.private.PublicKey }
