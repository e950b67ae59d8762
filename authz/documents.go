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
		Clients: documentStore{cfg.Store}, Copies: documentStore{cfg.Store},
		Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log, Observe: cfg.Observers.Document,
	})
}

// clients is the store, in which every client is found: one whose id is a URL by
// its document, one that registered also before it has a row. It is asked before
// a person is: a document that is out of reach starts no grant.
type clients struct {
	store.Store
	registered *client.Clients
	documents  *document.Service // nil = off
	profiles   *client.Registry
	rejections *client.Rejections
}

// Client implements store.ClientReader.
func (c clients) Client(ctx context.Context, id string) (store.Client, error) {
	if c.documents == nil || !strings.HasPrefix(id, document.Prefix) {
		return c.registered.Client(ctx, id)
	}
	if _, listed := c.profiles.ByDocument(id); !listed && document.CheckID(id) == nil {
		c.rejections.Document(ctx, id)
	}
	return c.documents.ForConsent(ctx, id)
}

// documentProfiles are the profiles that list documents.
type documentProfiles struct{ registry *client.Registry }

// ByDocument implements document.Profiles.
func (p documentProfiles) ByDocument(url string) (id, name string, ok bool) {
	profile, ok := p.registry.ByDocument(url)
	return profile.ID, profile.Name, ok
}

// documentStore keeps the rows that stand for documents, and the last good
// copies. Each write is a transaction of its own.
type documentStore struct{ store.Store }

// PutClient implements document.Clients.
func (d documentStore) PutClient(ctx context.Context, c store.Client) error {
	return d.Update(ctx, func(tx store.Tx) error { return tx.PutClient(ctx, c) })
}

// SaveDocument implements document.Copies.
func (d documentStore) SaveDocument(ctx context.Context, kept store.Document) error {
	return d.Update(ctx, func(tx store.Tx) error { return tx.SaveDocument(ctx, kept) })
}
