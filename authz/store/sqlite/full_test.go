package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/storetest"
)

// bulky returns an update that needs several pages.
func bulky(id string) func(context.Context, store.Tx) error {
	return func(ctx context.Context, tx store.Tx) error {
		return tx.CreateClient(ctx, store.Client{ID: id, Name: strings.Repeat("n", 64<<10)})
	}
}

func TestWhenTheDiskIsFullReadsGoOnAndWritesComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.db")
	s := migrated(t, path)
	ctx := t.Context()
	if err := s.Update(ctx, func(tx store.Tx) error { return storetest.Seed(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	if err := s.LimitPages(ctx, 20); err != nil {
		t.Fatal(err)
	}
	stored := 0
	full := error(nil)
	for full == nil && stored < 100 {
		if full = s.Update(ctx, func(tx store.Tx) error { return bulky(fmt.Sprint(stored))(ctx, tx) }); full == nil {
			stored++
		}
	}
	if !errors.Is(full, store.ErrUnavailable) || stored == 0 {
		t.Fatalf("after %d rows the error is %v, want some and then unavailable", stored, full)
	}
	for range 3 { // it stays full
		err := s.Update(ctx, func(tx store.Tx) error { return bulky("another")(ctx, tx) })
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error is %v, want unavailable", err)
		}
	}
	for i, err := range batchOf(t, s, client("small"), bulky("another"), client("small too")) {
		if i < 2 && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("update %d of a batch that met the end: %v, want unavailable", i, err)
		}
	}
	hiding := func(tx store.Tx) error {
		_ = bulky("another")(ctx, tx)
		return nil
	}
	if err := s.Update(ctx, hiding); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an update that hides the error: %v, want unavailable", err)
	}

	if _, err := s.Access(ctx, storetest.SeededToken()); err != nil {
		t.Errorf("read on a full disk: %v", err)
	}
	for id, want := range map[string]error{"small": store.ErrNotFound, "another": store.ErrNotFound, "0": nil} {
		if _, err := s.Client(ctx, id); !errors.Is(err, want) {
			t.Errorf("client %s: %v, want %v", id, err, want)
		}
	}
	if err := s.LimitPages(ctx, -1); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(ctx, func(tx store.Tx) error { return bulky("another")(ctx, tx) }); err != nil {
		t.Errorf("with room again: %v", err)
	}
	checkPragma(t, path, "integrity_check")
}
