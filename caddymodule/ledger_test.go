package caddymodule

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// newLedger opens a ledger in a folder, or opens it again.
func newLedger(t *testing.T, dir string, now clock.Clock) (*ledger, *sqlite.Store) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "edge.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealer, err := opaque.NewSealer([][]byte{bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return &ledger{store: s, sealer: sealer, clock: now}, s
}

var aWrite = mcpbridge.WriteID{GrantID: "grant", Tool: "submit", Key: "key-of-a-client"}

func TestTheLedgerKnowsAWriteAfterARestart(t *testing.T) {
	dir, now := t.TempDir(), clock.NewFake(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	first, s := newLedger(t, dir, now)
	if _, found, err := first.Find(t.Context(), aWrite); found || err != nil {
		t.Fatalf("before: %t, %v", found, err)
	}
	begun, err := first.Begin(t.Context(), aWrite, [32]byte{1})
	if !begun || err != nil {
		t.Fatalf("begin: %t, %v", begun, err)
	}
	if begun, err = first.Begin(t.Context(), aWrite, [32]byte{2}); begun || err != nil {
		t.Errorf("begun twice: %t, %v", begun, err)
	}
	if w, _, err := first.Find(t.Context(), aWrite); err != nil || w.Answer != nil || !w.SentAt.Equal(now.Now()) || w.Digest != [32]byte{1} {
		t.Errorf("begun: %+v, %v", w, err)
	}
	if err := first.Answer(t.Context(), aWrite, []byte("an answer with words of a customer")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	second, _ := newLedger(t, dir, now)
	if w, found, err := second.Find(t.Context(), aWrite); !found || err != nil || string(w.Answer) != "an answer with words of a customer" {
		t.Errorf("after: %+v, %t, %v", w, found, err)
	}
	for _, other := range []mcpbridge.WriteID{{GrantID: "other", Tool: aWrite.Tool, Key: aWrite.Key}, {GrantID: aWrite.GrantID, Tool: "cancel", Key: aWrite.Key}, {GrantID: aWrite.GrantID, Tool: aWrite.Tool, Key: "k"}} {
		if _, found, err := second.Find(t.Context(), other); found || err != nil {
			t.Errorf("%+v: %t, %v", other, found, err)
		}
	}
}

func TestTheDatabaseHoldsNeitherKeysNorAnswers(t *testing.T) {
	dir := t.TempDir()
	l, s := newLedger(t, dir, clock.System)
	if _, err := l.Begin(t.Context(), aWrite, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := l.Answer(t.Context(), aWrite, []byte("words-of-a-customer")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{aWrite.Key, "words-of-a-customer"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%s holds %q", f.Name(), secret)
			}
		}
	}
}

func TestAKeyIsANewOneAfterADaySweptOrNot(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	l, _ := newLedger(t, t.TempDir(), now)
	for _, digest := range [][32]byte{{1}, {2}} {
		if begun, err := l.Begin(t.Context(), aWrite, digest); !begun || err != nil {
			t.Fatalf("begin: %t, %v", begun, err)
		}
		now.Advance(store.KeepIdempotency - time.Second)
		if _, found, err := l.Find(t.Context(), aWrite); !found || err != nil {
			t.Errorf("in time: %t, %v", found, err)
		}
		now.Advance(time.Second)
		if _, found, err := l.Find(t.Context(), aWrite); found || err != nil {
			t.Errorf("afterwards: %t, %v", found, err)
		}
	}
}

func TestAnAnswerOfAnotherRowDoesNotOpen(t *testing.T) {
	l, s := newLedger(t, t.TempDir(), clock.System)
	other := aWrite
	other.Key = "other"
	for _, id := range []mcpbridge.WriteID{aWrite, other} {
		if _, err := l.Begin(t.Context(), id, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	sealed := l.sealer.Seal(answerPurpose(writeKey(aWrite)), []byte("answer"))
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return tx.AnswerIdempotentWrite(t.Context(), writeKey(other), time.Now(), []byte(sealed))
	})
	if err != nil {
		t.Fatal(err)
	}
	if w, found, err := l.Find(t.Context(), other); err == nil || found || w.Answer != nil {
		t.Errorf("%+v, %t, %v", w, found, err)
	}
}

func TestAWriteThatWasForgottenMayBegin(t *testing.T) {
	l, _ := newLedger(t, t.TempDir(), clock.System)
	for range 2 {
		if begun, err := l.Begin(t.Context(), aWrite, [32]byte{1}); !begun || err != nil {
			t.Fatalf("begin: %t, %v", begun, err)
		}
		if err := l.Forget(t.Context(), aWrite); err != nil {
			t.Fatal(err)
		}
	}
}
