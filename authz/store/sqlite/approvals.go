package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var (
	selectApproval = query("approval", `SELECT a.id, a.session_hash, a.csrf_hash, a.user_id, a.subject, a.client_id,
		a.redirect_uri, a.state, a.resource, a.scopes, a.challenge, a.auth_time, a.created_at, a.expires_at, a.ask
		FROM approvals a WHERE a.id = ?`)
	insertApproval = command("create approval", `INSERT INTO approvals (id, session_hash, csrf_hash, user_id, subject,
		client_id, redirect_uri, state, resource, scopes, challenge, auth_time, created_at, expires_at, ask)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	setApprovalCSRF = command("set form token of approval", `UPDATE approvals SET csrf_hash = ? WHERE id = ?`)
	deleteApproval  = command("delete approval", `DELETE FROM approvals WHERE id = ?`)

	deleteApprovalsOfClient = command("delete approvals of client", `DELETE FROM approvals WHERE client_id = ?`)

	selectCode = query("code", `SELECT o.hash, o.family_id, o.user_id, o.domain, o.subject, o.client_id, o.redirect_uri,
		o.resource, o.scopes, o.challenge, o.auth_time, o.issued_at, o.expires_at, o.consumed_at, o.failures, o.revoked_at,
		o.idp_session
		FROM codes o WHERE o.hash = ?`)
	insertCode = command("create code", `INSERT INTO codes (hash, family_id, user_id, domain, subject, client_id,
		redirect_uri, resource, scopes, challenge, auth_time, issued_at, expires_at, consumed_at, failures, revoked_at,
		idp_session) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	saveCode = command("save code", `UPDATE codes SET consumed_at = ?, failures = ?, revoked_at = ? WHERE hash = ?`)
	// The conditions on both times let the partial index serve.
	revokeCodesOfUser = command("revoke codes of user", `UPDATE codes SET revoked_at = ?
		WHERE user_id = ? AND consumed_at = 0 AND revoked_at = 0`)
	revokeCodesAtClient = command("revoke codes of user", `UPDATE codes SET revoked_at = ?
		WHERE user_id = ? AND client_id = ? AND consumed_at = 0 AND revoked_at = 0`)
	revokeCodesOfClient = command("revoke codes of client", `UPDATE codes SET revoked_at = ?
		WHERE client_id = ? AND consumed_at = 0 AND revoked_at = 0`)
	revokeCodesAtIDP = command("revoke codes at identity provider", `UPDATE codes SET revoked_at = ?
		WHERE idp_session <> '' AND idp_session = ? AND user_id = ? AND consumed_at = 0 AND revoked_at = 0`)
)

// Approval implements store.ApprovalReader.
func (r reads) Approval(ctx context.Context, id string) (store.Approval, error) {
	var a store.Approval
	dest := []any{
		&a.ID, toHash{&a.SessionHash}, toHash{&a.CSRFHash}, &a.UserID, &a.Subject, &a.ClientID,
		&a.RedirectURI, &a.State, &a.Resource, toList{&a.Scopes}, &a.Challenge,
		toTime{&a.AuthTime}, toTime{&a.CreatedAt}, toTime{&a.ExpiresAt}, &a.Ask,
	}
	if err := r.row(ctx, selectApproval, dest, id); err != nil {
		return store.Approval{}, err
	}
	return a, nil
}

// CreateApproval implements store.ApprovalWriter. It returns store.ErrNotFound
// if the session or the user does not exist (any more).
func (t *tx) CreateApproval(ctx context.Context, a store.Approval) error {
	return t.insert(ctx, insertApproval, a.ID, a.SessionHash[:], a.CSRFHash[:], a.UserID, a.Subject, a.ClientID,
		a.RedirectURI, a.State, a.Resource, jsonList(a.Scopes), a.Challenge,
		micros(a.AuthTime), micros(a.CreatedAt), micros(a.ExpiresAt), a.Ask)
}

// SetApprovalCSRF implements store.ApprovalWriter. It returns store.ErrNotFound
// if the approval is gone.
func (t *tx) SetApprovalCSRF(ctx context.Context, id string, csrf store.Hash) error {
	return t.change(ctx, setApprovalCSRF, csrf[:], id)
}

// DeleteApproval implements store.ApprovalWriter.
func (t *tx) DeleteApproval(ctx context.Context, id string) error {
	return t.change(ctx, deleteApproval, id)
}

// DeleteApprovalsOfClient implements store.ApprovalWriter.
func (t *tx) DeleteApprovalsOfClient(ctx context.Context, clientID string) error {
	return t.insert(ctx, deleteApprovalsOfClient, clientID)
}

// Code implements store.GrantReader.
func (r reads) Code(ctx context.Context, h store.Hash) (store.Code, error) {
	var c store.Code
	dest := []any{
		toHash{&c.Hash}, &c.FamilyID, &c.UserID, &c.Domain, &c.Subject, &c.ClientID, &c.RedirectURI,
		&c.Resource, toList{&c.Scopes}, &c.Challenge, toTime{&c.AuthTime}, toTime{&c.IssuedAt}, toTime{&c.ExpiresAt},
		toTime{&c.ConsumedAt}, &c.Failures, toTime{&c.RevokedAt}, &c.IDPSession,
	}
	if err := r.row(ctx, selectCode, dest, h[:]); err != nil {
		return store.Code{}, err
	}
	return c, nil
}

// CreateCode implements store.GrantWriter. It returns store.ErrConflict if the
// hash exists, store.ErrNotFound if the user does not.
func (t *tx) CreateCode(ctx context.Context, c store.Code) error {
	return t.insert(ctx, insertCode, c.Hash[:], c.FamilyID, c.UserID, c.Domain, c.Subject, c.ClientID, c.RedirectURI,
		c.Resource, jsonList(c.Scopes), c.Challenge, micros(c.AuthTime), micros(c.IssuedAt), micros(c.ExpiresAt),
		micros(c.ConsumedAt), c.Failures, micros(c.RevokedAt), c.IDPSession)
}

// SaveCode implements store.GrantWriter. It returns store.ErrNotFound if the
// code does not exist.
func (t *tx) SaveCode(ctx context.Context, c store.Code) error {
	return t.change(ctx, saveCode, micros(c.ConsumedAt), c.Failures, micros(c.RevokedAt), c.Hash[:])
}

// RevokeCodesOfUser implements store.GrantWriter.
func (t *tx) RevokeCodesOfUser(ctx context.Context, userID, clientID string, at time.Time) error {
	if clientID == "" {
		return t.insert(ctx, revokeCodesOfUser, micros(at), userID)
	}
	return t.insert(ctx, revokeCodesAtClient, micros(at), userID, clientID)
}

// RevokeCodesOfClient implements store.GrantWriter.
func (t *tx) RevokeCodesOfClient(ctx context.Context, clientID string, at time.Time) error {
	return t.insert(ctx, revokeCodesOfClient, micros(at), clientID)
}

// RevokeCodesAtIDP implements store.GrantWriter.
func (t *tx) RevokeCodesAtIDP(ctx context.Context, userID, idpSession string, at time.Time) error {
	return t.insert(ctx, revokeCodesAtIDP, micros(at), idpSession, userID)
}
