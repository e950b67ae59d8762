package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// DefaultLifetime is how long a sign-in lasts in a browser.
const DefaultLifetime = 8 * time.Hour

// ErrNone says that the browser has no session: no cookie, a made-up one, or
// one whose session ended.
var ErrNone = errors.New("no browser session")

// Store is what sessions need of the store.
type Store interface {
	store.Updater
	store.SessionReader
	store.UserReader
}

// Minter makes and checks cookie values; *opaque.Minter is one.
type Minter interface {
	Mint(k opaque.Kind, family string, gen uint32) (token string, h store.Hash)
	Parse(k opaque.Kind, token string) (opaque.Parsed, bool)
}

// Config is what a Manager needs. Store and Minter are required.
type Config struct {
	Store    Store
	Minter   Minter
	Clock    clock.Clock   // default clock.System
	Rand     io.Reader     // default crypto/rand
	Lifetime time.Duration // default DefaultLifetime
}

// Manager keeps browser sessions.
type Manager struct{ cfg Config }

// New returns a Manager.
func New(cfg Config) (*Manager, error) {
	if cfg.Store == nil || cfg.Minter == nil {
		return nil, errors.New("session: a store and a minter are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = DefaultLifetime
	}
	return &Manager{cfg: cfg}, nil
}

// SignedIn is a live session with its person.
type SignedIn struct {
	store.Session
	User store.User
}

// Current returns the session of the request's browser. The error is ErrNone,
// or that of a store that cannot answer.
func (m *Manager) Current(r *http.Request) (SignedIn, error) {
	hash, ok := m.presented(r)
	if !ok {
		return SignedIn{}, ErrNone
	}
	s, err := m.cfg.Store.Session(r.Context(), hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && !m.cfg.Clock.Now().Before(s.ExpiresAt) {
		return SignedIn{}, ErrNone
	}
	if err != nil {
		return SignedIn{}, fmt.Errorf("read session: %w", err)
	}
	u, err := m.cfg.Store.User(r.Context(), s.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return SignedIn{}, ErrNone
	}
	if err != nil {
		return SignedIn{}, fmt.Errorf("read user: %w", err)
	}
	return SignedIn{Session: s, User: u}, nil
}

// NewUserID returns an id for a person who may be new.
func (m *Manager) NewUserID() string { return opaque.NewID(m.cfg.Rand) }

// Issued is a session that was written and whose cookie was not yet set.
type Issued struct {
	store.Session
	token string
}

// Begin writes a new session of that person in tx and ends the one that the
// browser had: an id from before a sign-in is worth nothing after it. The cookie
// is set by SetCookie, after the commit. idpSession is the id of the session at
// the identity provider, or "".
func (m *Manager) Begin(ctx context.Context, tx store.Tx, r *http.Request, userID, idpSession string, authTime time.Time) (Issued, error) {
	if old, ok := m.presented(r); ok {
		if err := tx.DeleteSession(ctx, old); err != nil {
			return Issued{}, fmt.Errorf("end the former session: %w", err)
		}
	}
	token, hash := m.cfg.Minter.Mint(opaque.Session, opaque.NewID(m.cfg.Rand), 0)
	now := m.cfg.Clock.Now()
	s := store.Session{Hash: hash, UserID: userID, AuthTime: authTime, CreatedAt: now, ExpiresAt: now.Add(m.cfg.Lifetime), IDPSession: idpSession}
	if err := tx.CreateSession(ctx, s); err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	return Issued{Session: s, token: token}, nil
}

// SetCookie gives the session to the browser.
func (m *Manager) SetCookie(w http.ResponseWriter, s Issued) {
	setCookie(w, sessionCookie, s.token, m.cfg.Lifetime)
}

// End deletes the browser's session with its pending approvals and drops the
// cookie. After an error the session still exists.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) error {
	if hash, ok := m.presented(r); ok {
		ctx := r.Context()
		err := m.cfg.Store.Update(ctx, func(tx store.Tx) error { return tx.DeleteSession(ctx, hash) })
		if err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	dropCookie(w, sessionCookie)
	return nil
}

// presented returns the hash of the request's cookie if we once made it.
func (m *Manager) presented(r *http.Request) (store.Hash, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return store.Hash{}, false
	}
	parsed, ok := m.cfg.Minter.Parse(opaque.Session, c.Value)
	return parsed.Hash, ok
}
