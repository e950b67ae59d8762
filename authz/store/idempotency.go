package store

import (
	"context"
	"time"
)

// IdempotentWrite is a write to a backend that was named by an idempotency key,
// from the moment before it was sent.
type IdempotentWrite struct {
	Key    Hash // over the grant, the tool and the key of the client
	Digest Hash // over the arguments, so that another write under the key is recognised
	SentAt time.Time
	// AnsweredAt is when its outcome was kept; zero = it is not known.
	AnsweredAt time.Time
	// Answer is what was answered, sealed; nil while AnsweredAt is zero.
	Answer []byte
}

// IdempotencyReader reads idempotent writes.
type IdempotencyReader interface {
	IdempotentWrite(ctx context.Context, key Hash) (IdempotentWrite, error)
}

// IdempotencyWriter writes them.
type IdempotencyWriter interface {
	// CreateIdempotentWrite inserts w; ErrConflict when the key exists.
	CreateIdempotentWrite(ctx context.Context, w IdempotentWrite) error
	// AnswerIdempotentWrite stores the answer and when it was given, once:
	// ErrNotFound when there is no such write or it has an answer.
	AnswerIdempotentWrite(ctx context.Context, key Hash, at time.Time, answer []byte) error
	// DeleteIdempotentWrite removes it; ErrNotFound when it is gone.
	DeleteIdempotentWrite(ctx context.Context, key Hash) error
}
