package sqlite_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
)

func TestOpenLeavesNoTrace(t *testing.T) {
	folder := t.TempDir()
	s := open(t, filepath.Join(folder, "data", "edge.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("open left %v (%v)", left, err)
	}
}

func TestOpenRefusesABadConfig(t *testing.T) {
	for name, cfg := range map[string]sqlite.Config{
		"no path":               {},
		"a timeout before zero": {Path: "edge.db", BusyTimeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := sqlite.Open(t.Context(), cfg); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestFilesAreTheServicesAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state", "data")
	s := migrated(t, filepath.Join(folder, "edge.db"))
	if err := createClient(t.Context(), s, "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		".": 0o700, "edge.db": 0o600, "edge.db-wal": 0o600, "edge.db-shm": 0o600, "edge.db.lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

func TestAFileThatOthersCouldReadIsTakenBackAndReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), path) {
		t.Errorf("log does not warn of %s:\n%s", path, &log)
	}
}

func TestAnyFileNameWorks(t *testing.T) {
	for _, name := range []string{"with blank.db", "a?mode=memory", "a#b.db", "100%41.db", "données&x=1.db", "'q'.db"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := migrated(t, path)
			if err := createClient(t.Context(), s, "c"); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the database is not where it was wanted: %v", err)
			}
		})
	}
}

func TestMigrateReportsWhatItCannotOpen(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a folder": folder, "another kind of file": text, "a file in a file": filepath.Join(text, "edge.db"),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, path)
			if err := s.Migrate(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error is %v, want unavailable", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
