package sqlite

import (
	"context"

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
