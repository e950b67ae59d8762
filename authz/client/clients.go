package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Minter makes and recognises what belongs to a client; *opaque.Minter is one.
type Minter interface {
	Mint(k opaque.Kind, family string, gen uint32) (token string, h store.Hash)
	Parse(k opaque.Kind, token string) (opaque.Parsed, bool)
	Derive(k opaque.Kind, clientID string) (credential string, h store.Hash, ok bool)
}

// Store is what clients are found in.
type Store interface {
	store.ClientReader
	store.RegistrationReader
}

// Clients finds dynamically registered clients by their id.
//
// A client has a row from its first approval, or its first change, on. Before, it
// is its id: when it registered and as what is written in it, under a MAC, and its
// secrets are derived from it. So a flood of registrations, which anyone may
// make, fills no table, and there is nothing of an honest client that it could
// push out.
type Clients struct {
	store Store
	ids   Minter
	clock clock.Clock
}

// NewClients returns Clients over a store. A nil clock is the system's.
func NewClients(s Store, ids Minter, c clock.Clock) (*Clients, error) {
	if s == nil || ids == nil {
		return nil, errors.New("clients: store and minter are required")
	}
	if c == nil {
		c = clock.System
	}
	return &Clients{store: s, ids: ids, clock: c}, nil
}

// Client returns the client with that id. The error is store.ErrNotFound, also
// for an id that nobody approved within store.KeepUnusedClient, or
// store.ErrUnavailable.
func (c *Clients) Client(ctx context.Context, id string) (store.Client, error) {
	found, err := c.store.Client(ctx, id)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return found, err
	}
	parsed, ok := c.ids.Parse(opaque.ClientID, id)
	if !ok {
		return store.Client{}, err
	}
	issued := time.Unix(int64(parsed.Gen), 0).UTC()
	if age := c.clock.Now().Sub(issued); age >= store.KeepUnusedClient {
		return store.Client{}, fmt.Errorf("client that nobody approved in time: %w", store.ErrNotFound)
	}
	removed, err := c.store.ClientRemoved(ctx, id)
	if err != nil {
		return store.Client{}, err
	}
	if removed {
		return store.Client{}, fmt.Errorf("removed client: %w", store.ErrNotFound)
	}
	r, err := c.store.Registration(ctx, parsed.Family)
	if err != nil {
		return store.Client{}, err
	}
	return c.of(r, id, issued)
}

// of makes the client with that id out of the registration that it shares.
func (c *Clients) of(r store.Registration, id string, issued time.Time) (store.Client, error) {
	made := r.Client
	made.ID, made.CreatedAt = id, issued
	var ok bool
	if _, made.RegistrationHash, ok = c.ids.Derive(opaque.Registration, id); !ok {
		return store.Client{}, fmt.Errorf("client of a key that is gone: %w", store.ErrNotFound)
	}
	if made.AuthMethod != AuthNone {
		_, made.SecretHash, _ = c.ids.Derive(opaque.ClientSecret, id)
	}
	return made, nil
}

// Authorize notes in tx that a person approved a client that Client returned,
// and gives it a row if it has none. The error is store.ErrNotFound for a client
// that was removed meanwhile, or store.ErrUnavailable.
func (c *Clients) Authorize(ctx context.Context, tx store.Tx, approved store.Client, at time.Time) error {
	err := tx.MarkClientAuthorized(ctx, approved.ID, at)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	approved.AuthorizedAt, approved.ApprovedAt = at, at
	err = tx.CreateClient(ctx, approved)
	if errors.Is(err, store.ErrConflict) { // there was no row a moment ago: the id was ended
		return fmt.Errorf("approve client: %w", store.ErrNotFound)
	}
	return err
}
