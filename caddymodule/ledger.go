package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// idempotencyStore is the part of the store in which a ledger is kept.
type idempotencyStore interface {
	store.IdempotencyReader
	store.Updater
}

// ledger keeps the MCP side's writes in the store. Answers are sealed, because
// they hold text of customers; keys of clients are kept as hashes.
type ledger struct {
	store  idempotencyStore
	sealer *opaque.Sealer
	clock  clock.Clock
}

// Find implements mcpbridge.Ledger. What is past its time and not yet swept is
// not there any more.
func (l *ledger) Find(ctx context.Context, id mcpbridge.WriteID) (w mcpbridge.Write, found bool, err error) {
	key := writeKey(id)
	kept, err := l.store.IdempotentWrite(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && l.past(kept):
		return mcpbridge.Write{}, false, nil
	case err != nil:
		return mcpbridge.Write{}, false, err
	}
	w = mcpbridge.Write{Digest: kept.Digest, SentAt: kept.SentAt}
	if !kept.AnsweredAt.IsZero() {
		if w.Answer, err = l.sealer.Open(answerPurpose(key), string(kept.Answer)); err != nil {
			return mcpbridge.Write{}, false, fmt.Errorf("the answer that was kept: %w", err)
		}
	}
	return w, true, nil
}

// Begin implements mcpbridge.Ledger.
func (l *ledger) Begin(ctx context.Context, id mcpbridge.WriteID, digest [32]byte) (begun bool, err error) {
	w := store.IdempotentWrite{Key: writeKey(id), Digest: digest, SentAt: l.clock.Now()}
	err = l.store.Update(ctx, func(tx store.Tx) error {
		kept, err := tx.IdempotentWrite(ctx, w.Key)
		switch {
		case err == nil && !l.past(kept):
			return store.ErrConflict
		case err == nil:
			if err := tx.DeleteIdempotentWrite(ctx, w.Key); err != nil {
				return err
			}
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return tx.CreateIdempotentWrite(ctx, w)
	})
	if errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// Answer implements mcpbridge.Ledger.
func (l *ledger) Answer(ctx context.Context, id mcpbridge.WriteID, answer []byte) error {
	key := writeKey(id)
	sealed := l.sealer.Seal(answerPurpose(key), answer)
	return l.store.Update(ctx, func(tx store.Tx) error {
		return tx.AnswerIdempotentWrite(ctx, key, l.clock.Now(), []byte(sealed))
	})
}

// Forget implements mcpbridge.Ledger.
func (l *ledger) Forget(ctx context.Context, id mcpbridge.WriteID) error {
	return l.store.Update(ctx, func(tx store.Tx) error { return tx.DeleteIdempotentWrite(ctx, writeKey(id)) })
}

func (l *ledger) past(w store.IdempotentWrite) bool {
	return !l.clock.Now().Before(w.SentAt.Add(store.KeepIdempotency))
}

// writeKey is the key of a write in the store. Ids of grants and names of tools
// have no zero byte, so that no two writes have one text.
func writeKey(id mcpbridge.WriteID) store.Hash {
	return sha256.Sum256([]byte("write\x00" + id.GrantID + "\x00" + id.Tool + "\x00" + id.Key))
}

// answerPurpose binds an answer to its write: one that was moved to another row
// does not open.
func answerPurpose(key store.Hash) string {
	return "answer to a write\x00" + base64.RawStdEncoding.EncodeToString(key[:])
}

// Interface guard.
var _ mcpbridge.Ledger = (*ledger)(nil)
