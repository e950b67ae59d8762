package sqlite

import (
	"context"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var (
	selectDocument = query("document", `SELECT d.url, d.body, d.fetched_at, d.expires_at
		FROM documents d WHERE d.url = ?`)
	saveDocument = command("save document", `INSERT INTO documents (url, body, fetched_at, expires_at)
		VALUES (?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET
		body = excluded.body, fetched_at = excluded.fetched_at, expires_at = excluded.expires_at`)
)

// Document implements store.DocumentReader.
func (r reads) Document(ctx context.Context, url string) (store.Document, error) {
	var d store.Document
	dest := []any{&d.URL, &d.Body, toTime{&d.FetchedAt}, toTime{&d.ExpiresAt}}
	if err := r.row(ctx, selectDocument, dest, url); err != nil {
		return store.Document{}, err
	}
	return d, nil
}

// SaveDocument implements store.DocumentWriter.
func (t *tx) SaveDocument(ctx context.Context, d store.Document) error {
	return t.insert(ctx, saveDocument, d.URL, blob(d.Body), micros(d.FetchedAt), micros(d.ExpiresAt))
}
