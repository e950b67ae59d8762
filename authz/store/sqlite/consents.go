package sqlite

import (
	"context"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var (
	selectConsent = query("consent", `SELECT n.user_id, n.client_id, n.redirect_host, n.resource, n.scopes, n.metadata_hash, n.granted_at
		FROM consents n WHERE n.user_id = ? AND n.client_id = ? AND n.redirect_host = ? AND n.resource = ?`)
	saveConsent = command("save consent", `INSERT INTO consents (user_id, client_id, redirect_host, resource, scopes, metadata_hash, granted_at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, client_id, redirect_host, resource) DO UPDATE SET
		scopes = excluded.scopes, metadata_hash = excluded.metadata_hash, granted_at = excluded.granted_at`)
	deleteConsentsOfUser   = command("delete consents", `DELETE FROM consents WHERE user_id = ?`)
	deleteConsentsOfClient = command("delete consents", `DELETE FROM consents WHERE client_id = ?`)
	deleteConsents         = command("delete consents", `DELETE FROM consents WHERE user_id = ? AND client_id = ?`)
)

// Consent implements store.ConsentReader.
func (r reads) Consent(ctx context.Context, key store.ConsentKey) (store.Consent, error) {
	var c store.Consent
	dest := []any{
		&c.UserID, &c.ClientID, &c.RedirectHost, &c.Resource, toList{&c.Scopes}, toHash{&c.MetadataHash}, toTime{&c.GrantedAt},
	}
	if err := r.row(ctx, selectConsent, dest, key.UserID, key.ClientID, key.RedirectHost, key.Resource); err != nil {
		return store.Consent{}, err
	}
	return c, nil
}

// SaveConsent implements store.ConsentWriter. It returns store.ErrNotFound if
// the user does not exist.
func (t *tx) SaveConsent(ctx context.Context, c store.Consent) error {
	return t.insert(ctx, saveConsent, c.UserID, c.ClientID, c.RedirectHost, c.Resource,
		jsonList(c.Scopes), nullable(c.MetadataHash), micros(c.GrantedAt))
}

// DeleteConsents implements store.ConsentWriter.
func (t *tx) DeleteConsents(ctx context.Context, userID, clientID string) error {
	switch {
	case userID == "":
		return t.insert(ctx, deleteConsentsOfClient, clientID)
	case clientID == "":
		return t.insert(ctx, deleteConsentsOfUser, userID)
	}
	return t.insert(ctx, deleteConsents, userID, clientID)
}
