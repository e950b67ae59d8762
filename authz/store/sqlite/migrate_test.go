package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
)

func migrateOnce(path string) error {
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(context.Background()), s.Close())
}

// raw opens the database past the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execRaw(t *testing.T, path, text string) {
	t.Helper()
	if _, err := raw(t, path).ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestStoresOfOneProcessMayMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := migrateOnce(path); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	group.Wait()
	checkUsable(t, path)
}

func TestProcessesMayMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	var processes []*exec.Cmd
	for range 6 {
		p := child(t, "migrate", path)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(); err != nil {
			t.Errorf("migrate: %v", err)
		}
	}
	checkUsable(t, path)
}

func TestMigratingGoesOnWhileAnotherStoreServes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	serving := migrated(t, path)
	err := serving.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.CreateClient(t.Context(), store.Client{ID: "c"}); err != nil {
			return err
		}
		// As at a reload: the new configuration opens what the old one uses.
		return migrateOnce(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serving.Client(t.Context(), "c"); err != nil {
		t.Error(err)
	}
}

func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	if err := migrateOnce(path); err != nil {
		t.Fatal(err)
	}
	execRaw(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	err := migrateOnce(path)
	if !errors.Is(err, sqlite.ErrNewerSchema) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error is %v, want that the schema is newer", err)
	}
	execRaw(t, path, "DELETE FROM goose_db_version WHERE version_id = 9999")
	checkUsable(t, path)
}

func TestAMigrationThatFailsLeavesNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	execRaw(t, path, "CREATE TABLE generations (in_the_way TEXT)") // one of the last tables
	if err := migrateOnce(path); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error is %v, want unavailable", err)
	}
	var tables int
	err := raw(t, path).QueryRowContext(t.Context(),
		"SELECT count(*) FROM sqlite_schema WHERE name IN ('clients', 'users', 'families')").Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("%d tables of a failed migration are there (%v)", tables, err)
	}
	execRaw(t, path, "DROP TABLE generations")
	checkUsable(t, path)
}

func TestACancelledMigrationIsReportedAsSuch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := open(t, filepath.Join(t.TempDir(), "edge.db"))
	if err := s.Migrate(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error is %v, want both cancelled and unavailable", err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("the next attempt: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// checkUsable wants the database at path to take and give a row.
func checkUsable(t *testing.T, path string) {
	t.Helper()
	s := migrated(t, path)
	if err := createClient(t.Context(), s, "usable"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t.Context(), "usable"); err != nil {
		t.Error(err)
	}
}
