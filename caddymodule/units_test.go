package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func TestInFlightIsIdleOnlyAfterItsLastRequest(t *testing.T) {
	f := newInFlight()
	for range 2 {
		if !f.enter() {
			t.Fatal("a request was turned away")
		}
	}
	idle := f.close()
	if f.enter() {
		t.Error("a request began after the close")
	}
	f.leave()
	select {
	case <-idle:
		t.Fatal("idle while a request runs")
	default:
	}
	f.leave()
	<-idle
	if f.enter() {
		t.Error("a request began after the end")
	}
}

func TestInFlightWithoutRequestsIsIdleAtOnce(t *testing.T) {
	f := newInFlight()
	<-f.close()
	<-f.close()
}

func TestInFlightNeverClosesUnderARequest(t *testing.T) {
	for range 200 {
		f := newInFlight()
		var closed bool // written after idle, read inside requests: the race detector watches
		var requests sync.WaitGroup
		for range 8 {
			requests.Go(func() {
				for f.enter() {
					if closed {
						t.Error("closed under a request")
					}
					f.leave()
				}
			})
		}
		<-f.close()
		closed = true
		requests.Wait()
	}
}

func TestSecretsComeFromElsewhere(t *testing.T) {
	t.Setenv("TEST_SECRET", "s3cret")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		raw     string
		literal bool
		want    string
		fails   bool
	}{
		"from the environment":                     {raw: "{env.TEST_SECRET}", want: "s3cret"},
		"from a file, without its last line end":   {raw: "{file." + file + "}", want: "from-file"},
		"a literal one":                            {raw: "s3cret", fails: true},
		"a literal one for an issuer on localhost": {raw: "s3cret", literal: true, want: "s3cret"},
		"one with text around it":                  {raw: "x{env.TEST_SECRET}", fails: true},
		"one put together of two":                  {raw: "{env.TEST_SECRET}{env.TEST_SECRET}", fails: true},
		"another placeholder":                      {raw: "{system.hostname}", fails: true},
		"one that is not set":                      {raw: "{env.TEST_NOT_SET}", literal: true, fails: true},
		"a file that is not there":                 {raw: "{file.nowhere}", fails: true},
		"an empty one":                             {raw: "", literal: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := resolveSecret(test.raw, test.literal)
			if (err != nil) != test.fails || got != test.want {
				t.Errorf("%q %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the message holds the secret: %v", err)
			}
		})
	}
}

func TestTwoSpellingsOfAFileAreOneStore(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	want, err := resolvePath(filepath.Join(dir, "edge.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, spelling := range []string{dir + "//edge.db", dir + "/x/../edge.db", filepath.Join(link, "edge.db")} {
		if got, err := resolvePath(spelling); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", spelling, got, err, want)
		}
	}
	// At the first start nothing below the link exists yet.
	early, err := resolvePath(filepath.Join(link, "data", "new", "edge.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data", "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if late, err := resolvePath(filepath.Join(link, "data", "new", "edge.db")); err != nil || late != early {
		t.Errorf("before the folder exists %q, after it %q, %v", early, late, err)
	}
	if _, err := resolvePath(""); err == nil {
		t.Error("an empty path was accepted")
	}
}

func TestSuggestions(t *testing.T) {
	allowed := []string{"issuer", "store", "tokens"}
	for word, want := range map[string]string{
		"isuer":      "did you mean issuer? allowed are: issuer, store, tokens",
		"Store":      "did you mean store? allowed are: issuer, store, tokens",
		"token":      "did you mean tokens? allowed are: issuer, store, tokens",
		"frobnicate": "allowed are: issuer, store, tokens",
	} {
		if got := suggest(word, allowed); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// rows is a store with rows to sweep.
type rows struct {
	mu          sync.Mutex
	left, calls int
	err         error
}

func (r *rows) Sweep(_ context.Context, _ time.Time, limit int) (store.Swept, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	n := min(limit, r.left)
	r.left -= n
	return store.Swept{Codes: n}, r.err
}

func TestTheSweeperDeletesInStepsOnceAMinuteAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := &rows{left: 2*sweepLimit + 1}
		look := func() (left, calls int) {
			synctest.Wait()
			table.mu.Lock()
			defer table.mu.Unlock()
			return table.left, table.calls
		}
		w := startSweeper(table, clock.System, slog.New(slog.DiscardHandler), nil, nil)
		time.Sleep(sweepEvery - time.Second)
		if _, calls := look(); calls != 0 {
			t.Errorf("%d sweeps before the first minute", calls)
		}
		time.Sleep(2 * time.Second)
		if left, calls := look(); left != 0 || calls != 3 {
			t.Errorf("%d rows are left after %d steps", left, calls)
		}
		table.mu.Lock()
		table.err = errors.New("locked")
		table.mu.Unlock()
		time.Sleep(sweepEvery)
		if _, calls := look(); calls != 4 {
			t.Errorf("a failing sweep was repeated at once: %d steps", calls)
		}
		w.stop()
		w = nil
		w.stop()
	})
}

func TestTheDocumentedDefaultWaitsForTheLongestCall(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "grace_period ")
	if !found {
		t.Fatal("the Caddyfile sets no grace_period")
	}
	grace, err := time.ParseDuration(strings.Fields(rest)[0])
	if err != nil || grace < drainTimeout {
		t.Errorf("grace_period is %v, %v; a call may take %v", grace, err, drainTimeout)
	}
}
