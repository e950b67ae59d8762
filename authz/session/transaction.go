package session

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// TransactionLifetime is how long a person may take to sign in.
const TransactionLifetime = 10 * time.Minute

// ErrNoTransaction says that the browser holds no such pending request: it was
// begun in another browser, is over, or is older than TransactionLifetime.
var ErrNoTransaction = errors.New("no such authorization transaction")

// Request is an authorization request (OAuth 2.1 §4.1.1) that passed the check
// of client and redirect URI.
type Request struct {
	ClientID    string   `json:"client_id"`
	Assistant   string   `json:"assistant"` // display name of the client
	RedirectURI string   `json:"redirect_uri"`
	State       []byte   `json:"state,omitempty"` // bytes, since it need not be UTF-8
	Resource    string   `json:"resource,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	Challenge   string   `json:"challenge,omitempty"`
	LoginHint   string   `json:"login_hint,omitempty"`
	// ForceLogin asks for a sign-in of this transaction's own (prompt=login).
	ForceLogin bool `json:"force_login,omitempty"`
	// Ask asks for the person's answer also where one is remembered
	// (prompt=consent).
	Ask bool `json:"ask,omitempty"`
	// MaxAge, when not nil, is the greatest age of a sign-in in seconds (max_age).
	MaxAge *int `json:"max_age,omitempty"`
	// Refusal, when not nil, is what the client is told after the sign-in. Before
	// it, nobody is sent anywhere (OAuth 2.1 §7.13.2).
	Refusal *Refusal `json:"refusal,omitempty"`
}

// Refusal is an error that waits for the sign-in.
type Refusal struct {
	Code        oauth.Code    `json:"code"`
	Description string        `json:"description"`
	Reason      reason.Reason `json:"reason"`
}

// Transaction is a pending authorization request, kept sealed in the browser.
type Transaction struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	CSRF      string    `json:"csrf"` // form token of the sign-in page
	Request   Request   `json:"request"`
	// SignedIn is the session that this transaction's own sign-in began; zero
	// before it.
	SignedIn store.Hash `json:"signed_in"`
}

// Upstream is a sign-in that is under way at an identity provider. It is used
// once.
type Upstream struct {
	Transaction string    `json:"transaction"`
	Domain      string    `json:"domain"`
	State       string    `json:"state"`
	Nonce       string    `json:"nonce"`
	Verifier    string    `json:"verifier"` // PKCE
	CreatedAt   time.Time `json:"created_at"`
}

// Sealer encrypts and authenticates what the browser keeps; *opaque.Sealer is one.
type Sealer interface {
	Seal(purpose string, plain []byte) string
	Open(purpose, sealed string) ([]byte, error)
}

const (
	transactionPurpose = "authorization transaction"
	upstreamPurpose    = "upstream sign-in"
)

// Transactions keeps pending requests in browsers.
type Transactions struct {
	sealer Sealer
	clock  clock.Clock
	rand   io.Reader
}

// NewTransactions returns a Transactions. A nil clock or rand means the
// system's.
func NewTransactions(sealer Sealer, c clock.Clock, random io.Reader) (*Transactions, error) {
	if sealer == nil {
		return nil, errors.New("session: a sealer is required")
	}
	if c == nil {
		c = clock.System
	}
	if random == nil {
		random = rand.Reader
	}
	return &Transactions{sealer: sealer, clock: c, rand: random}, nil
}

// Begin gives the browser a new transaction, dropping its oldest ones where
// there are too many. The error means that the request does not fit into
// cookies, or that there is no randomness.
func (t *Transactions) Begin(w http.ResponseWriter, r *http.Request, req Request) (Transaction, error) {
	id, err := t.newID()
	if err != nil {
		return Transaction{}, err
	}
	csrf, err := t.secret()
	if err != nil {
		return Transaction{}, err
	}
	tx := Transaction{ID: id, CreatedAt: t.clock.Now(), CSRF: csrf, Request: req}
	size, err := t.save(w, tx)
	if err != nil {
		return Transaction{}, err
	}
	evict(w, r, size)
	return tx, nil
}

// Load returns the browser's transaction with that id, or ErrNoTransaction.
func (t *Transactions) Load(r *http.Request, id string) (Transaction, error) {
	if !validID(id) {
		return Transaction{}, ErrNoTransaction
	}
	var tx Transaction
	sealed, ok := joinChunks(r, id)
	if !ok || t.open(transactionPurpose, sealed, &tx) != nil || tx.ID != id || t.expired(tx.CreatedAt) {
		return Transaction{}, ErrNoTransaction
	}
	return tx, nil
}

// Save replaces the browser's copy of tx.
func (t *Transactions) Save(w http.ResponseWriter, tx Transaction) error {
	_, err := t.save(w, tx)
	return err
}

// End drops a transaction from the browser.
func (t *Transactions) End(w http.ResponseWriter, r *http.Request, id string) {
	for _, c := range r.Cookies() {
		if owner, ok := transactionOf(c.Name); ok && owner == id || c.Name == upstreamPrefix+id {
			dropCookie(w, c.Name)
		}
	}
}

// BeginUpstream starts a sign-in for tx at the identity provider of domain, in
// place of one that may be under way.
func (t *Transactions) BeginUpstream(w http.ResponseWriter, tx Transaction, domain string) (Upstream, error) {
	var secrets [3]string
	for i := range secrets {
		var err error
		if secrets[i], err = t.secret(); err != nil {
			return Upstream{}, err
		}
	}
	up := Upstream{
		Transaction: tx.ID, Domain: domain, State: tx.ID + "." + secrets[0],
		Nonce: secrets[1], Verifier: secrets[2], CreatedAt: t.clock.Now(),
	}
	sealed, err := t.seal(upstreamPurpose, up)
	if err != nil {
		return Upstream{}, err
	}
	setCookie(w, upstreamPrefix+tx.ID, sealed, TransactionLifetime)
	return up, nil
}

// TakeUpstream returns the sign-in to which a callback's state belongs and
// drops it from the browser: it is used once, whatever comes of it. It is false
// when this browser began no such sign-in at that domain, which is what a
// forged or injected callback looks like (OAuth 2.1 §7.12).
func (t *Transactions) TakeUpstream(w http.ResponseWriter, r *http.Request, domain, state string) (Upstream, bool) {
	id, _, _ := strings.Cut(state, ".")
	if !validID(id) {
		return Upstream{}, false
	}
	c, err := r.Cookie(upstreamPrefix + id)
	if err != nil {
		return Upstream{}, false
	}
	dropCookie(w, c.Name)
	var up Upstream
	if t.open(upstreamPurpose, c.Value, &up) != nil || t.expired(up.CreatedAt) {
		return Upstream{}, false
	}
	same := subtle.ConstantTimeCompare([]byte(up.State), []byte(state)) == 1
	if !same || up.Transaction != id || up.Domain != domain {
		return Upstream{}, false
	}
	return up, true
}

func (t *Transactions) expired(created time.Time) bool {
	age := t.clock.Now().Sub(created)
	return age >= TransactionLifetime || age < -TransactionLifetime // a clock that was set back revives nothing old
}

func (t *Transactions) save(w http.ResponseWriter, tx Transaction) (int, error) {
	sealed, err := t.seal(transactionPurpose, tx)
	if err != nil {
		return 0, err
	}
	if err := writeChunks(w, tx.ID, sealed); err != nil {
		return 0, err
	}
	return len(sealed), nil
}

func (t *Transactions) seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("session: encode: %w", err)
	}
	return t.sealer.Seal(purpose, plain), nil
}

func (t *Transactions) open(purpose, sealed string, v any) error {
	plain, err := t.sealer.Open(purpose, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// idEncoding sorts like the bytes that it encodes and fits into cookie names.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

const idBytes = 4 + 16 // seconds, then 128 random bits

func (t *Transactions) newID() (string, error) {
	var id [idBytes]byte
	if _, err := io.ReadFull(t.rand, id[4:]); err != nil {
		return "", fmt.Errorf("session: randomness: %w", err)
	}
	binary.BigEndian.PutUint32(id[:], uint32(t.clock.Now().Unix())) // seconds fit until 2106
	return strings.ToLower(idEncoding.EncodeToString(id[:])), nil
}

func validID(s string) bool {
	if s != strings.ToLower(s) {
		return false
	}
	id, err := idEncoding.DecodeString(strings.ToUpper(s))
	return err == nil && len(id) == idBytes
}

// secret returns 256 random bits: as long as a PKCE verifier must be.
func (t *Transactions) secret() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(t.rand, b[:]); err != nil {
		return "", fmt.Errorf("session: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
