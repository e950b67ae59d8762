package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// refreshWait is how long a refresh waits for what the backend says about the
// person: less than the wait for the family's turn, so that a backend which does
// not answer makes nobody else's request fail.
const refreshWait = time.Second

// People says whether a person may still have grants; *people.Checker is one.
type People interface {
	// Active reports false only for a person who is known not to be active, whose
	// grants have ended by then. What cannot be found out until ctx ends counts as
	// active: a fault denies nobody.
	Active(ctx context.Context, u store.User, f store.Family) bool
}

// ErrLogoutReplayed says that a logout token was used before.
var ErrLogoutReplayed = errors.New("the logout token was used before")

// Ended is what an act ended of one person.
type Ended struct {
	User     store.User
	Families []store.Family
}

// Record writes what is about to end into the audit trail. It is called within
// the transaction, so that what is not in the trail is not done, and twice where
// the store has to run the transaction twice. Nil writes nothing.
type Record func(ctx context.Context, e Ended) error

// RevokeUser ends everything of a person: all grants, unredeemed codes, browser
// sessions, pending approvals and remembered consents. When it returns nil, none
// of it is accepted again. The error is store.ErrNotFound, store.ErrUnavailable
// or that of record.
func (s *Service) RevokeUser(ctx context.Context, userID, why string, record Record) (Ended, error) {
	ended, err := s.end(ctx, func(tx store.Tx) ([]Ended, error) {
		e, err := s.endPerson(ctx, tx, userID, why, record)
		return []Ended{e}, err
	})
	if err != nil {
		return Ended{}, fmt.Errorf("revoke everything of a person: %w", err)
	}
	return ended[0], nil
}

// Logout is what an identity provider says by a logout token, which was checked.
type Logout struct {
	Domain, Issuer string
	// Subject is the person, or "".
	Subject string
	// Session is the session at the provider, or "". It counts only where Subject
	// is empty: a provider that names a person ends all that is theirs.
	Session string
	// Token recognises the logout token, and Until is when it expires.
	Token store.Hash
	Until time.Time
}

// LogOut ends everything of the person that a logout token names, or what came
// from the session that it names: the browser session with its pending
// approvals, codes, and the grants that were approved in it. Nobody need be
// found. The token is spent in the same transaction, so that a logout which
// failed can be tried again with it, and one that succeeded cannot be replayed,
// not even after a restart. When it returns nil, nothing that it ended is
// accepted again. The error is ErrLogoutReplayed, store.ErrUnavailable or that
// of record.
func (s *Service) LogOut(ctx context.Context, l Logout, record Record) ([]Ended, error) {
	ended, err := s.end(ctx, func(tx store.Tx) ([]Ended, error) {
		err := tx.UseLogoutToken(ctx, l.Token, l.Until)
		if errors.Is(err, store.ErrConflict) {
			return nil, ErrLogoutReplayed
		}
		if err != nil {
			return nil, err
		}
		if l.Subject == "" {
			return s.endSession(ctx, tx, store.IDPSession{Domain: l.Domain, Issuer: l.Issuer, ID: l.Session}, record)
		}
		u, err := tx.Person(ctx, l.Domain, l.Issuer, l.Subject)
		if errors.Is(err, store.ErrNotFound) { // who was never here is signed out already
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := s.endPerson(ctx, tx, u.ID, ByIDPLogout, record)
		return []Ended{e}, err
	})
	if err != nil {
		return nil, fmt.Errorf("log out: %w", err)
	}
	return ended, nil
}

// end runs fn in a transaction and moves the epochs of the families that it
// ended before it returns, also when the outcome of the commit is unknown.
func (s *Service) end(ctx context.Context, fn func(store.Tx) ([]Ended, error)) (ended []Ended, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		ended, err = fn(tx)
		return err
	})
	for _, e := range ended {
		for _, f := range e.Families {
			s.epochs.Bump(f.ID)
		}
	}
	return ended, err
}

func (s *Service) endPerson(ctx context.Context, tx store.Tx, userID, why string, record Record) (e Ended, err error) {
	if e.User, err = tx.User(ctx, userID); err != nil { // the lock that keeps new families out
		return e, err
	}
	now := s.clock.Now()
	if e.Families, err = tx.LiveFamiliesOfUser(ctx, userID, now); err != nil {
		return e, err
	}
	if err := revokeFamilies(ctx, tx, e.Families, why, now); err != nil {
		return e, err
	}
	if err := tx.RevokeCodesOfUser(ctx, userID, "", now); err != nil {
		return e, err
	}
	if err := tx.DeleteConsents(ctx, userID, ""); err != nil {
		return e, err
	}
	if err := tx.DeleteUserSessions(ctx, userID); err != nil {
		return e, err
	}
	return e, recorded(ctx, record, e)
}

// endSession ends what came from a session at the identity provider. Remembered
// consents stay, since they belong to the person and not to a session: the next
// approval needs a new sign-in anyway.
func (s *Service) endSession(ctx context.Context, tx store.Tx, at store.IDPSession, record Record) (ended []Ended, err error) {
	people, err := tx.PeopleAtIDP(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, u := range people {
		e := Ended{}
		if e.User, err = tx.User(ctx, u.ID); err != nil { // the lock, as above
			return ended, err
		}
		now := s.clock.Now()
		live, err := tx.LiveFamiliesOfUser(ctx, u.ID, now)
		if err != nil {
			return ended, err
		}
		for _, f := range live {
			if f.IDPSession == at.ID {
				e.Families = append(e.Families, f)
			}
		}
		ended = append(ended, e)
		if err := revokeFamilies(ctx, tx, e.Families, ByIDPLogout, now); err != nil {
			return ended, err
		}
		if err := tx.RevokeCodesAtIDP(ctx, u.ID, at.ID, now); err != nil {
			return ended, err
		}
		if err := tx.DeleteSessionsAtIDP(ctx, u.ID, at.ID); err != nil {
			return ended, err
		}
		if err := recorded(ctx, record, e); err != nil {
			return ended, err
		}
	}
	return ended, nil
}

func revokeFamilies(ctx context.Context, tx store.Tx, families []store.Family, why string, now time.Time) error {
	for _, f := range families {
		if err := revokeFamily(ctx, tx, f, why, now); err != nil {
			return err
		}
	}
	return nil
}

func recorded(ctx context.Context, record Record, e Ended) error {
	if record == nil {
		return nil
	}
	return record(ctx, e)
}

// inactive asks about the person before a rotation makes their grant live on,
// and refuses only where it is known that they are not active any more.
func (s *Service) inactive(ctx context.Context, f store.Family, u store.User) *oauth.Error {
	if s.people == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	if s.people.Active(ctx, u, f) {
		return nil
	}
	return invalidGrant(reason.UserNotActive)
}
