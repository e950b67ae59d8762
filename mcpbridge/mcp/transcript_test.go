package mcp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/teamlumos/mcp-edge/mcpbridge"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata from what the server says")

// TestTranscripts replays conversations from testdata/*.txtar. Files named
// "… request" hold headers, an empty line and a body; the files after each are
// the whole answer and the audit events of the request.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			old, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			now := &txtar.Archive{Comment: old.Comment}
			e := serve(t, small)
			for _, file := range old.Files {
				step, ok := strings.CutSuffix(file.Name, " request")
				if !ok {
					continue
				}
				head, body, _ := strings.Cut(string(file.Data), "\n\n")
				before := len(e.trail.all())
				got := e.do(t, call{headers: strings.Split(head, "\n"), body: strings.TrimSpace(body)})
				now.Files = append(now.Files, file, txtar.File{Name: step + " answer", Data: transcribe(t, got)})
				if events := e.trail.all()[before:]; len(events) > 0 {
					now.Files = append(now.Files, txtar.File{Name: step + " audit", Data: transcribeEvents(events)})
				}
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(now), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(old)), string(txtar.Format(now))); diff != "" {
				t.Errorf("the conversation changed; if it should, run the test with -update (-want +got):\n%s", diff)
			}
		})
	}
}

// transcribe writes an answer down without what differs from run to run.
func transcribe(t *testing.T, a answer) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP %d\n", a.status)
	var names []string
	for name := range a.header {
		if name != "Date" && name != "Content-Length" && name != "X-Request-Id" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(a.header[name], ", "))
	}
	b.WriteByte('\n')
	if a.body != "" {
		if err := json.Indent(&b, []byte(a.body), "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// transcribeEvents writes one line for each event: its name, and what it says of
// the call.
func transcribeEvents(events []mcpbridge.Event) []byte {
	var b bytes.Buffer
	for _, e := range events {
		b.WriteString(e.Name)
		for _, field := range []struct{ name, value string }{
			{"tool", e.Tool}, {"scope", e.Scope}, {"permission", e.Permission}, {"write_outcome", e.WriteOutcome},
			{"target_resource_id", e.TargetResourceID}, {"reason", string(e.Reason)}, {"error_code", e.ErrorCode},
		} {
			if field.value != "" {
				fmt.Fprintf(&b, " %s=%s", field.name, field.value)
			}
		}
		if e.Durable {
			b.WriteString(" durable")
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
