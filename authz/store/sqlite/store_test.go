package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "edge.db")) })
}

func TestCounterConformance(t *testing.T) {
	storetest.RunCounter(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "edge.db")) })
}

// open returns a store that is not yet migrated.
func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{
		Path:        path,
		BusyTimeout: time.Minute, // a busy test machine is not what is tested
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// migrated returns an open store, closed at the end of the test.
func migrated(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// createClient stores a client with that id.
func createClient(ctx context.Context, s store.Store, id string) error {
	return s.Update(ctx, func(tx store.Tx) error { return tx.CreateClient(ctx, store.Client{ID: id}) })
}

func TestAStoreThatIsNotOpenAnswersUnavailable(t *testing.T) {
	closed := open(t, filepath.Join(t.TempDir(), "edge.db"))
	if err := closed.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*sqlite.Store{
		"before it is migrated": open(t, filepath.Join(t.TempDir(), "edge.db")),
		"after it is closed":    closed,
	} {
		t.Run(name, func(t *testing.T) {
			_, readErr := s.Access(t.Context(), store.Hash{})
			_, listErr := s.LiveFamiliesOfUser(t.Context(), "u", time.Time{})
			_, sweepErr := s.Sweep(t.Context(), time.Time{}, 1)
			for what, err := range map[string]error{
				"read": readErr, "list": listErr, "sweep": sweepErr, "update": createClient(t.Context(), s, "c"),
			} {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s: error is %v, want unavailable", what, err)
				}
			}
		})
	}
	if err := closed.Migrate(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("migrating a closed store: error is %v, want unavailable", err)
	}
}

func TestTwoStoresOnOneFileSeeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	one, two := migrated(t, path), migrated(t, path)
	for i, s := range []*sqlite.Store{one, two, one} {
		if err := createClient(t.Context(), s, strings.Repeat("c", i+1)); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []*sqlite.Store{one, two} {
			if _, err := reader.Client(t.Context(), strings.Repeat("c", i+1)); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		}
	}
}

func TestEveryStatementIsServedByAnIndex(t *testing.T) {
	plans, err := migrated(t, filepath.Join(t.TempDir(), "edge.db")).Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) < 20 {
		t.Fatalf("only %d plans", len(plans))
	}
	for text, plan := range plans {
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN ") || strings.Contains(step, "AUTOMATIC") {
				t.Errorf("%s\nwalks a whole table: %s", text, step)
			}
			if strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\nsorts what an index could give in order: %s", text, step)
			}
		}
	}
}

func TestErrorsNameNoStoredValue(t *testing.T) {
	const secret = "value-that-must-not-leak"
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	ctx := t.Context()
	if err := createClient(ctx, s, secret); err != nil {
		t.Fatal(err)
	}
	_, absent := s.Client(ctx, secret+"2")
	for what, err := range map[string]error{
		"absent":   absent,
		"conflict": createClient(ctx, s, secret),
		"orphan": s.Update(ctx, func(tx store.Tx) error {
			return tx.CreateSession(ctx, store.Session{UserID: secret})
		}),
		"constraint": s.Update(ctx, func(tx store.Tx) error {
			return tx.CreateClient(ctx, store.Client{ID: secret + "3", AuthMethod: "client_secret_post", Name: secret})
		}),
		"malformed": s.Update(ctx, func(tx store.Tx) error {
			if err := sqlite.ExecIn(ctx, tx, "UPDATE clients SET redirect_uris = '"+secret+"'"); err != nil {
				return err
			}
			_, err := tx.Client(ctx, secret)
			return err
		}),
	} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}

func TestTheSchemaRefusesWhatTheRulesForbid(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "edge.db"))
	ctx := t.Context()
	for name, fn := range map[string]func(tx store.Tx) error{
		"a confidential client without a secret": func(tx store.Tx) error {
			return tx.CreateClient(ctx, store.Client{ID: "c", AuthMethod: "client_secret_basic"})
		},
		"a client without an id":             func(tx store.Tx) error { return tx.CreateClient(ctx, store.Client{}) },
		"a client that is put without an id": func(tx store.Tx) error { return tx.PutClient(ctx, store.Client{}) },
		"a confidential client that is put without a secret": func(tx store.Tx) error {
			return errors.Join(storetest.Seed(ctx, tx),
				tx.PutClient(ctx, store.Client{ID: "client", AuthMethod: "client_secret_basic"}))
		},
		"a metadata hash that is none": func(tx store.Tx) error {
			return errors.Join(storetest.Seed(ctx, tx), sqlite.ExecIn(ctx, tx, "UPDATE clients SET metadata_hash = x'00'"))
		},
		"a document without an address": func(tx store.Tx) error {
			return tx.SaveDocument(ctx, store.Document{Body: []byte("{}")})
		},
		"a live family with an end reason": func(tx store.Tx) error {
			return errors.Join(storetest.Seed(ctx, tx), tx.SaveFamily(ctx, store.Family{ID: "family", RevokedWhy: "user"}))
		},
		"a current generation with a successor's answer": func(tx store.Tx) error {
			return errors.Join(storetest.Seed(ctx, tx),
				tx.SaveGeneration(ctx, store.Generation{FamilyID: "family", Gen: 1, Sealed: []byte("sealed")}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Update(ctx, fn); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error is %v, want unavailable", err)
			}
		})
	}
	if err := createClient(ctx, s, "c"); err != nil {
		t.Errorf("the store is of no use after a refusal: %v", err)
	}
}
