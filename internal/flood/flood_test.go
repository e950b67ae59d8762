package flood_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/flood"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestPass(t *testing.T) {
	t.Parallel()
	type event struct {
		key  string
		at   time.Duration
		ok   bool
		held int
	}
	const s, ms = time.Second, time.Millisecond
	for name, tc := range map[string]struct {
		every  time.Duration
		events []event
	}{
		"the first passes, others wait for the interval to end": {s, []event{
			{"a", 0, true, 0}, {"a", 0, false, 0}, {"a", 999 * ms, false, 0}, {"a", s, true, 2},
		}},
		"the interval begins with the pass, not with what was held back": {s, []event{
			{"a", 0, true, 0}, {"a", 900 * ms, false, 0}, {"a", 1100 * ms, true, 1}, {"a", 1900 * ms, false, 0},
		}},
		"what was reported is not reported again": {s, []event{
			{"a", 0, true, 0}, {"a", 0, false, 0}, {"a", s, true, 1}, {"a", 2 * s, true, 0},
		}},
		"keys are counted apart": {s, []event{
			{"a", 0, true, 0}, {"a", 0, false, 0}, {"b", 0, true, 0}, {"a", s, true, 1}, {"b", s, true, 0},
		}},
		"the empty key is a key": {s, []event{
			{"", 0, true, 0}, {"", 0, false, 0}, {"", s, true, 1},
		}},
		"a clock that was set back lets pass": {s, []event{
			{"a", 0, true, 0}, {"a", -time.Hour, true, 0}, {"a", -time.Hour + s/2, false, 0}, {"a", -time.Hour + s, true, 1},
		}},
		"another interval": {time.Minute, []event{
			{"a", 0, true, 0}, {"a", 59 * s, false, 0}, {"a", time.Minute, true, 1},
		}},
		"no interval given is one second": {0, []event{
			{"a", 0, true, 0}, {"a", 999 * ms, false, 0}, {"a", s, true, 1},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := flood.Gate{Every: tc.every}
			var got []event
			for _, e := range tc.events {
				ok, held := g.Pass(e.key, start.Add(e.at))
				got = append(got, event{e.key, e.at, ok, held})
			}
			if diff := cmp.Diff(tc.events, got, cmp.AllowUnexported(event{})); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeysAreBoundedAndNothingIsLost sends what an attacker who chooses the
// keys would.
func TestKeysAreBoundedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	var g flood.Gate
	const keys, seconds = 10_000, 3
	passed, reported, sent := 0, 0, 0
	for second := range seconds {
		now := start.Add(time.Duration(second) * time.Second)
		inSecond := 0
		for i := range keys {
			for range 2 {
				sent++
				ok, held := g.Pass(strconv.Itoa(second)+"/"+strconv.Itoa(i), now)
				if ok {
					inSecond++
				}
				reported += held
			}
		}
		if inSecond == 0 || inSecond > flood.MaxKeys+1 {
			t.Errorf("%d of %d passed in second %d", inSecond, 2*keys, second)
		}
		passed += inSecond
	}
	if n := g.Len(); n > flood.MaxKeys {
		t.Errorf("%d keys are remembered", n)
	}
	if got := passed + reported + g.Held(); got != sent {
		t.Errorf("%d events are accounted for, want %d", got, sent)
	}
}

func TestAKeyFindsRoomAgainWhenOthersAreOver(t *testing.T) {
	t.Parallel()
	var g flood.Gate
	for i := range flood.MaxKeys {
		g.Pass(strconv.Itoa(i), start)
	}
	g.Pass("shared", start)
	if ok, _ := g.Pass("new", start); ok {
		t.Error("a key without room has an interval of its own")
	}
	later := start.Add(time.Second)
	if ok, held := g.Pass("new", later); !ok || held != 0 {
		t.Errorf("with room: %v, %d", ok, held)
	}
	if ok, _ := g.Pass("other", later); !ok {
		t.Error("keys with room share an interval")
	}
}

func TestConcurrentEventsPassOnce(t *testing.T) {
	t.Parallel()
	var g flood.Gate
	var wg sync.WaitGroup
	passes := make(chan bool, 64)
	for range cap(passes) {
		wg.Go(func() {
			ok, _ := g.Pass("a", start)
			passes <- ok
		})
	}
	wg.Wait()
	close(passes)
	n := 0
	for ok := range passes {
		if ok {
			n++
		}
	}
	if ok, held := g.Pass("a", start.Add(time.Second)); n != 1 || !ok || held != cap(passes)-1 {
		t.Errorf("%d passed at once, then %v with %d", n, ok, held)
	}
}
