package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var documentCases = []testCase{
	{"a document is read as it was saved", func(t *testing.T, s store.Store) {
		want := sampleDocument("https://c.example/client.json")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, want) })
		same(t, "document", read(t, s.Document, want.URL), want)
	}},
	{"an unknown document is not found", func(t *testing.T, s store.Store) {
		seed(t, s)
		absent(t, "document", s.Document, "other")
		absent(t, "document in other case", s.Document, "DOCUMENT")
		absent(t, "document of a client without one", s.Document, "client")
	}},
	{"a later copy replaces the one before, and no other", func(t *testing.T, s store.Store) {
		seed(t, s)
		want, other := sampleDocument("document"), sampleDocument("other")
		want.Body, want.FetchedAt, want.ExpiresAt = []byte("{}"), base.Add(2*time.Hour), base.Add(3*time.Hour)
		for _, d := range []store.Document{other, want} {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, d) })
		}
		same(t, "document", read(t, s.Document, "document"), want)
		same(t, "other document", read(t, s.Document, "other"), other)
	}},
	{"an older copy replaces the one before too: the caller decides which counts", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleDocument("document")
		want.FetchedAt, want.ExpiresAt = base.Add(-2*time.Hour), base.Add(-time.Hour)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, want) })
		same(t, "document", read(t, s.Document, "document"), want)
	}},
	{"a body is kept byte for byte", func(t *testing.T, s store.Store) {
		long := bytes.Repeat([]byte("{ }\n"), 16<<10) // 64 KiB
		for _, body := range [][]byte{long, {0}, {0, 0xff, 0xfe, 0}, []byte("\ufeff{}"), nil, {}} {
			want := sampleDocument("document")
			want.Body = body
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, want) })
			if got := read(t, s.Document, "document").Body; !bytes.Equal(got, body) {
				t.Errorf("read %d bytes, stored %d", len(got), len(body))
			}
		}
	}},
	{"times of a document may be zero", func(t *testing.T, s store.Store) {
		want := store.Document{URL: "document", Body: []byte("{}")}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, want) })
		same(t, "document", read(t, s.Document, "document"), want)
	}},
	{"a document and its client are kept apart", func(t *testing.T, s store.Store) {
		const url = "https://c.example/client.json"
		want := sampleDocument(url)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveDocument(ctx, want) })
		absent(t, "client", s.Client, url)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutClient(ctx, documentClient(url)) })
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteClient(ctx, url) })
		same(t, "document", read(t, s.Document, url), want)
	}},
}
