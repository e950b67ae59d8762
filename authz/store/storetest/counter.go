package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// RunCounter runs the suite of store.Counter, for engines that have it. open
// returns an empty store; the suite migrates and closes it.
func RunCounter(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range counterCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, open)
			counter, ok := s.(store.Counter)
			if !ok {
				t.Fatalf("%T is no store.Counter", s)
			}
			c.run(t, s, counter)
		})
	}
}

var counterCases = []struct {
	name string
	run  func(t *testing.T, s store.Store, c store.Counter)
}{
	{"an empty store has nothing", func(t *testing.T, _ store.Store, c store.Counter) {
		counted(t, c, base, store.Rows{})
		endedCodes(t, c, base.Add(-time.Hour), base.Add(time.Hour))
	}},
	{"every kind is counted by itself", func(t *testing.T, s store.Store, c store.Counter) {
		seed(t, s)
		counted(t, c, base, store.Rows{
			Clients: 1, Documents: 1, Users: 1, Sessions: 1, Families: 1, LiveFamilies: 1, Generations: 1, AccessTokens: 1,
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			rotated := sampleGeneration("family", 1)
			rotated.RotatedAt, rotated.Sealed = base, []byte("sealed")
			return errors.Join(
				tx.CreateApproval(ctx, sampleApproval("a", "session", "user", "client")),
				tx.CreateApproval(ctx, sampleApproval("b", "session", "user", "client")),
				tx.CreateCode(ctx, sampleCode("code", "user", "client")),
				tx.SaveGeneration(ctx, rotated),
				tx.CreateGeneration(ctx, sampleGeneration("family", 2)),
				tx.CreateGeneration(ctx, sampleGeneration("family", 3)),
				tx.RemoveClient(ctx, "removed", base),
				tx.SaveRejection(ctx, sampleRejection("j")),
				tx.SaveConsent(ctx, sampleConsent("user", "client")),
				tx.SaveConsent(ctx, sampleConsent("user", "other")),
				saveOne(ctx, tx, sampleRegistration("r")),
				tx.CreateIdempotentWrite(ctx, sampleIdempotentWrite("w")),
				tx.UseLogoutToken(ctx, hash("logout"), base),
			)
		})
		counted(t, c, base, store.Rows{
			Clients: 1, Documents: 1, Users: 1, Sessions: 1, Approvals: 2, Codes: 1, Families: 1, LiveFamilies: 1,
			Generations: 3, SealedAnswers: 1, AccessTokens: 1, Registrations: 1, Removals: 1, Rejections: 1, Consents: 2,
			IdempotentWrites: 1, LogoutTokens: 1,
		})
	}},
	{"a family is live until it is revoked or past its end", func(t *testing.T, s store.Store, c store.Counter) {
		seed(t, s)
		live := func(now time.Time) int {
			n, err := c.CountRows(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			return n.LiveFamilies
		}
		end := sampleFamily("family", "user", "client").IdleEnd
		if live(end.Add(-tick)) != 1 || live(end) != 0 {
			t.Error("a family that fell idle is live, or one that did not is not")
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			f := sampleFamily("family", "user", "client")
			f.RevokedAt, f.RevokedWhy = base, "user"
			return tx.SaveFamily(ctx, f)
		})
		if live(base) != 0 {
			t.Error("a revoked family is live")
		}
	}},
	{"codes that expired in a span are told by profile and by what became of them", func(t *testing.T, s store.Store, c store.Counter) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			other := sampleClient("other")
			other.Profile = "glean"
			redeemed := sampleCode("redeemed", "user", "other")
			redeemed.ConsumedAt = base.Add(time.Second)
			burned := sampleCode("burned", "user", "other")
			burned.Failures, burned.RevokedAt = 5, base.Add(time.Second)
			return errors.Join(
				tx.CreateClient(ctx, other),
				tx.CreateCode(ctx, sampleCode("never", "user", "client")),
				tx.CreateCode(ctx, redeemed), tx.SaveCode(ctx, redeemed),
				tx.CreateCode(ctx, burned), tx.SaveCode(ctx, burned),
				tx.CreateCode(ctx, sampleCode("of nobody", "user", "gone")),
			)
		})
		end := sampleCode("never", "user", "client").ExpiresAt
		all := []store.EndedCodes{
			{Profile: "", Unredeemed: 1},
			{Profile: "glean", Redeemed: 1, Unredeemed: 1},
			{Profile: "profile of client", Unredeemed: 1},
		}
		endedCodes(t, c, end, end.Add(tick), all...)
		endedCodes(t, c, end.Add(-time.Hour), end) // the end of a span is not in it
		endedCodes(t, c, end.Add(tick), end.Add(time.Hour))
		swept(t, s, end.Add(store.KeepCode), 100, store.Swept{Sessions: 1, AccessTokens: 1})
		endedCodes(t, c, end, end.Add(tick), all...) // as long as codes are kept
	}},
	{"a store that is closed has no counts", func(t *testing.T, s store.Store, c store.Counter) {
		seed(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := c.CountRows(context.Background(), base)
		fails(t, "rows", err, store.ErrUnavailable)
		_, err = c.EndedCodes(context.Background(), base, base.Add(time.Hour))
		fails(t, "ended codes", err, store.ErrUnavailable)
	}},
}

func counted(t *testing.T, c store.Counter, now time.Time, want store.Rows) {
	t.Helper()
	got, err := c.CountRows(t.Context(), now)
	if err != nil {
		t.Fatalf("count rows: %v", err)
	}
	same(t, "rows", got, want)
}

func endedCodes(t *testing.T, c store.Counter, from, before time.Time, want ...store.EndedCodes) {
	t.Helper()
	got, err := c.EndedCodes(t.Context(), from, before)
	if err != nil {
		t.Fatalf("ended codes: %v", err)
	}
	same(t, "ended codes", got, want)
}
