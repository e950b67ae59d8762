package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

const (
	// clientColumns are those beside the key.
	clientColumns = `c.kind, c.profile, c.name, c.redirect_uris, c.grant_types, c.auth_method, c.secret_hash,
	c.scope, c.application_type, c.software_id, c.software_version, c.created_at, c.authorized_at,
	c.updated_at, c.metadata_hash`

	insertIntoClients = `INSERT INTO clients (id, kind, profile, name, redirect_uris, grant_types, auth_method, secret_hash,
		scope, application_type, software_id, software_version, created_at, authorized_at, updated_at, metadata_hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

var (
	selectClient = query("client", `SELECT c.id, `+clientColumns+` FROM clients c WHERE c.id = ?`)
	insertClient = command("create client", insertIntoClients)
	// One statement: a row that is there is changed in place, never deleted and
	// made anew.
	putClient = command("put client", insertIntoClients+` ON CONFLICT (id) DO UPDATE SET
		kind = excluded.kind, profile = excluded.profile, name = excluded.name,
		redirect_uris = excluded.redirect_uris, grant_types = excluded.grant_types,
		auth_method = excluded.auth_method, secret_hash = excluded.secret_hash, scope = excluded.scope,
		application_type = excluded.application_type,
		software_id = excluded.software_id, software_version = excluded.software_version,
		created_at = iif(excluded.created_at = 0, clients.created_at, excluded.created_at),
		authorized_at = iif(excluded.authorized_at = 0, clients.authorized_at, excluded.authorized_at),
		updated_at = excluded.updated_at, metadata_hash = excluded.metadata_hash`)
	markClient = command("mark client authorized", `UPDATE clients
		SET authorized_at = iif(authorized_at = 0, ?, authorized_at) WHERE id = ?`)
	deleteClient = command("delete client", `DELETE FROM clients WHERE id = ?`)
)

// clientDest are the scan targets for the key and clientColumns.
func clientDest(c *store.Client) []any {
	return []any{
		&c.ID, &c.Kind, &c.Profile, &c.Name, toList{&c.RedirectURIs}, toList{&c.GrantTypes}, &c.AuthMethod, toHash{&c.SecretHash},
		&c.Scope, &c.ApplicationType, &c.SoftwareID, &c.SoftwareVersion, toTime{&c.CreatedAt}, toTime{&c.AuthorizedAt},
		toTime{&c.UpdatedAt}, toHash{&c.MetadataHash},
	}
}

// clientArgs are the values for insertIntoClients.
func clientArgs(c store.Client) []any {
	return []any{
		c.ID, c.Kind, c.Profile, c.Name, jsonList(c.RedirectURIs), jsonList(c.GrantTypes), c.AuthMethod, nullable(c.SecretHash),
		c.Scope, c.ApplicationType, c.SoftwareID, c.SoftwareVersion, micros(c.CreatedAt), micros(c.AuthorizedAt),
		micros(c.UpdatedAt), nullable(c.MetadataHash),
	}
}

// Client implements store.ClientReader.
func (r reads) Client(ctx context.Context, id string) (store.Client, error) {
	var c store.Client
	if err := r.row(ctx, selectClient, clientDest(&c), id); err != nil {
		return store.Client{}, err
	}
	return c, nil
}

// CreateClient implements store.ClientWriter.
func (t *tx) CreateClient(ctx context.Context, c store.Client) error {
	return t.insert(ctx, insertClient, clientArgs(c)...)
}

// PutClient implements store.ClientWriter.
func (t *tx) PutClient(ctx context.Context, c store.Client) error {
	return t.insert(ctx, putClient, clientArgs(c)...)
}

// MarkClientAuthorized implements store.ClientWriter. It returns
// store.ErrNotFound if there is no such client.
func (t *tx) MarkClientAuthorized(ctx context.Context, id string, at time.Time) error {
	return t.change(ctx, markClient, micros(at), id)
}

// DeleteClient implements store.ClientWriter. It returns store.ErrNotFound if
// there is no such client. Its families stay, and its access tokens are not
// found by Access any more.
func (t *tx) DeleteClient(ctx context.Context, id string) error {
	return t.change(ctx, deleteClient, id)
}
