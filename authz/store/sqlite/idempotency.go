package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var (
	selectIdempotent = query("idempotent write", `SELECT w.key, w.digest, w.sent_at, w.answered_at, w.answer
		FROM idempotent_writes w WHERE w.key = ?`)
	insertIdempotent = command("create idempotent write", `INSERT INTO idempotent_writes (key, digest, sent_at, answered_at, answer)
		VALUES (?, ?, ?, ?, ?)`)
	answerIdempotent = command("answer idempotent write", `UPDATE idempotent_writes SET answered_at = ?, answer = ?
		WHERE key = ? AND answered_at = 0`)
	deleteIdempotent = command("delete idempotent write", `DELETE FROM idempotent_writes WHERE key = ?`)
)

// IdempotentWrite implements store.IdempotencyReader.
func (r reads) IdempotentWrite(ctx context.Context, key store.Hash) (store.IdempotentWrite, error) {
	var w store.IdempotentWrite
	dest := []any{toHash{&w.Key}, toHash{&w.Digest}, toTime{&w.SentAt}, toTime{&w.AnsweredAt}, &w.Answer}
	if err := r.row(ctx, selectIdempotent, dest, key[:]); err != nil {
		return store.IdempotentWrite{}, err
	}
	return w, nil
}

// CreateIdempotentWrite implements store.IdempotencyWriter.
func (t *tx) CreateIdempotentWrite(ctx context.Context, w store.IdempotentWrite) error {
	return t.insert(ctx, insertIdempotent, w.Key[:], w.Digest[:], micros(w.SentAt), micros(w.AnsweredAt), blob(w.Answer))
}

// AnswerIdempotentWrite implements store.IdempotencyWriter.
func (t *tx) AnswerIdempotentWrite(ctx context.Context, key store.Hash, at time.Time, answer []byte) error {
	return t.change(ctx, answerIdempotent, micros(at), blob(answer), key[:])
}

// DeleteIdempotentWrite implements store.IdempotencyWriter.
func (t *tx) DeleteIdempotentWrite(ctx context.Context, key store.Hash) error {
	return t.change(ctx, deleteIdempotent, key[:])
}
