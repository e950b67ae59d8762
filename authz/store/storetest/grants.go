package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var grantCases = []testCase{
	{"a family is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleFamily("f", "user", "client")
		want.Gen, want.RevokedAt, want.RevokedWhy = 4294967295, base.Add(time.Hour), "admin"
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateFamily(ctx, want) })
		same(t, "family", read(t, s.Family, "f"), want)
		absent(t, "family", s.Family, "other")
	}},
	{"a family is created once, for a person who exists", func(t *testing.T, s store.Store) {
		seed(t, s)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateFamily(ctx, sampleFamily("family", "user", "client"))
		})
		fails(t, "second family", err, store.ErrConflict)
		err = attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateFamily(ctx, sampleFamily("f", "nobody", "client"))
		})
		fails(t, "family of nobody", err, store.ErrNotFound)
	}},
	{"a save stores generation, idle end and revocation only", func(t *testing.T, s store.Store) {
		seed(t, s)
		want, changed := sampleFamily("family", "user", "client"), sampleFamily("family", "another", "another")
		changed.Resource, changed.Scopes, changed.AbsoluteEnd = "https://evil.example", []string{"all"}, base.Add(999*time.Hour)
		changed.Gen, changed.IdleEnd = 7, base.Add(8*24*time.Hour)
		changed.RevokedAt, changed.RevokedWhy = base.Add(time.Hour), "user"
		want.Gen, want.IdleEnd, want.RevokedAt, want.RevokedWhy = changed.Gen, changed.IdleEnd, changed.RevokedAt, changed.RevokedWhy
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveFamily(ctx, changed) })
		same(t, "family", read(t, s.Family, "family"), want)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveFamily(ctx, sampleFamily("other", "user", "client"))
		})
		fails(t, "save of no family", err, store.ErrNotFound)
	}},
	{"a generation is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleGeneration("family", 2)
		want.RotatedAt, want.Sealed = base.Add(time.Minute), []byte{0, 1, 0xff, 0}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateGeneration(ctx, want) })
		same(t, "generation", readGeneration(t, s, "family", 2), want)
		same(t, "the one before", readGeneration(t, s, "family", 1), sampleGeneration("family", 1))
		_, err := s.Generation(t.Context(), "family", 3)
		fails(t, "generation 3", err, store.ErrNotFound)
		_, err = s.Generation(t.Context(), "other", 1)
		fails(t, "generation of no family", err, store.ErrNotFound)
	}},
	{"a generation exists once in its family", func(t *testing.T, s store.Store) {
		seed(t, s)
		fork := sampleGeneration("family", 1)
		fork.Hash = hash("fork")
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateGeneration(ctx, fork) })
		fails(t, "fork", err, store.ErrConflict)
		same(t, "generation", readGeneration(t, s, "family", 1), sampleGeneration("family", 1))
	}},
	{"a generation belongs to a family", func(t *testing.T, s store.Store) {
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateGeneration(ctx, sampleGeneration("none", 1))
		})
		fails(t, "generation of no family", err, store.ErrNotFound)
	}},
	{"a save stores rotation and sealed answer only, and removes the answer", func(t *testing.T, s store.Store) {
		seed(t, s)
		want, changed := sampleGeneration("family", 1), sampleGeneration("family", 1)
		changed.Hash, changed.CreatedAt = hash("other"), base.Add(time.Hour)
		changed.RotatedAt, changed.Sealed = base.Add(time.Minute), []byte("sealed")
		want.RotatedAt, want.Sealed = changed.RotatedAt, changed.Sealed
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveGeneration(ctx, changed) })
		same(t, "generation", readGeneration(t, s, "family", 1), want)
		want.Sealed, changed.Sealed = nil, nil
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveGeneration(ctx, changed) })
		got := readGeneration(t, s, "family", 1)
		same(t, "generation after the grace", got, want)
		if got.Sealed != nil {
			t.Errorf("sealed is %v, want nil", got.Sealed)
		}
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveGeneration(ctx, sampleGeneration("family", 2))
		})
		fails(t, "save of no generation", err, store.ErrNotFound)
	}},
	{"an access token is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleToken("t", "family")
		want.RevokedAt = base.Add(time.Minute)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateAccessToken(ctx, want) })
		same(t, "token", read(t, s.AccessToken, hash("t")), want)
		absent(t, "token", s.AccessToken, hash("other"))
	}},
	{"an access token is created once, in a family that exists", func(t *testing.T, s store.Store) {
		seed(t, s)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateAccessToken(ctx, sampleToken("token", "family"))
		})
		fails(t, "second token", err, store.ErrConflict)
		err = attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateAccessToken(ctx, sampleToken("t", "none"))
		})
		fails(t, "token of no family", err, store.ErrNotFound)
	}},
	{"a save of an access token stores its revocation only", func(t *testing.T, s store.Store) {
		seed(t, s)
		want, changed := sampleToken("token", "family"), sampleToken("token", "other")
		changed.Scopes, changed.ExpiresAt, changed.RevokedAt = []string{"all"}, base.Add(999*time.Hour), base.Add(time.Minute)
		want.RevokedAt = changed.RevokedAt
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveAccessToken(ctx, changed) })
		same(t, "token", read(t, s.AccessToken, hash("token")), want)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveAccessToken(ctx, sampleToken("other", "family"))
		})
		fails(t, "save of no token", err, store.ErrNotFound)
	}},
	{"one read answers token, family, user and client", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := store.Access{
			Token: sampleToken("token", "family"), Family: sampleFamily("family", "user", "client"),
			User: sampleUser("user"), Client: sampleClient("client"),
		}
		same(t, "access", read(t, s.Access, hash("token")), want)
		absent(t, "access", s.Access, hash("other"))
	}},
	{"that read also answers what is revoked or expired, for others to judge", func(t *testing.T, s store.Store) {
		seed(t, s)
		f := sampleFamily("family", "user", "client")
		f.RevokedAt, f.RevokedWhy, f.IdleEnd = base.Add(time.Minute), "client", base.Add(time.Second)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveFamily(ctx, f) })
		same(t, "family", read(t, s.Access, hash("token")).Family, f)
	}},
	{"the live families of a person are listed newest first", func(t *testing.T, s store.Store) {
		seed(t, s)
		now := base.Add(3 * 24 * time.Hour)
		older, newer := sampleFamily("older", "user", "client"), sampleFamily("newer", "user", "client")
		older.CreatedAt, newer.CreatedAt = base.Add(-time.Hour), base.Add(time.Hour)
		revoked, idle, ended := sampleFamily("r", "user", "client"), sampleFamily("i", "user", "client"), sampleFamily("e", "user", "client")
		revoked.RevokedAt, revoked.RevokedWhy = base, "user"
		idle.IdleEnd, ended.AbsoluteEnd = now.Add(-time.Microsecond), now.Add(-time.Microsecond)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if _, err := tx.UpsertUser(ctx, sampleUser("another")); err != nil {
				return err
			}
			for _, f := range []store.Family{older, newer, revoked, idle, ended, sampleFamily("o", "another", "client")} {
				if err := tx.CreateFamily(ctx, f); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.LiveFamiliesOfUser(t.Context(), "user", now)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "live families", got, []store.Family{newer, sampleFamily("family", "user", "client"), older})
		got, err = s.LiveFamiliesOfUser(t.Context(), "nobody", now)
		if err != nil || len(got) != 0 {
			t.Errorf("families of nobody: %v, %v; want none and no error", got, err)
		}
	}},
}

func readGeneration(t *testing.T, r store.Reader, familyID string, gen uint32) store.Generation {
	t.Helper()
	g, err := r.Generation(t.Context(), familyID, gen)
	if err != nil {
		t.Errorf("generation %d of %s: %v", gen, familyID, err)
	}
	return g
}
