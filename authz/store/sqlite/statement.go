package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// statement is one SQL text with its place among the prepared ones. All are
// package variables, so that no SQL is ever composed from input.
type statement struct {
	op    string // names the operation in errors
	text  string
	slot  int
	reads bool
	// census says that it counts what is kept, now and then and never for a
	// request, and may therefore walk a table.
	census bool
}

var statements []*statement

// query declares a statement that only reads.
func query(op, text string) *statement { return declare(op, text, true) }

// count declares a statement that counts what is kept.
func count(op, text string) *statement {
	s := query(op, text)
	s.census = true
	return s
}

// command declares a statement that writes.
func command(op, text string) *statement { return declare(op, text, false) }

func declare(op, text string, reads bool) *statement {
	s := &statement{op: op, text: text, slot: len(statements), reads: reads}
	statements = append(statements, s)
	return s
}

// source runs reading statements: on the pool of readers outside a transaction,
// on the writer connection inside one.
type source interface {
	// row scans the only row into dest.
	row(ctx context.Context, s *statement, dest []any, args ...any) error
	// each calls scan for every row, with the function that scans it.
	each(ctx context.Context, s *statement, scan func(scanner) error, args ...any) error
}

type scanner func(dest ...any) error

// reads implements store.Reader on a source.
type reads struct{ source }

// each runs a prepared query to its end, so that no cursor stays open to pin an
// old state of the database.
func each(ctx context.Context, prepared *sql.Stmt, scan func(scanner) error, args []any) error {
	rows, err := prepared.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// pool is the readers: connections that cannot write.
type pool struct {
	db       *sql.DB
	prepared []*sql.Stmt // by slot; nil for commands
}

// newPool opens the readers and prepares every query, so that a statement that
// does not fit the schema is found at start.
func newPool(ctx context.Context, dsn string, size int) (*pool, error) {
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	p := &pool{db: db, prepared: make([]*sql.Stmt, len(statements))}
	for _, s := range statements {
		if !s.reads {
			continue
		}
		if p.prepared[s.slot], err = db.PrepareContext(ctx, s.text); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("prepare %s: %w", s.op, err)
		}
	}
	return p, nil
}

func (p *pool) row(ctx context.Context, s *statement, dest []any, args ...any) error {
	return translateFor(ctx, s.op, p.prepared[s.slot].QueryRowContext(ctx, args...).Scan(dest...))
}

func (p *pool) each(ctx context.Context, s *statement, scan func(scanner) error, args ...any) error {
	return translateFor(ctx, s.op, each(ctx, p.prepared[s.slot], scan, args))
}

func (p *pool) close() error { return p.db.Close() }
