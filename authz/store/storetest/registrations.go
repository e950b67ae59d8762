package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var registrationCases = []testCase{
	{"a registration is read as it was saved, by its id and by what it folds", func(t *testing.T, s store.Store) {
		want := sampleRegistration("r")
		same(t, "saved", saveRegistration(t, s, want), want)
		same(t, "by id", read(t, s.Registration, "r"), want)
		same(t, "by fold", read(t, s.RegistrationByFold, want.Fold), want)
	}},
	{"an unknown registration is not found", func(t *testing.T, s store.Store) {
		saveRegistration(t, s, sampleRegistration("r"))
		absent(t, "registration", s.Registration, "R")
		absent(t, "fold", s.RegistrationByFold, hash("other"))
	}},
	{"the same registration moves the time of the first and changes nothing else", func(t *testing.T, s store.Store) {
		want, again := sampleRegistration("r"), sampleRegistration("again")
		saveRegistration(t, s, want)
		again.Fold, again.SeenAt = want.Fold, base.Add(time.Hour)
		want.SeenAt = again.SeenAt
		same(t, "saved", saveRegistration(t, s, again), want)
		same(t, "by id", read(t, s.Registration, "r"), want)
		absent(t, "second", s.Registration, "again")
	}},
	{"an id of a registration is taken once", func(t *testing.T, s store.Store) {
		saveRegistration(t, s, sampleRegistration("r"))
		other := sampleRegistration("r")
		other.Fold = hash("other")
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { _, err := tx.SaveRegistration(ctx, other); return err })
		fails(t, "second", err, store.ErrConflict)
	}},
	{"a thousand equal registrations are one row", func(t *testing.T, s store.Store) {
		first := sampleRegistration("0")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for i := range 1000 {
				r := sampleRegistration(fmt.Sprint(i))
				r.Fold = first.Fold
				if _, err := tx.SaveRegistration(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
		swept(t, s, base.Add(100*24*time.Hour), 5000, store.Swept{Registrations: 1})
	}},
}

func saveRegistration(t *testing.T, s store.Store, r store.Registration) (saved store.Registration) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
		saved, err = tx.SaveRegistration(ctx, r)
		return err
	})
	return saved
}

// saveOne saves r where only its error counts.
func saveOne(ctx context.Context, tx store.Tx, r store.Registration) error {
	_, err := tx.SaveRegistration(ctx, r)
	return err
}

var rejectionCases = []testCase{
	{"rejections are listed as they were saved, the newest first", func(t *testing.T, s store.Store) {
		old, newer := sampleRejection("old"), sampleRejection("newer")
		newer.LastAt = base.Add(time.Hour)
		for _, j := range []store.Rejection{newer, old} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveRejection(ctx, j) })
		}
		same(t, "all", rejections(t, s, 10), []store.Rejection{newer, old})
		same(t, "newest", rejections(t, s, 1), []store.Rejection{newer})
		same(t, "none", rejections(t, s, 0), []store.Rejection(nil))
	}},
	{"a repeated attempt is counted and keeps when it was first made", func(t *testing.T, s store.Store) {
		first, again := sampleRejection("j"), sampleRejection("j")
		again.ClientName, again.Count, again.FirstAt, again.LastAt = "other", 5, base.Add(time.Hour), base.Add(2*time.Hour)
		for _, j := range []store.Rejection{first, again} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveRejection(ctx, j) })
		}
		again.Count, again.FirstAt = 6, first.FirstAt
		same(t, "all", rejections(t, s, 10), []store.Rejection{again})
	}},
	{"beyond the most that are kept, those seen longest ago go", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for i := range store.KeepRejections + 3 {
				j := sampleRejection(fmt.Sprint(i))
				j.LastAt = base.Add(time.Duration(i) * time.Second)
				if err := tx.SaveRejection(ctx, j); err != nil {
					return err
				}
			}
			return nil
		})
		got := rejections(t, s, 10_000)
		if len(got) != store.KeepRejections || got[len(got)-1].ID != "3" {
			t.Errorf("%d rejections are left, the oldest is %q; want %d from 3 on", len(got), got[len(got)-1].ID, store.KeepRejections)
		}
	}},
	{"a rejection is deleted once", func(t *testing.T, s store.Store) {
		for _, id := range []string{"a", "b"} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveRejection(ctx, sampleRejection(id)) })
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteRejection(ctx, "a") })
		same(t, "left", rejections(t, s, 10), []store.Rejection{sampleRejection("b")})
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteRejection(ctx, "a") })
		fails(t, "second delete", err, store.ErrNotFound)
	}},
}

func rejections(t *testing.T, s store.Store, limit int) []store.Rejection {
	t.Helper()
	got, err := s.Rejections(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
