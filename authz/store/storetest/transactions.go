package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var errMine = errors.New("an error of the caller")

var transactionCases = []testCase{
	{"a transaction that fails changes nothing and returns the caller's error as it is", func(t *testing.T, s store.Store) {
		seed(t, s)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := changeEverything(ctx, tx); err != nil {
				return err
			}
			return errMine
		})
		if err != errMine { //nolint:errorlint // the very value is promised
			t.Errorf("error is %v, want the caller's", err)
		}
		checkSeed(t, s)
	}},
	{"a panic changes nothing, goes on to the caller and leaves the store usable", func(t *testing.T, s store.Store) {
		seed(t, s)
		func() {
			defer func() {
				if got := recover(); got != any(errMine) {
					t.Errorf("recovered %v, want the caller's value", got)
				}
			}()
			_ = attempt(t, s, func(ctx context.Context, tx store.Tx) error {
				if err := changeEverything(ctx, tx); err != nil {
					return err
				}
				panic(errMine)
			})
		}()
		checkSeed(t, s)
		update(t, s, changeEverything)
	}},
	{"a transaction reads its own changes, others do not before the commit", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := changeEverything(ctx, tx); err != nil {
				return err
			}
			inside, err := tx.Access(ctx, hash("token"))
			if err != nil {
				return err
			}
			if inside.Family.Gen != 2 || inside.User.Name != "changed" {
				t.Errorf("inside: generation %d of %s", inside.Family.Gen, inside.User.Name)
			}
			if _, err := tx.Session(ctx, hash("session")); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("inside: deleted session: %v", err)
			}
			return nil
		})
		if got := read(t, s.Family, "family").Gen; got != 2 {
			t.Errorf("after the commit: generation %d, want 2", got)
		}
	}},
	{"outside readers see the old state while a transaction is open", func(t *testing.T, s store.Store) {
		seed(t, s)
		changed, looked := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(looked)
			<-changed
			checkSeed(t, s)
		}()
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			defer func() { <-looked }()
			defer close(changed)
			return changeEverything(ctx, tx)
		})
	}},
	{"an expected refusal does not end the transaction", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			fails(t, "conflict", tx.CreateClient(ctx, sampleClient("client")), store.ErrConflict)
			_, err := tx.Client(ctx, "none")
			fails(t, "absent", err, store.ErrNotFound)
			fails(t, "orphan", tx.CreateAccessToken(ctx, sampleToken("t", "none")), store.ErrNotFound)
			return tx.CreateClient(ctx, sampleClient("next"))
		})
		same(t, "client", read(t, s.Client, "next"), sampleClient("next"))
	}},
	{"a transaction is of no use after its end", func(t *testing.T, s store.Store) {
		seed(t, s)
		var kept store.Tx
		update(t, s, func(_ context.Context, tx store.Tx) error {
			kept = tx
			return nil
		})
		fails(t, "write", kept.DeleteClient(t.Context(), "client"), store.ErrUnavailable)
		_, err := kept.Client(t.Context(), "client")
		fails(t, "read", err, store.ErrUnavailable)
		checkSeed(t, s)
	}},
	{"a cancelled caller gets no transaction", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ran := false
		err := s.Update(ctx, func(store.Tx) error {
			ran = true
			return nil
		})
		isCancelled(t, "update", err)
		if ran {
			t.Error("the function ran")
		}
	}},
	{"a caller that is cancelled half way changes nothing, even if it hides the error", func(t *testing.T, s store.Store) {
		seed(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := s.Update(ctx, func(tx store.Tx) error {
			if err := changeEverything(ctx, tx); err != nil {
				return err
			}
			cancel()
			isCancelled(t, "statement", tx.DeleteClient(ctx, "client"))
			return nil
		})
		isCancelled(t, "update", err)
		checkSeed(t, s)
	}},
	{"a cancelled reader is told both that and that the store did not answer", func(t *testing.T, s store.Store) {
		seed(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Access(ctx, hash("token"))
		isCancelled(t, "access", err)
		_, err = s.LiveFamiliesOfUser(ctx, "user", base)
		isCancelled(t, "list", err)
		_, err = s.Sweep(ctx, base, 10)
		isCancelled(t, "sweep", err)
	}},
	{"migrating again is harmless", func(t *testing.T, s store.Store) {
		seed(t, s)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkSeed(t, s)
	}},
}

// changeEverything changes or deletes each row of Seed.
func changeEverything(ctx context.Context, tx store.Tx) error {
	u := sampleUser("user")
	u.Name = "changed"
	f := sampleFamily("family", "user", "client")
	f.Gen = 2
	rotated, tok := sampleGeneration("family", 1), sampleToken("token", "family")
	rotated.RotatedAt, rotated.Sealed, tok.RevokedAt = base, []byte("sealed"), base
	_, err := tx.UpsertUser(ctx, u)
	return errors.Join(err,
		tx.CreateClient(ctx, sampleClient("another")),
		tx.PutClient(ctx, documentClient("client")),
		tx.SaveDocument(ctx, store.Document{URL: "document", Body: []byte("changed")}),
		tx.SaveDocument(ctx, sampleDocument("another")),
		tx.SaveFamily(ctx, f),
		tx.SaveGeneration(ctx, rotated),
		tx.CreateGeneration(ctx, sampleGeneration("family", 2)),
		tx.SaveAccessToken(ctx, tok),
		tx.DeleteSession(ctx, hash("session")),
	)
}

// checkSeed wants the store to hold exactly what Seed stored.
func checkSeed(t *testing.T, s store.Store) {
	t.Helper()
	same(t, "access", read(t, s.Access, hash("token")), store.Access{
		Token: sampleToken("token", "family"), Family: sampleFamily("family", "user", "client"),
		User: sampleUser("user"), Client: sampleClient("client"),
	})
	same(t, "session", read(t, s.Session, hash("session")), sampleSession("session", "user"))
	same(t, "generation", readGeneration(t, s, "family", 1), sampleGeneration("family", 1))
	same(t, "document", read(t, s.Document, "document"), sampleDocument("document"))
	absent(t, "another client", s.Client, "another")
	absent(t, "another document", s.Document, "another")
	_, err := s.Generation(t.Context(), "family", 2)
	fails(t, "generation 2", err, store.ErrNotFound)
}

func isCancelled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: error is %v, want both unavailable and cancelled", what, err)
	}
}
