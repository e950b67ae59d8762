package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// tx implements store.Tx: it reads on the writer connection, which nobody else
// can write past, and writes there.
type tx struct {
	reads
	writes
}

// writes runs commands inside a transaction.
type writes interface {
	// insert runs a command of which only success matters.
	insert(ctx context.Context, s *statement, args ...any) error
	// change runs a command that must meet a row, and returns
	// store.ErrNotFound if it met none.
	change(ctx context.Context, s *statement, args ...any) error
}

var _ store.Tx = (*tx)(nil)

// member is one update inside a batch: what fn's statements run on.
type member struct {
	writer *writer
	over   atomic.Bool // fn has returned; the connection is somebody else's
	failed error       // a statement did not take place, so this update must not
	fatal  error       // nothing of the batch can be committed
}

// admit refuses statements that may not run, before SQLite sees them. A
// statement itself is never interrupted: SQLite would roll back the whole
// transaction, which others share.
func (m *member) admit(ctx context.Context, s *statement) error {
	if m.over.Load() {
		return unavailable(s.op, errOver)
	}
	if m.failed == nil && ctx.Err() != nil {
		m.failed = cancelled(ctx, s.op)
	}
	return m.failed
}

// judge translates the outcome of a statement and remembers what it means for
// the member and the batch.
func (m *member) judge(s *statement, err error) error {
	if err == nil {
		return nil
	}
	out := translate(s.op, err)
	if errors.Is(out, store.ErrUnavailable) {
		m.failed = out
	}
	if !leavesTransaction(err) {
		m.fatal = err
	}
	return out
}

func (m *member) row(ctx context.Context, s *statement, dest []any, args ...any) error {
	if err := m.admit(ctx, s); err != nil {
		return err
	}
	p, err := m.writer.stmt(s)
	if err == nil {
		err = p.QueryRowContext(context.WithoutCancel(ctx), args...).Scan(dest...)
	}
	return m.judge(s, err)
}

func (m *member) each(ctx context.Context, s *statement, scan func(scanner) error, args ...any) error {
	if err := m.admit(ctx, s); err != nil {
		return err
	}
	p, err := m.writer.stmt(s)
	if err == nil {
		err = each(context.WithoutCancel(ctx), p, scan, args)
	}
	return m.judge(s, err)
}

// exec runs a command and returns how many rows it changed.
func (m *member) exec(ctx context.Context, s *statement, args ...any) (int64, error) {
	if err := m.admit(ctx, s); err != nil {
		return 0, err
	}
	n, err := m.writer.exec(context.WithoutCancel(ctx), s, args...)
	return n, m.judge(s, err)
}

// insert runs a command of which only success matters.
func (m *member) insert(ctx context.Context, s *statement, args ...any) error {
	_, err := m.exec(ctx, s, args...)
	return err
}

// change runs a command that must meet a row; ErrNotFound if it met none.
func (m *member) change(ctx context.Context, s *statement, args ...any) error {
	n, err := m.exec(ctx, s, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", s.op, store.ErrNotFound)
	}
	return err
}
