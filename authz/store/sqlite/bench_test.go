package sqlite_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/store/storetest"
)

const benchTokens = 10_000

// number is the hash of the n-th token of a benchmark.
func number(n uint64) store.Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}

// filled returns a store with benchTokens access tokens.
func filled(b *testing.B) *sqlite.Store {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "edge.db"))
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	err := s.Update(b.Context(), func(tx store.Tx) error {
		if err := storetest.Seed(b.Context(), tx); err != nil {
			return err
		}
		for n := range uint64(benchTokens) {
			if err := tx.CreateAccessToken(b.Context(), token(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func token(n uint64) store.AccessToken {
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return store.AccessToken{
		Hash: number(n), FamilyID: "family", Scopes: []string{"apps:read"},
		IssuedAt: issued, ExpiresAt: issued.Add(time.Hour),
	}
}

// BenchmarkAccess is the read of the hot path.
func BenchmarkAccess(b *testing.B) {
	s := filled(b)
	// A request's context can be cancelled, which costs the driver something.
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for n := uint64(0); b.Loop(); n++ {
			if _, err := s.Access(ctx, number(n%benchTokens)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many callers", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		var next atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Access(ctx, number(next.Add(1)%benchTokens)); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkUpdate is a rotation's worth of writes, each durable when it returns.
func BenchmarkUpdate(b *testing.B) {
	for name, callers := range map[string]int{"one caller": 0, "64 callers": 32} {
		b.Run(name, func(b *testing.B) {
			s := filled(b)
			var next atomic.Uint64
			next.Store(benchTokens)
			ctx := b.Context()
			rotate := func() error {
				return s.Update(ctx, func(tx store.Tx) error {
					f, err := tx.Family(ctx, "family")
					if err != nil {
						return err
					}
					f.Gen++
					if err := tx.CreateGeneration(ctx, store.Generation{FamilyID: f.ID, Gen: f.Gen}); err != nil {
						return err
					}
					if err := tx.CreateAccessToken(ctx, token(next.Add(1))); err != nil {
						return err
					}
					return tx.SaveFamily(ctx, f)
				})
			}
			b.ResetTimer()
			if callers == 0 {
				for range b.N {
					if err := rotate(); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := rotate(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkCountRows is what the gauges of kept rows cost once a minute.
func BenchmarkCountRows(b *testing.B) {
	s := filled(b)
	for b.Loop() {
		if _, err := s.CountRows(b.Context(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
