package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

const (
	// clientColumns are those beside the key.
	clientColumns = `c.kind, c.profile, c.name, c.redirect_uris, c.grant_types, c.auth_method, c.secret_hash,
	c.scope, c.application_type, c.software_id, c.software_version, c.created_at, c.authorized_at,
	c.updated_at, c.metadata_hash, c.approved_at, c.registration_hash`

	insertIntoClients = `INSERT INTO clients (id, kind, profile, name, redirect_uris, grant_types, auth_method, secret_hash,
		scope, application_type, software_id, software_version, created_at, authorized_at, updated_at, metadata_hash,
		approved_at, registration_hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
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
		approved_at = iif(excluded.approved_at = 0, clients.approved_at, excluded.approved_at),
		updated_at = excluded.updated_at, metadata_hash = excluded.metadata_hash,
		registration_hash = excluded.registration_hash`)
	markClient = command("mark client authorized", `UPDATE clients
		SET authorized_at = iif(authorized_at = 0, ?1, authorized_at), approved_at = ?1 WHERE id = ?2`)
	deleteClient = command("delete client", `DELETE FROM clients WHERE id = ?`)

	selectClients = query("clients", `SELECT c.id, `+clientColumns+`,
		(SELECT count(*) FROM families f WHERE f.client_id = c.id
			AND f.revoked_at = 0 AND f.absolute_end > ?3 AND f.idle_end > ?3),
		(SELECT coalesce(max(f.created_at), 0) FROM families f WHERE f.client_id = c.id)
		FROM clients c WHERE c.id > ?1 ORDER BY c.id LIMIT ?2`)
)

// clientDest are the scan targets for the key and clientColumns.
func clientDest(c *store.Client) []any {
	return []any{
		&c.ID, &c.Kind, &c.Profile, &c.Name, toList{&c.RedirectURIs}, toList{&c.GrantTypes}, &c.AuthMethod, toHash{&c.SecretHash},
		&c.Scope, &c.ApplicationType, &c.SoftwareID, &c.SoftwareVersion, toTime{&c.CreatedAt}, toTime{&c.AuthorizedAt},
		toTime{&c.UpdatedAt}, toHash{&c.MetadataHash}, toTime{&c.ApprovedAt}, toHash{&c.RegistrationHash},
	}
}

// clientArgs are the values for insertIntoClients.
func clientArgs(c store.Client) []any {
	return []any{
		c.ID, c.Kind, c.Profile, c.Name, jsonList(c.RedirectURIs), jsonList(c.GrantTypes), c.AuthMethod, nullable(c.SecretHash),
		c.Scope, c.ApplicationType, c.SoftwareID, c.SoftwareVersion, micros(c.CreatedAt), micros(c.AuthorizedAt),
		micros(c.UpdatedAt), nullable(c.MetadataHash), micros(c.ApprovedAt), nullable(c.RegistrationHash),
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

// Clients implements store.ClientLister.
func (r reads) Clients(ctx context.Context, after string, limit int, now time.Time) ([]store.ClientSummary, error) {
	var out []store.ClientSummary
	err := r.each(ctx, selectClients, func(scan scanner) error {
		var c store.ClientSummary
		err := scan(append(clientDest(&c.Client), &c.LiveGrants, toTime{&c.LastGrantAt})...)
		out = append(out, c)
		return err
	}, after, max(limit, 0), micros(now))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CreateClient implements store.ClientWriter.
func (t *tx) CreateClient(ctx context.Context, c store.Client) error {
	removed, err := t.ClientRemoved(ctx, c.ID)
	if err != nil {
		return err
	}
	if removed {
		return fmt.Errorf("create client that was removed: %w", store.ErrConflict)
	}
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
