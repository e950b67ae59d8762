package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var insertLogoutToken = command("use logout token", `INSERT INTO logout_tokens (hash, expires_at) VALUES (?, ?)`)

// UseLogoutToken implements store.LogoutTokenWriter.
func (t *tx) UseLogoutToken(ctx context.Context, h store.Hash, until time.Time) error {
	return t.insert(ctx, insertLogoutToken, h[:], micros(until))
}
