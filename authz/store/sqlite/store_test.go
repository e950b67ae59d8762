package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "edge.db")) })
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
