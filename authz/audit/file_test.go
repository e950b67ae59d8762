package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(path string) audit.FileConfig {
	return audit.FileConfig{
		Path: path, Node: "n1", Clock: clock.NewFake(at), Rand: rand.NewChaCha8([32]byte{2}), Log: slog.New(slog.DiscardHandler),
	}
}

func newFile(t *testing.T, path string) *audit.File {
	t.Helper()
	f, err := audit.NewFile(config(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeFile(t, f) })
	return f
}

func closeFile(t *testing.T, f *audit.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

type line struct {
	Name string    `json:"event_name"`
	ID   string    `json:"event_id"`
	Node string    `json:"node"`
	Time time.Time `json:"timestamp"`
	Tool string    `json:"tool_name"`
}

func read(t *testing.T, path string) []line {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw)
}

func parse(t *testing.T, raw []byte) []line {
	t.Helper()
	var all []line
	for text := range bytes.Lines(raw) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}

func tools(lines []line) []string {
	var names []string
	for _, l := range lines {
		names = append(names, l.Tool)
	}
	return names
}

func record(t *testing.T, r audit.Recorder, tool string, durable bool) {
	t.Helper()
	if err := r.Record(t.Context(), audit.Event{Name: audit.ToolInvoked, ToolName: tool, Durable: durable}); err != nil {
		t.Fatalf("record %s: %v", tool, err)
	}
}

func TestDurableEventIsInTheFileWhenRecordReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "audit.jsonl")
	f := newFile(t, path)
	record(t, f, "a", false)
	record(t, f, "b", true)

	got := read(t, path)
	if diff := cmp.Diff([]string{"a", "b"}, tools(got)); diff != "" {
		t.Errorf("lines: %s", diff)
	}
	if !got[0].Time.Equal(at.Truncate(time.Microsecond)) || got[0].Node != "n1" {
		t.Errorf("stamped %v on node %q", got[0].Time, got[0].Node)
	}
	if got[0].ID >= got[1].ID {
		t.Errorf("ids do not sort in the order of events: %s, %s", got[0].ID, got[1].ID)
	}
}

func TestCloseWritesWhatIsQueuedAndEndsTheRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f := newFile(t, path)
	for i := range 500 {
		record(t, f, fmt.Sprint(i), false)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); len(got) != 500 {
		t.Errorf("%d lines, want 500", len(got))
	}
	if err := f.Record(t.Context(), audit.Event{}); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("record after close: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestEveryConcurrentEventIsWrittenOnceAndIdsSortAsLinesDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f := newFile(t, path)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 50 {
				e := audit.Event{Name: audit.ToolInvoked, ToolName: fmt.Sprintf("%d-%d", worker, i), Durable: i%7 == 0}
				if err := f.Record(context.Background(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	names := tools(got)
	slices.Sort(names)
	if len(slices.Compact(names)) != 400 {
		t.Errorf("%d different events, want 400", len(slices.Compact(names)))
	}
	if !slices.IsSortedFunc(got, func(a, b line) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("ids are not in the order of lines")
	}
}

func TestIdsSortWhenTheClockStepsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	fake := clock.NewFake(at)
	cfg := config(path)
	cfg.Clock = fake
	f, err := audit.NewFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 { // more than the counter of one millisecond holds
		record(t, f, "x", i == 4999)
	}
	fake.Advance(-time.Hour)
	record(t, f, "y", true)
	fake.Advance(2 * time.Hour)
	record(t, f, "z", true)
	closeFile(t, f)
	got := read(t, path)
	if !slices.IsSortedFunc(got, func(a, b line) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("ids do not sort")
	}
	if id := got[len(got)-1].ID; len(id) != 36 || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) {
		t.Errorf("%q is not a UUID of version 7", id)
	}
}

func TestFileAndFolderAreForTheServerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "audit.jsonl")
	newFile(t, path)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v (%v)", name, info.Mode().Perm(), want, err)
		}
	}
}

func TestLineCutShortByACrashIsEndedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	before := `{"tool_name":"a"}` + "\n" + `{"tool_na`
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFile(t, path)
	record(t, f, "b", true)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(string(raw), before+"\n")
	if !ok {
		t.Fatalf("the old text was changed: %q", raw)
	}
	if diff := cmp.Diff([]string{"b"}, tools(parse(t, []byte(rest)))); diff != "" {
		t.Errorf("after it: %s", diff)
	}
}

func TestWholeLastLineIsLeftAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for _, tool := range []string{"a", "b"} {
		f := newFile(t, path)
		record(t, f, tool, true)
		closeFile(t, f)
	}
	if diff := cmp.Diff([]string{"a", "b"}, tools(read(t, path))); diff != "" {
		t.Error(diff)
	}
}

func TestRotatedFileIsFollowedByANewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f := newFile(t, path)
	record(t, f, "a", true)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	record(t, f, "b", true)
	if got := tools(read(t, path+".1")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("old file has %v", got)
	}
	if got := tools(read(t, path)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("new file has %v", got)
	}
}

func TestPathThatCannotHoldTheTrailIsRefused(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no path": "", "a folder": dir, "a path through a file": filepath.Join(blocked, "x"), "a device": os.DevNull,
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := audit.NewFile(config(path)); err == nil {
				closeFile(t, f)
				t.Error("accepted")
			}
		})
	}
}

func TestMultiGivesEachEventToAllAndReportsAnyFault(t *testing.T) {
	var first, last audittest.Memory
	fault := errors.New("sink down")
	first.Fail(fault)
	err := audit.Multi(&first, &last).Record(t.Context(), audit.Event{Name: audit.SignInOK})
	if !errors.Is(err, fault) {
		t.Errorf("error %v", err)
	}
	if got := last.Named(audit.SignInOK); len(got) != 1 {
		t.Errorf("the recorder after the failed one has %d events", len(got))
	}
}
