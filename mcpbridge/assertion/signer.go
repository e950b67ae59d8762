package assertion

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// The algorithms (RFC 8037 §3.1, RFC 7518 §3.4). Shared secrets are not among
// them, because with one the backend could forge.
const (
	EdDSA = "EdDSA"
	ES256 = "ES256"
)

// MaxLifetime bounds how long an assertion is good for. It covers the way to
// the backend and nothing else.
const MaxLifetime = 60 * time.Second

// idBytes is the entropy of a jti.
const idBytes = 16

// Keys gives the current signing key of an algorithm. An EdDSA key is any
// crypto.Signer over Ed25519; an ES256 key is an *ecdsa.PrivateKey over P-256.
type Keys interface {
	SigningKey(alg string) (kid string, key crypto.Signer, err error)
}

// Config is what a Signer needs.
type Config struct {
	Issuer   string        // required: exact issuer identifier
	Audience string        // required: the backend's public base address, no trailing slash
	Keys     Keys          // required
	Alg      string        // EdDSA (default) or ES256
	Lifetime time.Duration // default and greatest value MaxLifetime
	Clock    clock.Clock   // default clock.System
	Rand     io.Reader     // safe for concurrent use; default crypto/rand.Reader
}

// Signer makes assertions for one backend. It is safe for concurrent use.
type Signer struct {
	cfg    Config
	method jwt.SigningMethod
	// header is the encoded JOSE header of the last key used: it changes only
	// when keys rotate.
	header atomic.Pointer[header]
}

type header struct {
	kid     string
	encoded string // base64url
}

// joseHeader is the protected header (RFC 7515 §4).
type joseHeader struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// New returns a Signer. It fails if a required field is missing or a value is
// out of its range.
func New(cfg Config) (*Signer, error) {
	if cfg.Issuer == "" || cfg.Audience == "" || cfg.Keys == nil {
		return nil, errors.New("assertion: issuer, audience and keys are required")
	}
	if strings.HasSuffix(cfg.Audience, "/") {
		return nil, fmt.Errorf("assertion: audience %q ends with a slash", cfg.Audience)
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = MaxLifetime
	}
	if cfg.Lifetime < time.Second || cfg.Lifetime > MaxLifetime {
		return nil, fmt.Errorf("assertion: lifetime %v is not between 1s and %v", cfg.Lifetime, MaxLifetime)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Signer{cfg: cfg}
	switch cfg.Alg {
	case "", EdDSA:
		s.cfg.Alg, s.method = EdDSA, jwt.SigningMethodEdDSA
	case ES256:
		s.method = jwt.SigningMethodES256
	default:
		return nil, fmt.Errorf("assertion: algorithm %q is neither %s nor %s", cfg.Alg, EdDSA, ES256)
	}
	return s, nil
}

// Issued is an assertion with what a signature beside it has to repeat.
type Issued struct {
	Token   string // in compact form (RFC 7515 §7.1)
	ID      string // jti
	Created time.Time
	Expires time.Time
}

// Sign returns the assertion for r in compact form (RFC 7515 §7.1). The error
// is ErrIncomplete if r lacks something; otherwise the key or the source of
// randomness failed. It never contains key material.
func (s *Signer) Sign(r Request) (string, error) {
	issued, err := s.Issue(r)
	return issued.Token, err
}

// Issue does what Sign does.
func (s *Signer) Issue(r Request) (Issued, error) {
	if err := r.check(); err != nil {
		return Issued{}, err
	}
	kid, key, err := s.cfg.Keys.SigningKey(s.cfg.Alg)
	if err != nil {
		return Issued{}, fmt.Errorf("assertion: getting the signing key: %w", err)
	}
	head, err := s.headerOf(kid)
	if err != nil {
		return Issued{}, err
	}
	issued, payload, err := s.payload(&r)
	if err != nil {
		return Issued{}, err
	}
	// One buffer for the whole token: its first part is what is signed.
	const signatureRoom = 1 + 86 // dot and 64 bytes in base64url
	token := make([]byte, 0, len(head)+1+base64.RawURLEncoding.EncodedLen(len(payload))+signatureRoom)
	token = append(token, head...)
	token = append(token, '.')
	token = base64.RawURLEncoding.AppendEncode(token, payload)
	signature, err := s.method.Sign(string(token), key)
	if err != nil {
		return Issued{}, fmt.Errorf("assertion: signing: %w", err)
	}
	token = append(token, '.')
	token = base64.RawURLEncoding.AppendEncode(token, signature)
	issued.Token = string(token)
	return issued, nil
}

// headerOf returns the encoded header for kid.
func (s *Signer) headerOf(kid string) (string, error) {
	if h := s.header.Load(); h != nil && h.kid == kid {
		return h.encoded, nil
	}
	raw, err := json.Marshal(joseHeader{Alg: s.cfg.Alg, Kid: kid, Typ: Type})
	if err != nil {
		return "", fmt.Errorf("assertion: encoding the header: %w", err)
	}
	h := &header{kid: kid, encoded: base64.RawURLEncoding.EncodeToString(raw)}
	s.header.Store(h)
	return h.encoded, nil
}

// payload returns the encoded claims of r, with a fresh id and the times of now.
func (s *Signer) payload(r *Request) (Issued, []byte, error) {
	var id [idBytes]byte
	if _, err := io.ReadFull(s.cfg.Rand, id[:]); err != nil {
		return Issued{}, nil, fmt.Errorf("assertion: reading randomness: %w", err)
	}
	now := s.cfg.Clock.Now()
	c := Claims{
		Issuer:        s.cfg.Issuer,
		Audience:      s.cfg.Audience,
		Subject:       r.subject(),
		Email:         r.Email,
		DomainID:      r.DomainID,
		ClientID:      r.ClientID,
		Scope:         r.Scope,
		Permissions:   r.Permissions,
		Transaction:   r.Transaction,
		ID:            base64.RawURLEncoding.EncodeToString(id[:]),
		IssuedAt:      now.Unix(),
		Expires:       now.Add(s.cfg.Lifetime).Unix(),
		Method:        r.Method,
		URL:           s.cfg.Audience + r.Path,
		ContentDigest: ContentDigest(r.Body),
	}
	if r.ClientID != "" {
		c.Actor = &Actor{Subject: r.ClientID}
	}
	raw, err := json.Marshal(&c)
	if err != nil {
		return Issued{}, nil, fmt.Errorf("assertion: encoding the claims: %w", err)
	}
	return Issued{ID: c.ID, Created: time.Unix(c.IssuedAt, 0), Expires: time.Unix(c.Expires, 0)}, raw, nil
}
