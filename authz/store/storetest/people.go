package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var peopleCases = []testCase{
	{"a person is read as first signed in", func(t *testing.T, s store.Store) {
		want := sampleUser("u")
		same(t, "returned", upsert(t, s, want), want)
		same(t, "stored", read(t, s.User, "u"), want)
	}},
	{"a later sign-in updates what may change and keeps id and creation", func(t *testing.T, s store.Store) {
		want := upsert(t, s, sampleUser("u"))
		again := want
		again.ID, again.CreatedAt = "another id", base.Add(time.Hour)
		again.Email, again.Name, again.Groups = "new@example.com", "new name", []string{"new"}
		again.SignedIn = base.Add(time.Hour)
		want.Email, want.Name, want.Groups, want.SignedIn = again.Email, again.Name, again.Groups, again.SignedIn
		same(t, "returned", upsert(t, s, again), want)
		same(t, "stored", read(t, s.User, "u"), want)
		absent(t, "user", s.User, "another id")
	}},
	{"a person is the domain, the issuer and the subject together", func(t *testing.T, s store.Store) {
		first := upsert(t, s, sampleUser("u"))
		for id, change := range map[string]func(*store.User){
			"domain":  func(u *store.User) { u.Domain = "other" },
			"issuer":  func(u *store.User) { u.Issuer = "other" },
			"subject": func(u *store.User) { u.Subject = "other" },
		} {
			u := first // the same e-mail address throughout
			u.ID = "another " + id
			change(&u)
			same(t, id, upsert(t, s, u), u)
		}
		same(t, "first", read(t, s.User, "u"), first)
	}},
	{"two people do not share an id", func(t *testing.T, s store.Store) {
		first := upsert(t, s, sampleUser("u"))
		other := sampleUser("other")
		other.ID = "u"
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			_, err := tx.UpsertUser(ctx, other)
			return err
		})
		fails(t, "second person", err, store.ErrConflict)
		same(t, "first", read(t, s.User, "u"), first)
	}},
	{"an unknown person is not found", func(t *testing.T, s store.Store) {
		absent(t, "user", s.User, "u")
	}},
	{"a session is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		same(t, "session", read(t, s.Session, hash("session")), sampleSession("session", "user"))
		absent(t, "session", s.Session, hash("other"))
	}},
	{"a session belongs to a person", func(t *testing.T, s store.Store) {
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateSession(ctx, sampleSession("session", "nobody"))
		})
		fails(t, "session of nobody", err, store.ErrNotFound)
	}},
	{"a session is created once", func(t *testing.T, s store.Store) {
		seed(t, s)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateSession(ctx, sampleSession("session", "user"))
		})
		fails(t, "second session", err, store.ErrConflict)
	}},
	{"signing out takes the session and its approvals, no others", func(t *testing.T, s store.Store) {
		signedIn(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteSession(ctx, hash("one")) })
		absent(t, "session", s.Session, hash("one"))
		absent(t, "approval", s.Approval, "of one")
		read(t, s.Session, hash("two"))
		read(t, s.Approval, "of two")
		read(t, s.Approval, "of other")
	}},
	{"signing out twice is no error", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteSession(ctx, hash("none")) })
	}},
	{"signing out everywhere takes all of a person, nothing of others", func(t *testing.T, s store.Store) {
		signedIn(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteUserSessions(ctx, "user") })
		for _, name := range []string{"session", "one", "two"} {
			absent(t, name, s.Session, hash(name))
		}
		absent(t, "approval", s.Approval, "of one")
		absent(t, "approval", s.Approval, "of two")
		read(t, s.Session, hash("other"))
		read(t, s.Approval, "of other")
		read(t, s.Family, "family")
	}},
}

// signedIn stores sessions "one" and "two" of user and "other" of another, with
// an approval for each.
func signedIn(t *testing.T, s store.Store) {
	t.Helper()
	seed(t, s)
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.UpsertUser(ctx, sampleUser("another")); err != nil {
			return err
		}
		for name, user := range map[string]string{"one": "user", "two": "user", "other": "another"} {
			if err := tx.CreateSession(ctx, sampleSession(name, user)); err != nil {
				return err
			}
			if err := tx.CreateApproval(ctx, sampleApproval("of "+name, name, user, "client")); err != nil {
				return err
			}
		}
		return nil
	})
}

func upsert(t *testing.T, s store.Store, u store.User) store.User {
	t.Helper()
	var stored store.User
	update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
		stored, err = tx.UpsertUser(ctx, u)
		return err
	})
	return stored
}
