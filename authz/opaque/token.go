package opaque

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Kind is the prefix of a credential. Each kind has its own, so that secret
// scanners recognise a leaked one and no kind is ever taken for another.
type Kind string

// The kinds of credential.
const (
	Code         Kind = "lmc_"  // authorization code, RFC 6749 §4.1.2
	Access       Kind = "lma_"  // access token, RFC 6749 §1.4
	Refresh      Kind = "lmr_"  // refresh token, RFC 6749 §1.5
	ClientID     Kind = "lmcl_" // id of a dynamically registered client, RFC 7591 §3.2.1; not secret
	ClientSecret Kind = "lms_"  // client secret, RFC 6749 §2.3.1
	Registration Kind = "lmg_"  // registration access token, RFC 7592 §3
	Session      Kind = "lmx_"  // value of a browser session cookie
)

// MaxLength bounds every credential, in bytes.
const MaxLength = 200

const (
	idSize      = 16
	genSize     = 4
	secretSize  = 32
	macSize     = 16
	signedSize  = idSize + genSize + secretSize
	bodySize    = signedSize + macSize
	maxKeyID    = 32
	minMACKey   = 32
	macDomain   = "mcp-edge/opaque/1\x00"
	deriveHead  = "mcp-edge/derived/1\x00"
	idSeparator = "."
)

// encoding is strict: of the strings that decode to one credential exactly one
// is accepted, so that a hash identifies it.
var (
	encoding    = base64.RawURLEncoding.Strict()
	encodedBody = encoding.EncodedLen(bodySize)
)

// MACKey is one key that credentials are minted or checked with.
type MACKey struct {
	// ID names the key inside every credential: 1–32 letters, digits, '-', '_'.
	ID string
	// Key is at least 32 bytes of secret.
	Key []byte
}

// Parsed is what a credential says about itself once its MAC is checked.
type Parsed struct {
	// Family is the id that was given to Mint.
	Family string
	// Gen is the generation of a refresh token; zero for other kinds.
	Gen uint32
	// Hash is what is stored in place of the credential.
	Hash store.Hash
}

// Minter makes and recognises credentials. It is safe for concurrent use.
type Minter struct {
	mu   sync.Mutex // guards rand
	rand io.Reader

	first string                // id of the key that mints
	macs  map[string]*sync.Pool // of *signer, by key id
}

// signer is an HMAC under one key with room to work in.
type signer struct {
	mac hash.Hash
	buf []byte
}

// NewMinter returns a Minter that mints with the first key and recognises
// credentials of all of them. rand must be a cryptographic source.
func NewMinter(keys []MACKey, rand io.Reader) (*Minter, error) {
	if len(keys) == 0 {
		return nil, errors.New("opaque: no MAC key")
	}
	if rand == nil {
		return nil, errors.New("opaque: no source of randomness")
	}
	m := &Minter{rand: rand, first: keys[0].ID, macs: make(map[string]*sync.Pool, len(keys))}
	for _, k := range keys {
		if !validKeyID(k.ID) {
			return nil, fmt.Errorf("opaque: MAC key id %q: want 1 to %d letters, digits, '-' or '_'", k.ID, maxKeyID)
		}
		if len(k.Key) < minMACKey {
			return nil, fmt.Errorf("opaque: MAC key %q has %d bytes, want at least %d", k.ID, len(k.Key), minMACKey)
		}
		if _, twice := m.macs[k.ID]; twice {
			return nil, fmt.Errorf("opaque: MAC key id %q is given twice", k.ID)
		}
		key := append([]byte(nil), k.Key...)
		m.macs[k.ID] = &sync.Pool{New: func() any { return &signer{mac: hmac.New(sha256.New, key)} }}
	}
	return m, nil
}

// Mint makes a credential with 256 random bits and returns it with the hash
// under which it is stored. family is an id made by NewID, or "" for a
// credential that belongs to nothing; anything else is a programming error and
// panics, since it could not be told from the credential again.
func (m *Minter) Mint(k Kind, family string, gen uint32) (token string, h store.Hash) {
	var body [bodySize]byte
	if family != "" {
		id, ok := decodeID(family)
		if !ok {
			panic("opaque: Mint: the family is not an id made by NewID")
		}
		copy(body[:], id[:])
	}
	binary.BigEndian.PutUint32(body[idSize:], gen)
	m.read(body[idSize+genSize : signedSize])

	head := string(k) + m.first + idSeparator
	mac := sign(m.macs[m.first], head, body[:signedSize])
	copy(body[signedSize:], mac[:])
	token = head + encoding.EncodeToString(body[:])
	return token, HashOf(token)
}

// Parse says whether token is a credential of that kind that was minted with
// one of our keys. It costs one HMAC and no read; false means made up, damaged
// or minted with a key that is gone.
func (m *Minter) Parse(k Kind, token string) (Parsed, bool) {
	if len(token) > MaxLength {
		return Parsed{}, false
	}
	rest, ok := strings.CutPrefix(token, string(k))
	if !ok {
		return Parsed{}, false
	}
	keyID, encoded, ok := strings.Cut(rest, idSeparator)
	// The decoder skips line ends; the exact length leaves no room for them.
	if !ok || len(encoded) != encodedBody {
		return Parsed{}, false
	}
	key, ok := m.macs[keyID]
	if !ok {
		return Parsed{}, false
	}
	var body [bodySize]byte
	if n, err := encoding.Decode(body[:], []byte(encoded)); err != nil || n != bodySize {
		return Parsed{}, false
	}
	want := sign(key, token[:len(token)-len(encoded)], body[:signedSize])
	if !hmac.Equal(want[:], body[signedSize:]) {
		return Parsed{}, false
	}
	return Parsed{
		Family: encodeID([idSize]byte(body[:idSize])),
		Gen:    binary.BigEndian.Uint32(body[idSize:]),
		Hash:   HashOf(token),
	}, true
}

// Derive returns the credential of kind k that belongs to a client id that Mint
// made: 256 bits that whoever holds the key can make again, so that nothing need
// be kept of a client that nobody has approved. It is false where the key of the
// id is gone. It does not check the id, which Parse does, and Parse does not
// recognise what it makes: such a credential is compared by its hash.
func (m *Minter) Derive(k Kind, clientID string) (credential string, h store.Hash, ok bool) {
	rest, ok := strings.CutPrefix(clientID, string(ClientID))
	if !ok {
		return "", store.Hash{}, false
	}
	keyID, _, _ := strings.Cut(rest, idSeparator)
	key, ok := m.macs[keyID]
	if !ok {
		return "", store.Hash{}, false
	}
	sum := hmacOf(key, deriveHead, string(k), []byte(clientID))
	credential = string(k) + keyID + idSeparator + encoding.EncodeToString(sum[:])
	return credential, HashOf(credential), true
}

// sign returns the truncated HMAC over head and body. The head is part of it,
// so that neither kind nor key id can be exchanged.
func sign(key *sync.Pool, head string, body []byte) (mac [macSize]byte) {
	sum := hmacOf(key, macDomain, head, body)
	copy(mac[:], sum[:])
	return mac
}

// hmacOf returns the HMAC-SHA-256 over its parts in a row. Domains end in a zero
// byte and kinds in an underscore, so that no two uses meet in one input.
func hmacOf(key *sync.Pool, domain, head string, body []byte) (sum [sha256.Size]byte) {
	s := key.Get().(*signer)
	defer key.Put(s)
	s.mac.Reset()
	s.buf = append(append(append(s.buf[:0], domain...), head...), body...)
	s.mac.Write(s.buf)
	s.buf = s.mac.Sum(s.buf[:0])
	copy(sum[:], s.buf)
	return sum
}

func (m *Minter) read(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mustRead(m.rand, p)
}

// HashOf returns what is stored in place of a credential. A plain SHA-256 is
// enough for 256 random bits; a slow hash is for passwords.
func HashOf(token string) store.Hash { return sha256.Sum256([]byte(token)) }

func validKeyID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
