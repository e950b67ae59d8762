package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var clientCases = []testCase{
	{"a client is read as it was created", func(t *testing.T, s store.Store) {
		want := sampleClient("c")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, want) })
		same(t, "client", read(t, s.Client, "c"), want)
	}},
	{"a public client has no secret", func(t *testing.T, s store.Store) {
		want := sampleClient("c")
		want.AuthMethod, want.SecretHash, want.AuthorizedAt = "none", store.Hash{}, time.Time{}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, want) })
		same(t, "client", read(t, s.Client, "c"), want)
	}},
	{"an unknown client is not found", func(t *testing.T, s store.Store) {
		seed(t, s)
		absent(t, "client", s.Client, "other")
		absent(t, "client in other case", s.Client, "CLIENT")
	}},
	{"an id is taken once", func(t *testing.T, s store.Store) {
		seed(t, s)
		other := sampleClient("client")
		other.Name = "impostor"
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, other) })
		fails(t, "second client", err, store.ErrConflict)
		same(t, "client", read(t, s.Client, "client"), sampleClient("client"))
	}},
	{"the first approval's time stays", func(t *testing.T, s store.Store) {
		c := sampleClient("c")
		c.AuthorizedAt = time.Time{}
		first, second := base.Add(time.Hour), base.Add(2*time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
		for _, at := range []time.Time{first, second} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.MarkClientAuthorized(ctx, "c", at) })
		}
		c.AuthorizedAt = first
		same(t, "client", read(t, s.Client, "c"), c)
	}},
	{"an unknown client is not marked", func(t *testing.T, s store.Store) {
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.MarkClientAuthorized(ctx, "c", base) })
		fails(t, "mark", err, store.ErrNotFound)
	}},
	{"a deleted client is gone, and its access tokens with it", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteClient(ctx, "client") })
		absent(t, "client", s.Client, "client")
		absent(t, "access", s.Access, hash("token"))
		read(t, s.Family, "family") // stays for the audit
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteClient(ctx, "client") })
		fails(t, "second delete", err, store.ErrNotFound)
	}},
}
