package storetest

import (
	"context"
	"errors"
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
	{"a client that is put is read as it was given", func(t *testing.T, s store.Store) {
		want := documentClient("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, want) })
		same(t, "client", read(t, s.Client, want.ID), want)
	}},
	{"a client that is put replaces every member of the one before, and no other client", func(t *testing.T, s store.Store) {
		seed(t, s)
		want, other := sampleClient("another"), sampleClient("other")
		want.ID = "client"
		want.RedirectURIs, want.GrantTypes, want.AuthMethod = []string{"https://new.example/cb"}, nil, "client_secret_post"
		want.Scope, want.ApplicationType, want.SoftwareID, want.SoftwareVersion = "new:scope", "native", "new software", "2"
		want.CreatedAt, want.AuthorizedAt, want.UpdatedAt = base.Add(time.Hour), base.Add(2*time.Hour), base.Add(3*time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.CreateClient(ctx, other), tx.PutClient(ctx, want))
		})
		same(t, "client", read(t, s.Client, "client"), want)
		same(t, "client of the access", read(t, s.Access, hash("token")).Client, want)
		same(t, "other client", read(t, s.Client, "other"), other)
	}},
	{"a client that is put without secret and hash has none", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleClient("client")
		want.AuthMethod, want.SecretHash, want.MetadataHash, want.UpdatedAt = "none", store.Hash{}, store.Hash{}, time.Time{}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, want) })
		same(t, "client", read(t, s.Client, "client"), want)
	}},
	{"a put without creation time keeps that of the client before", func(t *testing.T, s store.Store) {
		seed(t, s)
		c, want := sampleClient("client"), sampleClient("client")
		c.CreatedAt, c.AuthorizedAt = time.Time{}, base.Add(time.Hour)
		want.AuthorizedAt = c.AuthorizedAt
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, c) })
		same(t, "client", read(t, s.Client, "client"), want)
	}},
	{"a put without approval time keeps that of the client before", func(t *testing.T, s store.Store) {
		seed(t, s)
		c, want := sampleClient("client"), sampleClient("client")
		c.CreatedAt, c.AuthorizedAt, c.ApprovedAt = base.Add(time.Hour), time.Time{}, time.Time{}
		want.CreatedAt = c.CreatedAt
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, c) })
		same(t, "client", read(t, s.Client, "client"), want)
	}},
	{"a put of a new client without times leaves them zero", func(t *testing.T, s store.Store) {
		c := documentClient("https://c.example/client.json")
		c.CreatedAt = time.Time{}
		for range 2 { // new, then over itself
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, c) })
			same(t, "client", read(t, s.Client, c.ID), c)
		}
	}},
	{"a put leaves the client's grants and approvals alone", func(t *testing.T, s store.Store) {
		seed(t, s)
		a := sampleApproval("a", "session", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.CreateApproval(ctx, a), tx.PutClient(ctx, sampleClient("client")))
		})
		checkSeed(t, s)
		same(t, "approval", read(t, s.Approval, "a"), a)
	}},
	{"an id that was put is taken", func(t *testing.T, s store.Store) {
		want := documentClient("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, want) })
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, sampleClient(want.ID)) })
		fails(t, "registration", err, store.ErrConflict)
		same(t, "client", read(t, s.Client, want.ID), want)
	}},
	{"a mark changes the approval's time and nothing else", func(t *testing.T, s store.Store) {
		want := documentClient("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, want) })
		want.AuthorizedAt = base.Add(time.Hour)
		want.ApprovedAt = want.AuthorizedAt
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.MarkClientAuthorized(ctx, want.ID, want.AuthorizedAt)
		})
		same(t, "client", read(t, s.Client, want.ID), want)
	}},
	{"the first approval's time stays, the last one's moves", func(t *testing.T, s store.Store) {
		c := sampleClient("c")
		c.AuthorizedAt = time.Time{}
		first, second := base.Add(time.Hour), base.Add(2*time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
		for _, at := range []time.Time{first, second} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.MarkClientAuthorized(ctx, "c", at) })
		}
		c.AuthorizedAt, c.ApprovedAt = first, second
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
	{"a removed client is gone, and its id does not come back", func(t *testing.T, s store.Store) {
		seed(t, s)
		for _, id := range []string{"client", "never had a row"} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.RemoveClient(ctx, id, base) })
			absent(t, "client", s.Client, id)
			if !read(t, s.ClientRemoved, id) {
				t.Errorf("%s is not known as removed", id)
			}
			err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, sampleClient(id)) })
			fails(t, "creation of "+id, err, store.ErrConflict)
		}
		absent(t, "access", s.Access, hash("token"))
		if read(t, s.ClientRemoved, "other") {
			t.Error("a client that nobody removed is known as removed")
		}
	}},
	{"clients are listed in the order of their ids, with their live grants", func(t *testing.T, s store.Store) {
		seed(t, s)
		other, third := sampleClient("d"), sampleClient("e")
		ended := sampleFamily("ended", "user", "d")
		ended.RevokedAt, ended.RevokedWhy, ended.CreatedAt = base, "user", base.Add(time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.CreateClient(ctx, third), tx.CreateClient(ctx, other), tx.CreateFamily(ctx, ended),
				tx.CreateFamily(ctx, sampleFamily("second", "user", "client")))
		})
		want := []store.ClientSummary{
			{Client: sampleClient("client"), LiveGrants: 2, LastGrantAt: base},
			{Client: other, LastGrantAt: ended.CreatedAt},
			{Client: third},
		}
		list := func(after string, limit int) []store.ClientSummary {
			got, err := s.Clients(t.Context(), after, limit, base.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		same(t, "all", list("", 10), want)
		same(t, "first two", list("", 2), want[:2])
		same(t, "after the second", list("d", 10), want[2:])
		same(t, "none", list("", 0), []store.ClientSummary(nil))
	}},
}
