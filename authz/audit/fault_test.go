package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
)

// disk is a file in memory whose faults are ordered by the test.
type disk struct {
	mu       sync.Mutex
	data     []byte
	syncs    int
	opens    int
	writeErr error
	partial  int // bytes that a failing write leaves behind
	syncErr  error
	openErr  error
	gate     chan struct{} // when set, each Sync takes one from it
	syncing  chan struct{} // when set, told that a Sync began
}

func (d *disk) open(string) (audit.Appender, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opens++
	if d.openErr != nil {
		return nil, d.openErr
	}
	if len(d.data) > 0 && d.data[len(d.data)-1] != '\n' {
		d.data = append(d.data, '\n')
	}
	return d, nil
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writeErr != nil {
		n := min(d.partial, len(p))
		d.data = append(d.data, p[:n]...)
		return n, d.writeErr
	}
	d.data = append(d.data, p...)
	return len(p), nil
}

func (d *disk) Sync() error {
	if d.gate != nil {
		d.syncing <- struct{}{}
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	return d.syncErr
}

func (d *disk) Close() error  { return nil }
func (d *disk) Current() bool { return true }

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *disk) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.data)
}

func newFileOn(t *testing.T, d *disk, queue int) *audit.File {
	t.Helper()
	cfg := config("x")
	cfg.Queue = queue
	f, err := audit.NewFileOn(cfg, d.open)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEventsThatWaitForTheDiskShareOneSync(t *testing.T) {
	d := &disk{gate: make(chan struct{}), syncing: make(chan struct{}, 100)}
	f := newFileOn(t, d, 100)

	var group sync.WaitGroup
	wait := func(tool string) {
		group.Go(func() { record(t, f, tool, true) })
	}
	wait("first")
	<-d.syncing // the disk is busy with the first
	const more = 20
	queueAll(t, f, more, wait)
	d.gate <- struct{}{} // the first is done
	<-d.syncing
	d.gate <- struct{}{} // all the others at once
	group.Wait()
	if d.syncs != 2 {
		t.Errorf("%d syncs for 1 + %d events, want 2", d.syncs, more)
	}
	close(d.gate)
	closeFile(t, f)
}

// queueAll starts n durable events and returns when all are queued.
func queueAll(t *testing.T, f *audit.File, n int, start func(string)) {
	t.Helper()
	want := audit.Queued(f) + n
	for i := range n {
		start(fmt.Sprint(i))
	}
	for ; audit.Queued(f) < want; runtime.Gosched() {
		if t.Context().Err() != nil {
			t.Fatal("the test ended first")
		}
	}
}

func TestFullQueueRefusesAndDropsNothing(t *testing.T) {
	d := &disk{gate: make(chan struct{}), syncing: make(chan struct{}, 10)}
	f := newFileOn(t, d, 2)
	var group sync.WaitGroup
	group.Go(func() { record(t, f, "a", true) })
	<-d.syncing
	record(t, f, "b", false)
	record(t, f, "c", false)
	for _, durable := range []bool{false, true} {
		if err := f.Record(t.Context(), audit.Event{ToolName: "d", Durable: durable}); !errors.Is(err, audit.ErrQueueFull) {
			t.Errorf("durable %v: error %v, want ErrQueueFull", durable, err)
		}
	}
	close(d.gate)
	group.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, tools(parse(t, []byte(d.text())))); diff != "" {
		t.Error(diff)
	}
}

func TestCallerThatLeavesDoesNotUndoItsEvent(t *testing.T) {
	d := &disk{gate: make(chan struct{}), syncing: make(chan struct{}, 10)}
	f := newFileOn(t, d, 10)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- f.Record(ctx, audit.Event{ToolName: "a", Durable: true}) }()
	<-d.syncing
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(d.gate)
	closeFile(t, f)
	if diff := cmp.Diff([]string{"a"}, tools(parse(t, []byte(d.text())))); diff != "" {
		t.Error(diff)
	}
}

func TestFaultReachesEveryWaitingCallerAndTheNextWriteTriesAgain(t *testing.T) {
	fault := errors.New("no space left")
	cases := []struct {
		name       string
		fail, heal func(*disk)
	}{
		{"a write fails", func(d *disk) { d.writeErr = fault }, func(d *disk) { d.writeErr = nil }},
		{"a sync fails", func(d *disk) { d.syncErr = fault }, func(d *disk) { d.syncErr = nil }},
		{"a write fails and the file cannot be opened again", func(d *disk) { d.writeErr, d.openErr = fault, fault }, func(d *disk) { d.writeErr, d.openErr = nil, nil }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := &disk{}
			f := newFileOn(t, d, 10)
			d.set(c.fail)
			for range 2 {
				if err := f.Record(t.Context(), audit.Event{ToolName: "lost", Durable: true}); !errors.Is(err, fault) {
					t.Errorf("error %v, want the fault", err)
				}
			}
			opens := d.opens
			d.set(c.heal)
			record(t, f, "kept", true)
			if d.opens <= opens {
				t.Error("the file was not opened anew")
			}
			if !strings.Contains(d.text(), "kept") {
				t.Errorf("file has %q", d.text())
			}
			if err := f.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestAcceptedEventsOutliveAFaultAndARefusedOneDoesNotComeBack(t *testing.T) {
	d := &disk{writeErr: errors.New("no space left"), partial: 30}
	f := newFileOn(t, d, 10)
	record(t, f, "a", false)
	if err := f.Record(t.Context(), audit.Event{ToolName: "refused", Durable: true}); err == nil {
		t.Fatal("a durable event was confirmed on a full disk")
	}
	record(t, f, "b", false)
	d.set(func(d *disk) { d.writeErr = nil })
	record(t, f, "c", true)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var whole []string
	for text := range strings.Lines(d.text()) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil { // pieces of lines stay, each on a line of its own
			whole = append(whole, l.Tool)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, whole); diff != "" {
		t.Errorf("whole lines: %s", diff)
	}
}

func TestAcceptedEventIsWrittenAgainWhenItsSyncFails(t *testing.T) {
	d := &disk{gate: make(chan struct{}), syncing: make(chan struct{}, 10)}
	f := newFileOn(t, d, 10)
	var group sync.WaitGroup
	group.Go(func() { record(t, f, "first", true) })
	<-d.syncing // what comes now is one batch
	record(t, f, "a", false)
	queueAll(t, f, 2, func(string) {
		group.Go(func() { _ = f.Record(t.Context(), audit.Event{ToolName: "refused", Durable: true}) })
	})
	d.gate <- struct{}{}
	<-d.syncing
	d.set(func(d *disk) { d.syncErr = errors.New("disk gone") })
	close(d.gate)
	group.Wait()
	d.set(func(d *disk) { d.syncErr = nil })
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(d.text(), `"tool_name":"a"`); n != 2 {
		t.Errorf("the accepted event is there %d times, want once more after the fault", n)
	}
	if n := strings.Count(d.text(), `"tool_name":"refused"`); n != 2 {
		t.Errorf("the refused events are there %d times, want no second time", n)
	}
}

func TestHeldBackEventsAreWrittenWithoutAnotherEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{writeErr: errors.New("no space left")}
		f := newFileOn(t, d, 1)
		record(t, f, "a", false)
		synctest.Wait() // held back: the backlog is full now
		record(t, f, "b", false)
		if err := f.Record(t.Context(), audit.Event{ToolName: "c"}); !errors.Is(err, audit.ErrQueueFull) {
			t.Errorf("error %v, want ErrQueueFull", err)
		}
		d.set(func(d *disk) { d.writeErr = nil })
		time.Sleep(time.Minute) // of the bubble's clock
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b"}, tools(parse(t, []byte(d.text())))); diff != "" {
			t.Error(diff)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseReportsEventsThatCouldNotBeWritten(t *testing.T) {
	d := &disk{writeErr: errors.New("no space left")}
	f := newFileOn(t, d, 10)
	record(t, f, "a", false)
	if err := f.Close(); err == nil {
		t.Error("close said nothing of a lost event")
	}
}
