package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

const (
	// maxBatch is how many bytes are gathered before they are written.
	maxBatch = 1 << 20
	// retryAfter is how long the writer waits before it tries again by itself to
	// write what a fault of the disk held back.
	retryAfter = time.Second
)

// appender is the part of a file that the writer needs.
type appender interface {
	io.WriteCloser
	// Sync makes all that was written durable.
	Sync() error
	// Current says whether the path still names this file.
	Current() bool
}

// writer is the one goroutine that touches the file.
type writer struct {
	path  string
	open  func(path string) (appender, error)
	log   *slog.Logger
	limit int // of backlog

	file    appender // nil after a fault, until it is opened anew
	backlog [][]byte // lines of events that were accepted but not yet written
	failing bool     // the last attempt failed
}

// run writes what comes through queue until stop is closed.
func (w *writer) run(queue <-chan entry, stop <-chan struct{}) error {
	for {
		in := queue
		var retry <-chan time.Time
		if len(w.backlog) > 0 {
			retry = time.After(retryAfter)
		}
		if len(w.backlog) >= w.limit {
			in = nil // let the queue fill: callers then hear of it
		}
		select {
		case first := <-in:
			w.commit(gather([]entry{first}, queue))
		case <-retry:
			w.commit(nil)
		case <-stop:
			return w.end(queue)
		}
	}
}

// gather adds to batch what is waiting already, so that one fsync serves all.
func gather(batch []entry, queue <-chan entry) []entry {
	size := 0
	for size < maxBatch {
		select {
		case next := <-queue:
			batch, size = append(batch, next), size+len(next.line)
		default:
			return batch
		}
	}
	return batch
}

// commit writes the backlog and batch, in order, and tells durable events their
// outcome. What fails of the others stays in the backlog; a durable event that
// failed does not, because its caller was told that it is not stored.
func (w *writer) commit(batch []entry) {
	lines := slices.Clone(w.backlog)
	durable := false
	for _, e := range batch {
		lines = append(lines, e.line)
		durable = durable || e.done != nil
	}
	written, err := w.write(lines)
	if err == nil && durable {
		if err = w.sync(); err != nil {
			written = 0 // the system may have thrown it away: once more is better than never
		}
	}
	w.report(err)

	held := len(w.backlog)
	w.backlog = w.backlog[min(written, held):]
	for i, e := range batch {
		switch {
		case e.done != nil:
			e.done <- err
		case held+i >= written:
			w.backlog = append(w.backlog, e.line)
		}
	}
}

// write appends lines in one call and returns how many are in the file whole.
func (w *writer) write(lines [][]byte) (written int, err error) {
	if w.file != nil && !w.file.Current() {
		// The file was rotated away; what it holds stays durable.
		err := w.file.Sync()
		w.drop()
		if err != nil {
			return 0, fmt.Errorf("audit file: sync: %w", err)
		}
	}
	if w.file == nil {
		if err := w.reopen(); err != nil {
			return 0, err
		}
	}
	var all []byte
	for _, line := range lines {
		all = append(all, line...)
	}
	n, err := w.file.Write(all)
	if err == nil {
		return len(lines), nil
	}
	w.drop()
	for _, line := range lines {
		if n < len(line) {
			break
		}
		n -= len(line)
		written++
	}
	return written, fmt.Errorf("audit file: write: %w", err)
}

// sync makes the batch durable. After a fault the file is opened anew: a second
// fsync on the same handle may report success for pages that are lost.
func (w *writer) sync() error {
	if err := w.file.Sync(); err != nil {
		w.drop()
		return fmt.Errorf("audit file: sync: %w", err)
	}
	return nil
}

func (w *writer) drop() {
	_ = w.file.Close() // the fault that led here is the one to report
	w.file = nil
}

func (w *writer) reopen() error {
	file, err := w.open(w.path)
	if err != nil {
		return fmt.Errorf("audit file: %w", err)
	}
	w.file = file
	return nil
}

// report logs when writing begins to fail and when it works again. Callers that
// wait get the error itself; the others learn of it here only.
func (w *writer) report(err error) {
	switch {
	case err != nil && !w.failing:
		w.log.Error("audit events cannot be written and are held back", "error", err)
	case err == nil && w.failing:
		w.log.Info("audit events are written again")
	}
	w.failing = err != nil
}

// end writes what is left and closes the file.
func (w *writer) end(queue <-chan entry) error {
	for batch := gather(nil, queue); len(batch) > 0; batch = gather(nil, queue) {
		w.commit(batch)
	}
	if len(w.backlog) > 0 {
		w.commit(nil)
	}
	if len(w.backlog) > 0 {
		err := fmt.Errorf("audit file: %d events could not be written", len(w.backlog))
		if w.file != nil {
			err = errors.Join(err, w.file.Close())
		}
		return err
	}
	if w.file == nil {
		return nil
	}
	return errors.Join(w.file.Sync(), w.file.Close())
}
