package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

const (
	// familyColumns are those beside the key.
	familyColumns = `f.domain, f.user_id, f.subject, f.client_id, f.resource, f.scopes, f.gen,
	f.created_at, f.absolute_end, f.idle_end, f.revoked_at, f.revoked_why, f.idp_session`
	tokenColumns = `t.hash, t.family_id, t.scopes, t.issued_at, t.expires_at, t.revoked_at`
)

var (
	selectFamily = query("family", `SELECT f.id, `+familyColumns+` FROM families f WHERE f.id = ?`)
	selectLive   = query("live families of user", `SELECT f.id, `+familyColumns+` FROM families f
		WHERE f.user_id = ? AND f.revoked_at = 0 AND f.absolute_end > ? AND f.idle_end > ?
		ORDER BY f.created_at DESC, f.id`)
	selectLiveOfClient = query("live families of client", `SELECT f.id, `+familyColumns+` FROM families f
		WHERE f.client_id = ? AND f.revoked_at = 0 AND f.absolute_end > ? AND f.idle_end > ?
		ORDER BY f.created_at DESC, f.id`)
	insertFamily = command("create family", `INSERT INTO families (id, domain, user_id, subject, client_id, resource,
		scopes, gen, created_at, absolute_end, idle_end, revoked_at, revoked_why, idp_session)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	saveFamily = command("save family", `UPDATE families
		SET gen = ?, idle_end = ?, revoked_at = ?, revoked_why = ? WHERE id = ?`)

	selectGeneration = query("generation", `SELECT g.family_id, g.gen, g.hash, g.created_at, g.rotated_at, g.sealed
		FROM generations g WHERE g.family_id = ? AND g.gen = ?`)
	insertGeneration = command("create generation", `INSERT INTO generations
		(family_id, gen, hash, created_at, rotated_at, sealed) VALUES (?, ?, ?, ?, ?, ?)`)
	saveGeneration = command("save generation", `UPDATE generations SET rotated_at = ?, sealed = ?
		WHERE family_id = ? AND gen = ?`)
	pruneGenerations = command("prune generations", `DELETE FROM generations
		WHERE family_id = ? AND gen < ? AND rotated_at <> 0 AND rotated_at < ?`)

	selectToken = query("access token", `SELECT `+tokenColumns+` FROM access_tokens t WHERE t.hash = ?`)
	insertToken = command("create access token", `INSERT INTO access_tokens
		(hash, family_id, scopes, issued_at, expires_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?)`)
	saveToken = command("save access token", `UPDATE access_tokens SET revoked_at = ? WHERE hash = ?`)

	// A token whose user or client is gone is not found, and so refused. The key of
	// a joined row is the column that refers to it, and read once.
	selectAccess = query("access", `SELECT `+tokenColumns+`, `+familyColumns+`, `+userColumns+`, `+clientColumns+`
		FROM access_tokens t
		JOIN families f ON f.id = t.family_id
		JOIN users u ON u.id = f.user_id
		JOIN clients c ON c.id = f.client_id
		WHERE t.hash = ?`)
)

// familyDest are the scan targets for the key and familyColumns.
func familyDest(f *store.Family) []any {
	return []any{
		&f.ID, &f.Domain, &f.UserID, &f.Subject, &f.ClientID, &f.Resource, toList{&f.Scopes}, &f.Gen,
		toTime{&f.CreatedAt}, toTime{&f.AbsoluteEnd}, toTime{&f.IdleEnd}, toTime{&f.RevokedAt}, &f.RevokedWhy, &f.IDPSession,
	}
}

// tokenDest are the scan targets for tokenColumns.
func tokenDest(a *store.AccessToken) []any {
	return []any{
		toHash{&a.Hash}, &a.FamilyID, toList{&a.Scopes}, toTime{&a.IssuedAt}, toTime{&a.ExpiresAt}, toTime{&a.RevokedAt},
	}
}

// Family implements store.GrantReader.
func (r reads) Family(ctx context.Context, id string) (store.Family, error) {
	var f store.Family
	if err := r.row(ctx, selectFamily, familyDest(&f), id); err != nil {
		return store.Family{}, err
	}
	return f, nil
}

// LiveFamiliesOfUser implements store.GrantReader.
func (r reads) LiveFamiliesOfUser(ctx context.Context, userID string, now time.Time) ([]store.Family, error) {
	return r.live(ctx, selectLive, userID, now)
}

// LiveFamiliesOfClient implements store.GrantReader.
func (r reads) LiveFamiliesOfClient(ctx context.Context, clientID string, now time.Time) ([]store.Family, error) {
	return r.live(ctx, selectLiveOfClient, clientID, now)
}

func (r reads) live(ctx context.Context, s *statement, of string, now time.Time) ([]store.Family, error) {
	var out []store.Family
	err := r.each(ctx, s, func(scan scanner) error {
		var f store.Family
		err := scan(familyDest(&f)...)
		out = append(out, f)
		return err
	}, of, micros(now), micros(now))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Generation implements store.GrantReader.
func (r reads) Generation(ctx context.Context, familyID string, gen uint32) (store.Generation, error) {
	var g store.Generation
	dest := []any{&g.FamilyID, &g.Gen, toHash{&g.Hash}, toTime{&g.CreatedAt}, toTime{&g.RotatedAt}, &g.Sealed}
	if err := r.row(ctx, selectGeneration, dest, familyID, gen); err != nil {
		return store.Generation{}, err
	}
	return g, nil
}

// AccessToken implements store.GrantReader.
func (r reads) AccessToken(ctx context.Context, h store.Hash) (store.AccessToken, error) {
	var a store.AccessToken
	if err := r.row(ctx, selectToken, tokenDest(&a), h[:]); err != nil {
		return store.AccessToken{}, err
	}
	return a, nil
}

// Access implements store.GrantReader: one prepared statement over four primary
// keys, so that token, family, user and client are of one moment.
func (r reads) Access(ctx context.Context, h store.Hash) (store.Access, error) {
	var a store.Access
	dest := slices.Concat(tokenDest(&a.Token), familyDest(&a.Family)[1:], userDest(&a.User)[1:], clientDest(&a.Client)[1:])
	if err := r.row(ctx, selectAccess, dest, h[:]); err != nil {
		return store.Access{}, err
	}
	a.Family.ID, a.User.ID, a.Client.ID = a.Token.FamilyID, a.Family.UserID, a.Family.ClientID
	return a, nil
}

// CreateFamily implements store.GrantWriter. It returns store.ErrConflict if the
// id exists, store.ErrNotFound if the user does not.
func (t *tx) CreateFamily(ctx context.Context, f store.Family) error {
	return t.insert(ctx, insertFamily, f.ID, f.Domain, f.UserID, f.Subject, f.ClientID, f.Resource, jsonList(f.Scopes), f.Gen,
		micros(f.CreatedAt), micros(f.AbsoluteEnd), micros(f.IdleEnd), micros(f.RevokedAt), f.RevokedWhy, f.IDPSession)
}

// SaveFamily implements store.GrantWriter. It returns store.ErrNotFound if the
// family does not exist.
func (t *tx) SaveFamily(ctx context.Context, f store.Family) error {
	return t.change(ctx, saveFamily, f.Gen, micros(f.IdleEnd), micros(f.RevokedAt), f.RevokedWhy, f.ID)
}

// CreateGeneration implements store.GrantWriter. It returns store.ErrNotFound if
// the family does not exist.
func (t *tx) CreateGeneration(ctx context.Context, g store.Generation) error {
	return t.insert(ctx, insertGeneration, g.FamilyID, g.Gen, g.Hash[:],
		micros(g.CreatedAt), micros(g.RotatedAt), blob(g.Sealed))
}

// SaveGeneration implements store.GrantWriter. It returns store.ErrNotFound if
// the generation does not exist.
func (t *tx) SaveGeneration(ctx context.Context, g store.Generation) error {
	return t.change(ctx, saveGeneration, micros(g.RotatedAt), blob(g.Sealed), g.FamilyID, g.Gen)
}

// PruneGenerations implements store.GrantWriter.
func (t *tx) PruneGenerations(ctx context.Context, familyID string, gen uint32, before time.Time) error {
	return t.insert(ctx, pruneGenerations, familyID, gen, micros(before))
}

// CreateAccessToken implements store.GrantWriter. It returns store.ErrConflict
// if the hash exists, store.ErrNotFound if the family does not.
func (t *tx) CreateAccessToken(ctx context.Context, a store.AccessToken) error {
	return t.insert(ctx, insertToken, a.Hash[:], a.FamilyID, jsonList(a.Scopes),
		micros(a.IssuedAt), micros(a.ExpiresAt), micros(a.RevokedAt))
}

// SaveAccessToken implements store.GrantWriter. It returns store.ErrNotFound if
// the token does not exist.
func (t *tx) SaveAccessToken(ctx context.Context, a store.AccessToken) error {
	return t.change(ctx, saveToken, micros(a.RevokedAt), a.Hash[:])
}
