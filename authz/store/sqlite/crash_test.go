package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/store/storetest"
)

// rotateForEver advances the family's generation from several goroutines, so
// that commits are shared, and prints each generation after its commit.
func rotateForEver(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	if err := s.Update(ctx, func(tx store.Tx) error { return storetest.Seed(ctx, tx) }); err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				gen, err := rotate(ctx, s)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				// One write per line, so that a kill cuts no line in two.
				_, _ = fmt.Fprintln(os.Stdout, gen)
			}
		})
	}
	group.Wait()
	return nil
}

// rotate advances the family by one generation.
func rotate(ctx context.Context, s store.Store) (gen uint32, err error) {
	err = s.Update(ctx, func(tx store.Tx) error {
		f, err := tx.Family(ctx, "family")
		if err != nil {
			return err
		}
		f.Gen++
		gen = f.Gen
		if err := tx.CreateGeneration(ctx, store.Generation{FamilyID: f.ID, Gen: gen}); err != nil {
			return err
		}
		return tx.SaveFamily(ctx, f)
	})
	return gen, err
}

func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	const kills = 20
	path := filepath.Join(t.TempDir(), "edge.db")
	var last uint32
	for range kills {
		acknowledged := killedAfter(t, path, 1+rand.IntN(60))
		if acknowledged <= last {
			t.Fatalf("the next process went on at %d, below %d", acknowledged, last)
		}
		last = acknowledged
	}

	s := migrated(t, path)
	f, err := s.Family(t.Context(), "family")
	if err != nil {
		t.Fatal(err)
	}
	if f.Gen < last {
		t.Errorf("generation %d is stored, %d was acknowledged", f.Gen, last)
	}
	for gen := uint32(1); gen <= f.Gen; gen++ {
		if _, err := s.Generation(t.Context(), f.ID, gen); err != nil {
			t.Errorf("generation %d of %d: %v", gen, f.Gen, err)
		}
	}
	if _, err := s.Generation(t.Context(), f.ID, f.Gen+1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a generation without its family's advance: %v", err)
	}
	for _, check := range []string{"integrity_check", "foreign_key_check"} {
		checkPragma(t, path, check)
	}
}

// killedAfter runs the child until it has printed lines numbers, kills it and
// returns the highest number that it printed until its end.
func killedAfter(t *testing.T, path string, lines int) (highest uint32) {
	t.Helper()
	cmd := child(t, "rotate", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for n := 1; scan.Scan(); n++ {
		gen, err := strconv.ParseUint(scan.Text(), 10, 32)
		if err != nil {
			t.Errorf("the child printed %q", scan.Text())
		}
		highest = max(highest, uint32(gen))
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	return highest
}

func checkPragma(t *testing.T, path, check string) {
	t.Helper()
	rows, err := raw(t, path).QueryContext(t.Context(), "PRAGMA "+check)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var finding string
		if err := rows.Scan(&finding); err != nil {
			t.Fatalf("%s: a finding: %v", check, err)
		}
		if finding != "ok" {
			t.Errorf("%s: %s", check, finding)
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}
