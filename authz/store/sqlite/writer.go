package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// maxBatch bounds how many updates share one commit, and so how long the first
// of them waits for its answer.
const maxBatch = 64

var (
	savepoint  = command("savepoint", "SAVEPOINT member")
	keep       = command("release savepoint", "RELEASE member")
	undo       = command("roll back to savepoint", "ROLLBACK TO member")
	begin      = command("begin", "BEGIN IMMEDIATE")
	committing = command("commit", "COMMIT")
)

// writer runs updates on the one connection that writes.
//
// A commit waits for the disk, and SQLite has one writer; so updates that queue
// up behind each other share a transaction: each runs inside a savepoint, on the
// goroutine of its caller, and the last one commits for all. The others wait for
// that commit. There is no goroutine of its own to start, stop or crash, and an
// update that comes alone waits for nobody.
type writer struct {
	turns turns
	wait  time.Duration

	// The rest belongs to whoever has the turn.
	dsn      string
	closed   bool
	db       *sql.DB
	conn     *sql.Conn
	prepared []*sql.Stmt // by slot, as needed
}

// batch is one transaction with the updates that share it.
type batch struct {
	members int
	done    chan struct{} // closed after the commit, or its failure
	err     error         // why nothing was committed; set before done is closed
}

func newWriter(dsn string, wait time.Duration) *writer { return &writer{dsn: dsn, wait: wait} }

// update is Store.Update.
func (w *writer) update(ctx context.Context, fn func(*member) error) error {
	if ctx.Err() != nil {
		return cancelled(ctx, "update")
	}
	b, err := w.enter(ctx)
	if err != nil {
		return err
	}
	verdict := w.run(ctx, b, fn)
	// Also when the caller has gone: what it does after a commit, such as making
	// cached answers unreachable, would do nothing if the commit came later.
	<-b.done
	if b.err != nil {
		return b.err
	}
	return verdict
}

// enter waits for the turn and joins the open batch, or begins one.
func (w *writer) enter(ctx context.Context) (*batch, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.wait, errLockWait)
	defer cancel()
	b, err := w.turns.await(ctx)
	if err != nil {
		return nil, cancelled(ctx, "update")
	}
	if b == nil {
		if err := w.begin(ctx); err != nil {
			w.turns.release()
			return nil, err
		}
		b = &batch{done: make(chan struct{})}
	}
	b.members++
	return b, nil
}

// begin opens a transaction that holds SQLite's write lock, for which it waits
// until ctx ends.
func (w *writer) begin(ctx context.Context) error {
	if w.closed {
		return unavailable("update", errNotOpen)
	}
	err := w.connect(ctx)
	if err == nil {
		_, err = w.exec(ctx, begin)
	}
	if err == nil {
		return nil
	}
	// Whether the transaction is open is unknown after an interrupt.
	w.drop()
	if ctx.Err() != nil {
		return cancelled(ctx, "update")
	}
	return translate("update", err)
}

// run runs fn as a member of b. In every case, a panic included, it leaves the
// transaction as fn's outcome demands and gives the turn on.
func (w *writer) run(ctx context.Context, b *batch, fn func(*member) error) (verdict error) {
	m := &member{writer: w}
	undone := true
	defer func() {
		m.over.Store(true)
		if m.fatal == nil {
			m.fatal = w.leave(undone)
		}
		w.settle(b, m.fatal)
	}()
	if m.fatal = w.mark(); m.fatal != nil {
		return m.fatal
	}
	if ctx.Err() != nil {
		return cancelled(ctx, "update")
	}
	if err := fn(m); err != nil {
		return err
	}
	if m.failed != nil {
		// fn went on after a statement that did not take place.
		return m.failed
	}
	undone = false
	return nil
}

// mark sets the savepoint to which a member's failure goes back.
func (w *writer) mark() error {
	_, err := w.exec(context.Background(), savepoint)
	return err
}

// leave ends the member's savepoint.
func (w *writer) leave(undone bool) error {
	if undone {
		if _, err := w.exec(context.Background(), undo); err != nil {
			return err
		}
	}
	_, err := w.exec(context.Background(), keep)
	return err
}

// settle hands the open batch to the next update, or commits it if there is
// none or the batch is full. After a fatal error nothing of it is committed.
func (w *writer) settle(b *batch, fatal error) {
	if fatal == nil {
		if b.members < maxBatch && w.turns.handOn(b) {
			return
		}
		_, fatal = w.exec(context.Background(), committing)
	}
	if fatal != nil {
		b.err = unavailable("update", fatal)
		w.drop()
	}
	close(b.done)
	w.turns.release()
}

// connect opens the connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	db, err := sql.Open(driverName, w.dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return err
	}
	w.db, w.conn, w.prepared = db, conn, make([]*sql.Stmt, len(statements))
	return nil
}

// check opens the connection and sees that what durability rests on is in
// force: a file system without shared memory, for one, refuses WAL silently.
func (w *writer) check(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var have string
		if err := w.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&have); err != nil {
			return err
		}
		if have != want {
			return fmt.Errorf("pragma %s is %s, not %s", pragma, have, want)
		}
	}
	return nil
}

// drop closes the connection, which rolls back what is open on it; the next
// batch opens another. The statements go first: database/sql forgets those of a
// single connection, and while one is left SQLite keeps connection, transaction
// and lock alive.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	for _, p := range w.prepared {
		if p != nil {
			_ = p.Close()
		}
	}
	_ = w.conn.Close()
	_ = w.db.Close()
	w.db, w.conn, w.prepared = nil, nil, nil
}

// close waits for the turn, so that no transaction is cut off.
func (w *writer) close() {
	for {
		b, err := w.turns.await(context.Background())
		if err != nil {
			return // a context without end does not fail
		}
		w.closed = true
		if b == nil {
			break
		}
		// An open batch is for its next member to end, or for us.
		w.settle(b, nil)
	}
	w.drop()
	w.turns.release()
}

// stmt prepares s on first use.
func (w *writer) stmt(s *statement) (*sql.Stmt, error) {
	if p := w.prepared[s.slot]; p != nil {
		return p, nil
	}
	p, err := w.conn.PrepareContext(context.Background(), s.text)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", s.op, err)
	}
	w.prepared[s.slot] = p
	return p, nil
}

func (w *writer) exec(ctx context.Context, s *statement, args ...any) (int64, error) {
	p, err := w.stmt(s)
	if err != nil {
		return 0, err
	}
	r, err := p.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
