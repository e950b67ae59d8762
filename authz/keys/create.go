package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// secretSize is the length of MAC and sealing keys: 256 bits.
	secretSize = 32
	// secretIDSize is the length of their random ids. They go into every
	// credential, so they are short; they tell nothing about the key.
	secretIDSize = 4
)

// create makes the first document of a purpose.
func create(p purpose, now time.Time, rand io.Reader) ([]byte, error) {
	var entries []entry
	for _, alg := range algorithms(p) {
		e, err := newEntry(alg, now, rand)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		entries = append(entries, e)
	}
	return encode(p, entries)
}

func encode(p purpose, entries []entry) ([]byte, error) {
	raw, err := json.Marshal(document{Version: documentVersion, Purpose: p, Keys: entries}, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("encode a key document: %w", err)
	}
	return append(raw, '\n'), nil
}

// newEntry makes a key that is used from now on.
func newEntry(alg string, now time.Time, rand io.Reader) (entry, error) {
	material, id, err := newMaterial(alg, rand)
	if err != nil {
		return entry{}, err
	}
	jwk, err := jose.JSONWebKey{Key: material, KeyID: id, Algorithm: alg}.MarshalJSON()
	if err != nil {
		return entry{}, err
	}
	now = now.UTC().Truncate(time.Second)
	return entry{ID: id, CreatedAt: now, UseFrom: now, JWK: jwk}, nil
}

func newMaterial(alg string, rand io.Reader) (material any, id string, err error) {
	switch alg {
	case EdDSA:
		seed := make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(rand, seed); err != nil {
			return nil, "", err
		}
		material = ed25519.NewKeyFromSeed(seed)
	case ES256:
		if material, err = ecdsa.GenerateKey(elliptic.P256(), rand); err != nil {
			return nil, "", err
		}
	default:
		secret := make([]byte, secretSize+secretIDSize)
		if _, err := io.ReadFull(rand, secret); err != nil {
			return nil, "", err
		}
		return secret[:secretSize], hex.EncodeToString(secret[secretSize:]), nil
	}
	id, err = thumbprint(material)
	return material, id, err
}

// thumbprint is the key id of a signing key: the SHA-256 thumbprint of its
// public part (RFC 7638 §3), so that the id follows from the key alone.
func thumbprint(private any) (string, error) {
	jwk := jose.JSONWebKey{Key: private}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
