package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

const tick = time.Microsecond

var sweepCases = []testCase{
	{"what is in use stays", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.CreateApproval(ctx, sampleApproval("a", "session", "user", "client")); err != nil {
				return err
			}
			return tx.CreateCode(ctx, sampleCode("code", "user", "client"))
		})
		swept(t, s, base.Add(time.Minute), 100, store.Swept{})
		checkSeed(t, s)
	}},
	{"a session ends at its expiry", func(t *testing.T, s store.Store) {
		seed(t, s)
		end := sampleSession("session", "user").ExpiresAt
		around(t, s, end, store.Swept{AccessTokens: 1}, store.Swept{Sessions: 1})
		absent(t, "session", s.Session, hash("session"))
	}},
	{"an approval ends at its expiry", func(t *testing.T, s store.Store) {
		seed(t, s)
		a := sampleApproval("a", "session", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, a) })
		around(t, s, a.ExpiresAt, store.Swept{}, store.Swept{Approvals: 1})
		absent(t, "approval", s.Approval, "a")
	}},
	{"a code stays a day after its expiry", func(t *testing.T, s store.Store) {
		seed(t, s)
		c := sampleCode("code", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateCode(ctx, c) })
		around(t, s, c.ExpiresAt.Add(store.KeepCode), store.Swept{Sessions: 1, AccessTokens: 1}, store.Swept{Codes: 1})
		absent(t, "code", s.Code, c.Hash)
	}},
	{"an access token ends at its expiry", func(t *testing.T, s store.Store) {
		seed(t, s)
		around(t, s, sampleToken("token", "family").ExpiresAt, store.Swept{}, store.Swept{AccessTokens: 1})
		absent(t, "token", s.AccessToken, hash("token"))
	}},
	{"a sealed answer goes after the longest grace, its generation stays", func(t *testing.T, s store.Store) {
		seed(t, s)
		g := sampleGeneration("family", 1)
		g.RotatedAt, g.Sealed = base.Add(time.Minute), []byte("sealed")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveGeneration(ctx, g) })
		around(t, s, g.RotatedAt.Add(store.KeepSealed), store.Swept{}, store.Swept{SealedAnswers: 1})
		g.Sealed = nil
		same(t, "generation", readGeneration(t, s, "family", 1), g)
	}},
	{"a family stays thirty days after its revocation", func(t *testing.T, s store.Store) {
		familyEnds(t, s, base.Add(24*time.Hour), func(f *store.Family, end time.Time) {
			f.RevokedAt, f.RevokedWhy = end, "user"
		})
	}},
	{"a family stays thirty days after it fell idle", func(t *testing.T, s store.Store) {
		familyEnds(t, s, base.Add(5*24*time.Hour), func(f *store.Family, end time.Time) { f.IdleEnd = end })
	}},
	{"a family stays thirty days after its absolute end", func(t *testing.T, s store.Store) {
		familyEnds(t, s, sampleFamily("family", "user", "client").AbsoluteEnd, func(f *store.Family, end time.Time) {
			f.IdleEnd = end.Add(24 * time.Hour)
		})
	}},
	{"a client that nobody approved lives a day", func(t *testing.T, s store.Store) {
		c := sampleClient("c")
		c.AuthorizedAt = time.Time{}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
		around(t, s, c.CreatedAt.Add(store.KeepUnusedClient), store.Swept{}, store.Swept{Clients: 1})
		absent(t, "client", s.Client, "c")
	}},
	{"a client of a metadata document that nobody approved lives a day too, its document stays", func(t *testing.T, s store.Store) {
		c, d := documentClient("https://c.example/client.json"), sampleDocument("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.PutClient(ctx, c), tx.SaveDocument(ctx, d))
		})
		around(t, s, c.CreatedAt.Add(store.KeepUnusedClient), store.Swept{}, store.Swept{Clients: 1})
		absent(t, "client", s.Client, c.ID)
		swept(t, s, base.Add(10*365*24*time.Hour), 100, store.Swept{})
		same(t, "document", read(t, s.Document, d.URL), d)
	}},
	{"a client of a metadata document that was approved stays half a year after the last approval", func(t *testing.T, s store.Store) {
		c := documentClient("https://c.example/client.json")
		last := base.Add(100 * 24 * time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.PutClient(ctx, c), tx.MarkClientAuthorized(ctx, c.ID, base.Add(time.Hour)),
				tx.MarkClientAuthorized(ctx, c.ID, last))
		})
		around(t, s, last.Add(store.KeepUsedClient), store.Swept{}, store.Swept{Clients: 1})
		absent(t, "client", s.Client, c.ID)
	}},
	{"a put with a later creation time lets a client live longer", func(t *testing.T, s store.Store) {
		c := documentClient("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, c) })
		c.CreatedAt = base.Add(store.KeepUnusedClient / 2)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, c) })
		around(t, s, c.CreatedAt.Add(store.KeepUnusedClient), store.Swept{}, store.Swept{Clients: 1})
	}},
	{"a client that was ever approved stays as long as a grant of it is kept", func(t *testing.T, s store.Store) {
		seed(t, s)
		f := sampleFamily("family", "user", "client")
		f.ID, f.AbsoluteEnd, f.IdleEnd = "long", base.Add(300*24*time.Hour), base.Add(300*24*time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateFamily(ctx, f) })
		end := f.AbsoluteEnd.Add(store.KeepFamily)
		swept(t, s, end, 100, store.Swept{Sessions: 1, AccessTokens: 1, Families: 1})
		read(t, s.Client, "client")
		swept(t, s, end.Add(tick), 100, store.Swept{Families: 1, Clients: 1})
	}},
	{"a registration stays two days after it was last seen", func(t *testing.T, s store.Store) {
		r := sampleRegistration("r")
		update(t, s, func(ctx context.Context, tx store.Tx) error { _, err := tx.SaveRegistration(ctx, r); return err })
		around(t, s, r.SeenAt.Add(2*store.KeepUnusedClient), store.Swept{}, store.Swept{Registrations: 1})
		absent(t, "registration", s.Registration, "r")
	}},
	{"an id that was removed may come back after a day", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.RemoveClient(ctx, "c", base) })
		around(t, s, base.Add(store.KeepUnusedClient), store.Swept{}, store.Swept{Removals: 1})
		if read(t, s.ClientRemoved, "c") {
			t.Error("still known as removed")
		}
	}},
	{"a rejection stays thirty days after its last attempt", func(t *testing.T, s store.Store) {
		j := sampleRejection("j")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveRejection(ctx, j) })
		around(t, s, j.LastAt.Add(store.KeepRejection), store.Swept{}, store.Swept{Rejections: 1})
	}},
	{"a consent is remembered for ninety days", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			_, err := tx.UpsertUser(ctx, sampleUser("user"))
			return errors.Join(err, tx.SaveConsent(ctx, sampleConsent("user", "client")))
		})
		around(t, s, base.Add(store.KeepConsent), store.Swept{}, store.Swept{Consents: 1})
		absent(t, "consent", s.Consent, sampleConsent("user", "client").Key())
	}},
	{"an idempotent write is remembered for a day after it was sent, with or without an answer", func(t *testing.T, s store.Store) {
		open, answered := sampleIdempotentWrite("open"), sampleIdempotentWrite("answered")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.CreateIdempotentWrite(ctx, open), tx.CreateIdempotentWrite(ctx, answered),
				tx.AnswerIdempotentWrite(ctx, answered.Key, base.Add(time.Hour), []byte("answer")))
		})
		around(t, s, base.Add(store.KeepIdempotency), store.Swept{}, store.Swept{IdempotentWrites: 2})
		absent(t, "open", s.IdempotentWrite, open.Key)
		absent(t, "answered", s.IdempotentWrite, answered.Key)
	}},
	{"a client with a live family stays, marked or not", func(t *testing.T, s store.Store) {
		seed(t, s)
		c := sampleClient("c")
		c.AuthorizedAt = time.Time{}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
			return tx.CreateFamily(ctx, sampleFamily("of c", "user", "c"))
		})
		swept(t, s, base.Add(6*24*time.Hour), 100, store.Swept{Sessions: 1, AccessTokens: 1})
		read(t, s.Client, "c")
	}},
	{"a client whose consent page is open stays", func(t *testing.T, s store.Store) {
		seed(t, s)
		c := sampleClient("c")
		c.AuthorizedAt = time.Time{}
		a := sampleApproval("a", "long session", "user", "c")
		a.ExpiresAt = base.Add(store.KeepUnusedClient + time.Hour)
		long := sampleSession("long session", "user")
		long.ExpiresAt = a.ExpiresAt
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
			if err := tx.CreateSession(ctx, long); err != nil {
				return err
			}
			return tx.CreateApproval(ctx, a)
		})
		now := base.Add(store.KeepUnusedClient + time.Minute)
		swept(t, s, now, 100, store.Swept{Sessions: 1, AccessTokens: 1})
		read(t, s.Client, "c")
		swept(t, s, a.ExpiresAt.Add(tick), 100, store.Swept{Clients: 1, Sessions: 1, Approvals: 1})
	}},
	{"a sweep takes at most its limit of each kind, the oldest first, until nothing is left", func(t *testing.T, s store.Store) {
		seed(t, s)
		const rows = 7
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for i := range rows {
				c := sampleClient(fmt.Sprint("c", i))
				c.AuthorizedAt, c.CreatedAt = time.Time{}, base.Add(-time.Duration(i)*time.Hour)
				code := sampleCode(fmt.Sprint("code", i), "user", "client")
				code.ExpiresAt = base.Add(-time.Duration(i) * time.Hour)
				if err := tx.CreateClient(ctx, c); err != nil {
					return err
				}
				if err := tx.CreateCode(ctx, code); err != nil {
					return err
				}
			}
			return nil
		})
		now := base.Add(48 * time.Hour)
		swept(t, s, now, 0, store.Swept{})
		swept(t, s, now, -1, store.Swept{})
		swept(t, s, now, 3, store.Swept{Clients: 3, Codes: 3, Sessions: 1, AccessTokens: 1})
		for i := range rows {
			_, err := s.Client(t.Context(), fmt.Sprint("c", i))
			if want := i < rows-3; (err == nil) != want {
				t.Errorf("client %d: %v, want it to stay: %v", i, err, want)
			}
		}
		swept(t, s, now, 3, store.Swept{Clients: 3, Codes: 3})
		swept(t, s, now, 3, store.Swept{Clients: 1, Codes: 1})
		swept(t, s, now, 3, store.Swept{})
	}},
}

// familyEnds wants the seeded family, ended at end by set, to go after its
// retention with everything under it.
func familyEnds(t *testing.T, s store.Store, end time.Time, set func(*store.Family, time.Time)) {
	t.Helper()
	seed(t, s)
	f := sampleFamily("family", "user", "client")
	set(&f, end)
	update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveFamily(ctx, f) })
	around(t, s, end.Add(store.KeepFamily), store.Swept{Sessions: 1, AccessTokens: 1}, store.Swept{Families: 1})
	absent(t, "family", s.Family, "family")
	_, err := s.Generation(t.Context(), "family", 1)
	fails(t, "generation", err, store.ErrNotFound)
	absent(t, "token", s.AccessToken, hash("token"))
}

// around sweeps just before and at the end of a retention, which must delete
// only what earlier says, then just after it, which must delete later, and once
// more, which must delete nothing.
func around(t *testing.T, s store.Store, end time.Time, earlier, later store.Swept) {
	t.Helper()
	swept(t, s, end.Add(-tick), 100, earlier)
	swept(t, s, end, 100, store.Swept{})
	swept(t, s, end.Add(tick), 100, later)
	swept(t, s, end.Add(tick), 100, store.Swept{})
}

func swept(t *testing.T, s store.Store, now time.Time, limit int, want store.Swept) {
	t.Helper()
	got, err := s.Sweep(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("sweep: %v", err)
	}
	same(t, "swept at "+now.String(), got, want)
}
