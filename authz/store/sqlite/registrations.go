package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

const registrationColumns = `r.id, r.fold, r.profile, r.name, r.redirect_uris, r.grant_types, r.auth_method, r.scope,
	r.application_type, r.software_id, r.software_version, r.created_at, r.seen_at`

var (
	selectRegistration = query("registration", `SELECT `+registrationColumns+` FROM registrations r WHERE r.id = ?`)
	selectFold         = query("registration", `SELECT `+registrationColumns+` FROM registrations r WHERE r.fold = ?`)
	saveRegistration   = command("save registration", `INSERT INTO registrations (id, fold, profile, name, redirect_uris,
		grant_types, auth_method, scope, application_type, software_id, software_version, created_at, seen_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (fold) DO UPDATE SET seen_at = excluded.seen_at`)

	selectRemoved = query("removed client", `SELECT count(*) FROM removed_clients WHERE id = ?`)
	insertRemoved = command("remove client", `INSERT INTO removed_clients (id, removed_at) VALUES (?, ?)
		ON CONFLICT (id) DO UPDATE SET removed_at = max(removed_at, excluded.removed_at)`)
)

func registrationDest(r *store.Registration) []any {
	c := &r.Client
	return []any{
		&r.ID, toHash{&r.Fold}, &c.Profile, &c.Name, toList{&c.RedirectURIs}, toList{&c.GrantTypes}, &c.AuthMethod, &c.Scope,
		&c.ApplicationType, &c.SoftwareID, &c.SoftwareVersion, toTime{&r.CreatedAt}, toTime{&r.SeenAt},
	}
}

// Registration implements store.RegistrationReader.
func (r reads) Registration(ctx context.Context, id string) (store.Registration, error) {
	return r.registration(ctx, selectRegistration, id)
}

// RegistrationByFold implements store.RegistrationReader.
func (r reads) RegistrationByFold(ctx context.Context, fold store.Hash) (store.Registration, error) {
	return r.registration(ctx, selectFold, fold[:])
}

func (r reads) registration(ctx context.Context, s *statement, key any) (store.Registration, error) {
	var found store.Registration
	if err := r.row(ctx, s, registrationDest(&found), key); err != nil {
		return store.Registration{}, err
	}
	return found, nil
}

// ClientRemoved implements store.RegistrationReader.
func (r reads) ClientRemoved(ctx context.Context, id string) (bool, error) {
	var n int
	if err := r.row(ctx, selectRemoved, []any{&n}, id); err != nil {
		return false, err
	}
	return n > 0, nil
}

// SaveRegistration implements store.RegistrationWriter. It returns
// store.ErrConflict if r is new with an id that another one has.
func (t *tx) SaveRegistration(ctx context.Context, r store.Registration) (store.Registration, error) {
	c := r.Client
	err := t.insert(ctx, saveRegistration, r.ID, r.Fold[:], c.Profile, c.Name, jsonList(c.RedirectURIs), jsonList(c.GrantTypes),
		c.AuthMethod, c.Scope, c.ApplicationType, c.SoftwareID, c.SoftwareVersion, micros(r.CreatedAt), micros(r.SeenAt))
	if err != nil {
		return store.Registration{}, err
	}
	return t.RegistrationByFold(ctx, r.Fold)
}

// RemoveClient implements store.ClientWriter.
func (t *tx) RemoveClient(ctx context.Context, id string, at time.Time) error {
	if err := t.DeleteClient(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return t.insert(ctx, insertRemoved, id, micros(at))
}
