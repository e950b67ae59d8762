package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Errors of a file recorder.
var (
	// ErrQueueFull says that events come faster than the disk takes them.
	ErrQueueFull = errors.New("audit queue is full")
	// ErrClosed says that the recorder was closed.
	ErrClosed = errors.New("audit recorder is closed")
)

// FileConfig configures a file recorder.
type FileConfig struct {
	// Path of the file; required. It is made with mode 0600, its folder with
	// 0700. A path that comes to name another file (log rotation) is opened anew.
	Path string
	// Node names this process in every event; optional.
	Node string
	// Clock stamps events; default the system's.
	Clock clock.Clock
	// Rand makes event ids unique; default the system's source.
	Rand io.Reader
	// Log reports trouble that no caller waits to hear of; default slog.Default.
	Log *slog.Logger
	// Queue is how many events may wait for the disk; default 8192.
	Queue int
}

// File records events in a file, one JSON object a line, in the order in which
// Record was called. Events that come while the disk is busy are written
// together and share one fsync. It is safe for concurrent use.
type File struct {
	node  string
	clock clock.Clock

	mu     sync.Mutex // orders stamping and queueing, so that ids sort as lines do
	ids    ids
	closed bool
	queue  chan entry
	stop   chan struct{} // closed by Close

	done     chan struct{} // closed when the writer has ended
	closeErr error         // read after done
}

// entry is one encoded line on its way to the disk.
type entry struct {
	line []byte
	done chan error // receives the outcome of a durable event; nil for others
}

// NewFile opens the file and starts its writer. A last line that a crash cut
// short is ended, never removed.
func NewFile(cfg FileConfig) (*File, error) { return newFile(cfg, openFile) }

func newFile(cfg FileConfig, open func(path string) (appender, error)) (*File, error) {
	if cfg.Path == "" {
		return nil, errors.New("audit file: no path")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 8192
	}
	w := &writer{path: cfg.Path, open: open, log: cfg.Log, limit: cfg.Queue}
	if err := w.reopen(); err != nil {
		return nil, err
	}
	f := &File{
		node: cfg.Node, clock: cfg.Clock, ids: ids{rand: cfg.Rand},
		queue: make(chan entry, cfg.Queue), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(f.done)
		f.closeErr = w.run(f.queue, f.stop)
	}()
	return f, nil
}

// Record stores e. For a durable event it returns when the event is on disk, or
// with what went wrong; the line may then be in the file nevertheless, as it may
// when ctx ends first and the error is that of ctx. Other events are written
// soon after, in order; a fault of the disk delays them, and may repeat one, but
// loses none while the process lives. Errors: ErrQueueFull, ErrClosed, or the
// fault of the disk.
func (f *File) Record(ctx context.Context, e Event) error {
	done, err := f.enqueue(e) // also when ctx has ended: what happened is recorded
	if err != nil || done == nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *File) enqueue(e Event) (chan error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	now := f.clock.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.ID == "" {
		id, err := f.ids.next(now)
		if err != nil {
			return nil, err
		}
		e.ID = id
	}
	if f.node != "" {
		e.Node = f.node
	}
	item := entry{line: append(AppendJSON(nil, e), '\n')}
	if e.Durable {
		item.done = make(chan error, 1) // the writer never waits for a caller that left
	}
	select {
	case f.queue <- item:
		return item.done, nil
	default:
		return nil, ErrQueueFull
	}
}

// Close writes what is queued, syncs and closes the file. It returns the fault
// that kept events from being written, if one did. Events recorded later are
// refused with ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.stop)
	}
	f.mu.Unlock()
	<-f.done
	return f.closeErr
}
