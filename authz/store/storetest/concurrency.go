package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var concurrencyCases = []testCase{
	{"of fifty increments at once none is lost", func(t *testing.T, s store.Store) {
		seed(t, s)
		together(50, func(int) {
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				f, err := tx.Family(ctx, "family")
				if err != nil {
					return err
				}
				f.Gen++
				return tx.SaveFamily(ctx, f)
			})
			if err != nil {
				t.Errorf("increment: %v", err)
			}
		})
		if got := read(t, s.Family, "family").Gen; got != 51 {
			t.Errorf("generation is %d after 50 increments of 1, want 51", got)
		}
	}},
	{"of twenty rotations to one generation one succeeds", func(t *testing.T, s store.Store) {
		seed(t, s)
		var won, lost atomic.Int32
		together(20, func(i int) {
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				g := sampleGeneration("family", 2)
				g.Hash = hash(fmt.Sprint("rotation ", i))
				if err := tx.CreateGeneration(ctx, g); err != nil {
					return err
				}
				return tx.CreateAccessToken(ctx, sampleToken(fmt.Sprint("token ", i), "family"))
			})
			count(t, err, store.ErrConflict, &won, &lost)
		})
		if won.Load() != 1 || lost.Load() != 19 {
			t.Errorf("%d won and %d lost, want 1 and 19", won.Load(), lost.Load())
		}
		tokens := 0
		for i := range 20 {
			if _, err := s.AccessToken(t.Context(), hash(fmt.Sprint("token ", i))); err == nil {
				tokens++
			}
		}
		if tokens != 1 {
			t.Errorf("%d access tokens exist, want that of the winner", tokens)
		}
	}},
	{"of twenty answers to one approval one counts", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateApproval(ctx, sampleApproval("a", "session", "user", "client"))
		})
		var won, lost atomic.Int32
		together(20, func(i int) {
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				if err := tx.DeleteApproval(ctx, "a"); err != nil {
					return err
				}
				return tx.CreateCode(ctx, sampleCode(fmt.Sprint("code ", i), "user", "client"))
			})
			count(t, err, store.ErrNotFound, &won, &lost)
		})
		if won.Load() != 1 || lost.Load() != 19 {
			t.Errorf("%d won and %d lost, want 1 and 19", won.Load(), lost.Load())
		}
	}},
	{"failures and panics among many updates undo themselves only", func(t *testing.T, s store.Store) {
		id := func(i int) string { return fmt.Sprint("client ", i) }
		together(60, func(i int) {
			defer func() { _ = recover() }()
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				if err := tx.CreateClient(ctx, sampleClient(id(i))); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return errMine
				case 2:
					panic(errMine)
				}
				return nil
			})
			if want := i%3 == 1; errors.Is(err, errMine) != want || (err != nil) != want {
				t.Errorf("update %d: %v", i, err)
			}
		})
		for i := range 60 {
			_, err := s.Client(t.Context(), id(i))
			if want := i%3 == 0; (err == nil) != want {
				t.Errorf("client %d: %v, want it stored: %v", i, err, want)
			}
		}
	}},
	{"no approval is lost among clients that are put at the same time", func(t *testing.T, s store.Store) {
		const url = "https://c.example/client.json"
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, documentClient(url)) })
		together(20, func(i int) {
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				if i == 10 {
					return tx.MarkClientAuthorized(ctx, url, base.Add(time.Hour))
				}
				return tx.PutClient(ctx, documentClient(url))
			})
			if err != nil {
				t.Errorf("update %d: %v", i, err)
			}
		})
		want := documentClient(url)
		want.AuthorizedAt, want.ApprovedAt = base.Add(time.Hour), base.Add(time.Hour)
		same(t, "client", read(t, s.Client, url), want)
	}},
	{"a first sign-in of one person from ten browsers makes one person", func(t *testing.T, s store.Store) {
		var mu sync.Mutex
		ids := map[string]bool{}
		together(10, func(i int) {
			u := sampleUser("u")
			u.ID = fmt.Sprint("id ", i)
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				stored, err := tx.UpsertUser(ctx, u)
				mu.Lock()
				defer mu.Unlock()
				ids[stored.ID] = true
				return err
			})
			if err != nil {
				t.Errorf("sign-in: %v", err)
			}
		})
		if len(ids) != 1 {
			t.Errorf("the person has the ids %v, want one", ids)
		}
	}},
	{"a revocation is seen by every read that starts after it returned", revocationIsSeen},
}

// revocationIsSeen lets many readers poll access tokens while one writer revokes
// them; the readers note before each read what was revoked by then.
func revocationIsSeen(t *testing.T, s store.Store) {
	const tokens, readers = 100, 8
	seed(t, s)
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for i := range tokens {
			f := sampleFamily(fmt.Sprint("family ", i), "user", "client")
			if err := tx.CreateFamily(ctx, f); err != nil {
				return err
			}
			if err := tx.CreateAccessToken(ctx, sampleToken(fmt.Sprint("token ", i), f.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	var revoked atomic.Int32 // tokens below this are revoked
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			for revoked.Load() < tokens && !t.Failed() {
				returned := revoked.Load()
				// The newest of the revoked, and one that may be next.
				for i := max(0, returned-2); i < min(tokens, returned+1); i++ {
					a, err := s.Access(t.Context(), hash(fmt.Sprint("token ", i)))
					if err != nil {
						t.Errorf("access: %v", err)
						return
					}
					if i < returned && a.Family.RevokedAt.IsZero() {
						t.Errorf("token %d is live to a read that started after its revocation returned", i)
					}
				}
			}
		})
	}
	for i := range tokens {
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			f, err := tx.Family(ctx, fmt.Sprint("family ", i))
			if err != nil {
				return err
			}
			f.RevokedAt, f.RevokedWhy = base.Add(time.Hour), "user"
			return tx.SaveFamily(ctx, f)
		})
		if err != nil {
			t.Errorf("revoke: %v", err)
		}
		revoked.Add(1)
	}
	group.Wait()
}

// together runs fn n times at once and waits for all.
func together(n int, fn func(i int)) {
	var group sync.WaitGroup
	barrier := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-barrier
			fn(i)
		})
	}
	close(barrier)
	group.Wait()
}

func count(t *testing.T, err, refusal error, won, lost *atomic.Int32) {
	switch {
	case err == nil:
		won.Add(1)
	case errors.Is(err, refusal):
		lost.Add(1)
	default:
		t.Errorf("neither success nor %v: %v", refusal, err)
	}
}
