package storetest

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var idempotencyCases = []testCase{
	{"a write is read as it was begun, and then as it was answered", func(t *testing.T, s store.Store) {
		want := sampleIdempotentWrite("w")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateIdempotentWrite(ctx, want) })
		same(t, "begun", read(t, s.IdempotentWrite, want.Key), want)
		want.AnsweredAt, want.Answer = base.Add(time.Second), bytes.Repeat([]byte{0, 0xff}, 64<<10)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.AnswerIdempotentWrite(ctx, want.Key, want.AnsweredAt, want.Answer)
		})
		same(t, "answered", read(t, s.IdempotentWrite, want.Key), want)
	}},
	{"an unknown key is not found, whatever is done with it", func(t *testing.T, s store.Store) {
		key := hash("other")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateIdempotentWrite(ctx, sampleIdempotentWrite("w"))
		})
		absent(t, "write", s.IdempotentWrite, key)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.AnswerIdempotentWrite(ctx, key, base, []byte("x"))
		})
		fails(t, "answer", err, store.ErrNotFound)
		err = attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteIdempotentWrite(ctx, key) })
		fails(t, "delete", err, store.ErrNotFound)
	}},
	{"an answer is kept once and never replaced", func(t *testing.T, s store.Store) {
		want := sampleIdempotentWrite("w")
		want.AnsweredAt, want.Answer = base.Add(time.Second), []byte("first")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateIdempotentWrite(ctx, want) })
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.AnswerIdempotentWrite(ctx, want.Key, base.Add(time.Hour), []byte("second"))
		})
		fails(t, "second answer", err, store.ErrNotFound)
		same(t, "write", read(t, s.IdempotentWrite, want.Key), want)
	}},
	{"a write that was deleted may begin again", func(t *testing.T, s store.Store) {
		w := sampleIdempotentWrite("w")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateIdempotentWrite(ctx, w) })
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteIdempotentWrite(ctx, w.Key) })
		absent(t, "write", s.IdempotentWrite, w.Key)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateIdempotentWrite(ctx, w) })
	}},
	{"of many that begin one write at once, one does", func(t *testing.T, s store.Store) {
		var begun atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
					return tx.CreateIdempotentWrite(ctx, sampleIdempotentWrite("w"))
				})
				if err == nil {
					begun.Add(1)
				} else {
					fails(t, "a loser", err, store.ErrConflict)
				}
			})
		}
		wg.Wait()
		if n := begun.Load(); n != 1 {
			t.Errorf("%d began", n)
		}
	}},
}
