package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver

	"github.com/teamlumos/mcp-edge/authz/store"
)

// defaultBusyTimeout bounds the wait for the write lock: past it an answer
// "try again" is better than a queue that grows.
const defaultBusyTimeout = 2 * time.Second

// Config says where the database is.
type Config struct {
	// Path of the database file; required. Its folder is made with mode 0700.
	Path string
	// Log gets what an operator should know; nil discards it.
	Log *slog.Logger
	// BusyTimeout is how long an Update waits for its turn, and SQLite for the
	// locks of other processes; default 2 s.
	BusyTimeout time.Duration
}

// Store is the embedded engine. It is safe for concurrent use; a transaction
// belongs to the goroutine that runs it.
type Store struct {
	reads
	path   string
	log    *slog.Logger
	wait   time.Duration
	mu     sync.Mutex // guards opening and closing
	closed bool
	open   atomic.Pointer[engine]
}

// engine is what exists between Migrate and Close.
type engine struct {
	readers *pool
	writer  *writer
}

var _ store.Store = (*Store)(nil)

// Open checks cfg and returns a store on which Migrate must be called first. It
// neither creates nor opens a file, so that a configuration can be checked
// without a trace.
func Open(_ context.Context, cfg Config) (*Store, error) {
	if cfg.Path == "" {
		return nil, errors.New("sqlite: the path of the database is missing")
	}
	if cfg.BusyTimeout < 0 {
		return nil, errors.New("sqlite: the busy timeout is negative")
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	s := &Store{
		path: path,
		log:  cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		wait: cmp.Or(cfg.BusyTimeout, defaultBusyTimeout),
	}
	s.reads = reads{s}
	return s, nil
}

// Migrate creates the database if it is absent, brings its schema up to date
// and opens it. Processes that start at once migrate one after the other. It
// returns ErrNewerSchema when a newer version of the program was here; all its
// errors are store.ErrUnavailable.
func (s *Store) Migrate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unavailable("migrate", errNotOpen)
	}
	opening.Lock()
	defer opening.Unlock()
	if err := migrate(ctx, s.path, s.log); err != nil {
		return translateFor(ctx, "migrate", err)
	}
	if s.open.Load() != nil {
		return nil
	}
	e, err := openEngine(ctx, s.path, s.wait)
	if err != nil {
		return translateFor(ctx, "open", err)
	}
	s.open.Store(e)
	return nil
}

func openEngine(ctx context.Context, path string, wait time.Duration) (*engine, error) {
	w := newWriter(writerDSN(path, wait), wait)
	if err := w.check(ctx); err != nil {
		w.drop()
		return nil, err
	}
	// A read takes some ten microseconds; more connections than processors
	// only help while some wait for the disk.
	p, err := newPool(ctx, readerDSN(path, wait), max(4, runtime.GOMAXPROCS(0)))
	if err != nil {
		w.drop()
		return nil, err
	}
	return &engine{readers: p, writer: w}, nil
}

// Close waits for the transactions that have begun, then closes the files.
// Updates that still wait for their turn get store.ErrUnavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	e := s.open.Swap(nil)
	if e == nil {
		return nil
	}
	// The writer goes last: the last connection to close empties the
	// write-ahead log into the database, which is a write.
	err := e.readers.close()
	e.writer.close()
	return err
}

// Update implements store.Updater. fn runs on the caller's goroutine; a panic
// in it undoes its changes and goes on. fn may share a commit with others, see
// writer; whatever it returns, the answer waits for that commit, because fn may
// have seen what is committed by it.
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	e := s.open.Load()
	if e == nil {
		return unavailable("update", errNotOpen)
	}
	return e.writer.update(ctx, func(m *member) error { return fn(&tx{reads{m}, m}) })
}

func (s *Store) row(ctx context.Context, st *statement, dest []any, args ...any) error {
	e := s.open.Load()
	if e == nil {
		return unavailable(st.op, errNotOpen)
	}
	return e.readers.row(ctx, st, dest, args...)
}

func (s *Store) each(ctx context.Context, st *statement, scan func(scanner) error, args ...any) error {
	e := s.open.Load()
	if e == nil {
		return unavailable(st.op, errNotOpen)
	}
	return e.readers.each(ctx, st, scan, args...)
}
