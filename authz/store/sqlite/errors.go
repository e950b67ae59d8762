package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// ErrNewerSchema says that the database was written by a newer version of the
// program. It is a store.ErrUnavailable too.
var ErrNewerSchema = errors.New("the database has a newer schema than this program knows")

var (
	errNotOpen   = errors.New("not migrated yet, or closed")
	errLockWait  = errors.New("waited too long for the write lock")
	errOver      = errors.New("the transaction is over")
	errMalformed = errors.New("malformed column")
)

// translate turns an error of the engine into one of package store. Messages of
// SQLite name tables, columns and constraints, never values, so that they are
// safe in a log.
func translate(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", op, store.ErrNotFound)
	}
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%s: %w", op, store.ErrConflict)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		// The row that the new one belongs to is gone: a session that was
		// signed out meanwhile, for example.
		return fmt.Errorf("%s: a row that it belongs to: %w", op, store.ErrNotFound)
	}
	return unavailable(op, err)
}

func unavailable(op string, err error) error {
	return fmt.Errorf("%s: %w: %w", op, store.ErrUnavailable, err)
}

// translateFor is translate for work that the end of ctx interrupts, which
// SQLite does not report as such.
func translateFor(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil {
		return cancelled(ctx, op)
	}
	return translate(op, err)
}

// cancelled reports that the caller's context ended; the result is both
// store.ErrUnavailable and the context's error.
func cancelled(ctx context.Context, op string) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); errors.Is(cause, errLockWait) {
		err = cause
	}
	return unavailable(op, err)
}

// code returns SQLite's extended result code, or 0 if err is not SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code()
}

// leavesTransaction says that err undid one statement at most. After any other
// error SQLite may have rolled the whole transaction back on its own, and what
// follows would run, and commit, outside of it.
func leavesTransaction(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, errMalformed) ||
		code(err)&0xff == sqlite3.SQLITE_CONSTRAINT
}
