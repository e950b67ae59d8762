package opaque

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrSealed says that a sealed value is damaged, was sealed for another purpose
// or under another key.
var ErrSealed = errors.New("sealed value does not open")

const (
	underTokenInfo = "mcp-edge/sealed-under-token/1\x00"
	purposeInfo    = "mcp-edge/sealed-for-purpose/1\x00"
	minSealKey     = 32
	aesKeySize     = 32
)

// SealUnder encrypts plain so that only who holds token can read it:
// AES-256-GCM under HKDF-SHA-256 of the token and the context. The store keeps
// the hash of the token only, so a copy of the database opens nothing.
func SealUnder(token, context string, plain []byte) ([]byte, error) {
	aead, err := derive([]byte(token), underTokenInfo+context)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, nil), nil
}

// OpenUnder opens what SealUnder made with the same token and context;
// otherwise the error is ErrSealed.
func OpenUnder(token, context string, sealed []byte) ([]byte, error) {
	aead, err := derive([]byte(token), underTokenInfo+context)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Sealer encrypts and authenticates values that a browser keeps for us, such as
// cookies. It is safe for concurrent use.
type Sealer struct{ keys [][]byte }

// NewSealer returns a Sealer that seals with the first key and opens what any
// of them sealed. Keys have at least 32 bytes.
func NewSealer(keys [][]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("opaque: no sealing key")
	}
	s := &Sealer{}
	for i, k := range keys {
		if len(k) < minSealKey {
			return nil, fmt.Errorf("opaque: sealing key %d has %d bytes, want at least %d", i+1, len(k), minSealKey)
		}
		s.keys = append(s.keys, append([]byte(nil), k...))
	}
	return s, nil
}

// Seal returns plain encrypted, in base64url. What is sealed for one purpose
// does not open for another.
func (s *Sealer) Seal(purpose string, plain []byte) string {
	aead, err := derive(s.keys[0], purposeInfo+purpose)
	if err != nil {
		panic(fmt.Sprintf("opaque: seal: %v", err)) // only possible if AES or HKDF themselves refuse to work
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, nil))
}

// Open returns what Seal sealed for that purpose; otherwise the error is
// ErrSealed.
func (s *Sealer) Open(purpose, sealed string) ([]byte, error) {
	raw, err := encoding.DecodeString(sealed)
	if err != nil {
		return nil, ErrSealed
	}
	for _, key := range s.keys {
		aead, err := derive(key, purposeInfo+purpose)
		if err != nil {
			return nil, err
		}
		if plain, err := aead.Open(nil, nil, raw, nil); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// derive returns AES-256-GCM with a random nonce in front of the ciphertext,
// under a key that HKDF (RFC 5869) derives from secret for one use.
func derive(secret []byte, info string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, info, aesKeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
