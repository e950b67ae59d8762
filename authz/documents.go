package authz

import (
	"context"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// newDocuments returns the clients that are known by the URL of their metadata
// document.
func newDocuments(cfg Config) (*document.Service, error) {
	return document.New(document.Config{
		Profiles: documentProfiles{cfg.Profiles}, Fetcher: cfg.Documents,
		Clients: documentClients{cfg.Store}, Copies: documentCopies{cfg.Store},
		Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log,
	})
}

// clients is the store, in which a client whose id is a URL is found by its
// document. It is asked before a person is: a document that is out of reach
// starts no grant.
type clients struct {
	store.Store
	documents *document.Service // nil = off
}

// Client implements store.ClientReader.
func (c clients) Client(ctx context.Context, id string) (store.Client, error) {
	if c.documents == nil || !strings.HasPrefix(id, document.Prefix) {
		return c.Store.Client(ctx, id)
	}
	record, err := c.documents.ForConsent(ctx, id)
	return rowOf(record), err
}

// documentProfiles are the profiles that list documents.
type documentProfiles struct{ registry *client.Registry }

// ByDocument implements document.Profiles.
func (p documentProfiles) ByDocument(url string) (id, name string, ok bool) {
	profile, ok := p.registry.ByDocument(url)
	return profile.ID, profile.Name, ok
}

// documentClients keeps the rows that stand for documents.
type documentClients struct{ store store.Store }

// Client implements document.Clients.
func (d documentClients) Client(ctx context.Context, id string) (document.Record, error) {
	row, err := d.store.Client(ctx, id)
	return document.Record{Client: row, Kind: row.Kind, MetadataHash: row.MetadataHash, UpdatedAt: row.UpdatedAt}, err
}

// PutClient implements document.Clients.
func (d documentClients) PutClient(ctx context.Context, r document.Record) error {
	return d.store.Update(ctx, func(tx store.Tx) error { return tx.PutClient(ctx, rowOf(r)) })
}

func rowOf(r document.Record) store.Client {
	row := r.Client
	row.Kind, row.MetadataHash, row.UpdatedAt = r.Kind, r.MetadataHash, r.UpdatedAt
	return row
}

// documentCopies keeps the last good copies.
type documentCopies struct{ store store.Store }

// Document implements document.Copies.
func (d documentCopies) Document(ctx context.Context, url string) (document.Copy, error) {
	kept, err := d.store.Document(ctx, url)
	return document.Copy(kept), err
}

// SaveDocument implements document.Copies.
func (d documentCopies) SaveDocument(ctx context.Context, c document.Copy) error {
	return d.store.Update(ctx, func(tx store.Tx) error { return tx.SaveDocument(ctx, store.Document(c)) })
}
