package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var logoutCases = []testCase{
	{"a person is found by domain, issuer and subject together", func(t *testing.T, s store.Store) {
		u := upsert(t, s, sampleUser("u"))
		got, err := s.Person(t.Context(), u.Domain, u.Issuer, u.Subject)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "person", got, u)
		for name, key := range map[string][3]string{
			"domain": {"other", u.Issuer, u.Subject}, "issuer": {u.Domain, "other", u.Subject}, "subject": {u.Domain, u.Issuer, "other"},
		} {
			_, err := s.Person(t.Context(), key[0], key[1], key[2])
			fails(t, "another "+name, err, store.ErrNotFound)
		}
	}},
	{"all people of a domain with an address are found by it, whatever its case", func(t *testing.T, s store.Store) {
		first, second, elsewhere := sampleUser("a"), sampleUser("b"), sampleUser("c")
		second.Domain, second.Email = first.Domain, "A@Example.com"
		elsewhere.Email = first.Email
		for _, u := range []store.User{second, first, elsewhere} {
			upsert(t, s, u)
		}
		got, err := s.PeopleByEmail(t.Context(), first.Domain, "a@EXAMPLE.com")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "people", got, []store.User{first, second})
		if none, err := s.PeopleByEmail(t.Context(), first.Domain, "a_example.com"); err != nil || len(none) != 0 {
			t.Errorf("%v, %v", none, err)
		}
	}},
	{"who came from a session at the provider is found by any row, at their own provider only", func(t *testing.T, s store.Store) {
		u := upsert(t, s, sampleUser("user"))
		for _, c := range []struct {
			session string
			write   func(ctx context.Context, tx store.Tx) error
		}{
			{"session", func(ctx context.Context, tx store.Tx) error {
				return tx.CreateSession(ctx, sampleSession("session", "user"))
			}},
			{"code", func(ctx context.Context, tx store.Tx) error {
				return tx.CreateCode(ctx, sampleCode("code", "user", "client"))
			}},
			{"family", func(ctx context.Context, tx store.Tx) error {
				return tx.CreateFamily(ctx, sampleFamily("family", "user", "client"))
			}},
		} {
			at := store.IDPSession{Domain: u.Domain, Issuer: u.Issuer, ID: atIDP(c.session)}
			samePeople(t, s, "before the "+c.session, at)
			update(t, s, c.write)
			samePeople(t, s, c.session, at, u)
			other := at
			other.Issuer = "other"
			samePeople(t, s, "at another issuer", other)
			other = at
			other.Domain = "other"
			samePeople(t, s, "in another domain", other)
		}
	}},
	{"an empty session at the provider names nobody", func(t *testing.T, s store.Store) {
		u := upsert(t, s, sampleUser("user"))
		unsaid := sampleSession("session", "user")
		unsaid.IDPSession = ""
		code := sampleCode("code", "user", "client")
		code.IDPSession = ""
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.CreateSession(ctx, unsaid); err != nil {
				return err
			}
			return tx.CreateCode(ctx, code)
		})
		samePeople(t, s, "people", store.IDPSession{Domain: u.Domain, Issuer: u.Issuer})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.DeleteSessionsAtIDP(ctx, "user", ""); err != nil {
				return err
			}
			return tx.RevokeCodesAtIDP(ctx, "user", "", base)
		})
		read(t, s.Session, hash("session"))
		same(t, "code", read(t, s.Code, hash("code")), code)
	}},
	{"the end of a session at the provider takes what came from it, nothing of others", func(t *testing.T, s store.Store) {
		signedIn(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for _, c := range []store.Code{sampleCode("one", "user", "client"), sampleCode("two", "user", "client")} {
				if err := tx.CreateCode(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.DeleteSessionsAtIDP(ctx, "user", atIDP("one")); err != nil {
				return err
			}
			if err := tx.DeleteSessionsAtIDP(ctx, "user", atIDP("other")); err != nil { // somebody else's
				return err
			}
			return tx.RevokeCodesAtIDP(ctx, "user", atIDP("one"), base)
		})
		absent(t, "session", s.Session, hash("one"))
		absent(t, "approval", s.Approval, "of one")
		for _, name := range []string{"two", "other"} {
			read(t, s.Session, hash(name))
			read(t, s.Approval, "of "+name)
		}
		if c := read(t, s.Code, hash("one")); !c.RevokedAt.Equal(base) {
			t.Errorf("revoked at %v", c.RevokedAt)
		}
		if c := read(t, s.Code, hash("two")); !c.RevokedAt.IsZero() {
			t.Errorf("another session's code is revoked")
		}
	}},
	{"a logout token is used once, until its end is swept", func(t *testing.T, s store.Store) {
		use := func(ctx context.Context, tx store.Tx) error { return tx.UseLogoutToken(ctx, hash("logout"), base) }
		update(t, s, use)
		fails(t, "second use", attempt(t, s, use), store.ErrConflict)
		swept(t, s, base, 100, store.Swept{})
		fails(t, "a use after a sweep at its end", attempt(t, s, use), store.ErrConflict)
		swept(t, s, base.Add(time.Second), 100, store.Swept{LogoutTokens: 1})
		update(t, s, use)
	}},
}

func samePeople(t *testing.T, s store.Store, what string, at store.IDPSession, want ...store.User) {
	t.Helper()
	people, err := s.PeopleAtIDP(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	same(t, what, people, want)
}
