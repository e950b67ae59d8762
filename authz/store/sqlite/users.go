package sqlite

import (
	"cmp"
	"context"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// userColumns are those beside the key.
const userColumns = `u.domain, u.issuer, u.subject, u.email, u.name, u.groups, u.created_at, u.signed_in`

var (
	selectUser   = query("user", `SELECT u.id, `+userColumns+` FROM users u WHERE u.id = ?`)
	selectPerson = query("user", `SELECT u.id, `+userColumns+` FROM users u
		WHERE u.domain = ? AND u.issuer = ? AND u.subject = ?`)
	selectByEmail = query("people by e-mail address", `SELECT u.id, `+userColumns+` FROM users u
		WHERE u.domain = ? AND u.email = ? COLLATE NOCASE ORDER BY u.id`)
	// The first condition of each lets its partial index serve.
	selectAtIDP = query("people at identity provider", `SELECT u.id, `+userColumns+` FROM users u
		WHERE u.domain = ?1 AND u.issuer = ?2 AND u.id IN (
			SELECT user_id FROM sessions WHERE idp_session <> '' AND idp_session = ?3
			UNION ALL SELECT user_id FROM codes WHERE idp_session <> '' AND idp_session = ?3 AND consumed_at = 0 AND revoked_at = 0
			UNION ALL SELECT user_id FROM families WHERE idp_session <> '' AND idp_session = ?3 AND revoked_at = 0
		)`)
	upsertUser = command("upsert user", `INSERT INTO users
		(id, domain, issuer, subject, email, name, groups, created_at, signed_in)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (domain, issuer, subject) DO UPDATE SET
		email = excluded.email, name = excluded.name, groups = excluded.groups, signed_in = excluded.signed_in`)

	selectSession = query("session", `SELECT s.hash, s.user_id, s.auth_time, s.created_at, s.expires_at, s.idp_session
		FROM sessions s WHERE s.hash = ?`)
	insertSession = command("create session", `INSERT INTO sessions
		(hash, user_id, auth_time, created_at, expires_at, idp_session) VALUES (?, ?, ?, ?, ?, ?)`)
	// The approvals of a session go with it, by the schema.
	deleteSession       = command("delete session", `DELETE FROM sessions WHERE hash = ?`)
	deleteUserSessions  = command("delete sessions of user", `DELETE FROM sessions WHERE user_id = ?`)
	deleteSessionsAtIDP = command("delete sessions at identity provider", `DELETE FROM sessions
		WHERE idp_session <> '' AND idp_session = ? AND user_id = ?`)
	deleteUserApprovals = command("delete approvals of user", `DELETE FROM approvals WHERE user_id = ?`)
)

// userDest are the scan targets for the key and userColumns.
func userDest(u *store.User) []any {
	return []any{
		&u.ID, &u.Domain, &u.Issuer, &u.Subject, &u.Email, &u.Name, toList{&u.Groups},
		toTime{&u.CreatedAt}, toTime{&u.SignedIn},
	}
}

// User implements store.UserReader.
func (r reads) User(ctx context.Context, id string) (store.User, error) {
	return r.user(ctx, selectUser, id)
}

func (r reads) user(ctx context.Context, s *statement, key ...any) (store.User, error) {
	var u store.User
	if err := r.row(ctx, s, userDest(&u), key...); err != nil {
		return store.User{}, err
	}
	return u, nil
}

// Person implements store.UserReader.
func (r reads) Person(ctx context.Context, domain, issuer, subject string) (store.User, error) {
	return r.user(ctx, selectPerson, domain, issuer, subject)
}

// PeopleByEmail implements store.UserReader.
func (r reads) PeopleByEmail(ctx context.Context, domain, email string) ([]store.User, error) {
	return r.people(ctx, selectByEmail, domain, email)
}

// PeopleAtIDP implements store.UserReader.
func (r reads) PeopleAtIDP(ctx context.Context, s store.IDPSession) ([]store.User, error) {
	people, err := r.people(ctx, selectAtIDP, s.Domain, s.Issuer, s.ID)
	// One, but for a provider that has one session for several people.
	slices.SortFunc(people, func(a, b store.User) int { return cmp.Compare(a.ID, b.ID) })
	return people, err
}

func (r reads) people(ctx context.Context, s *statement, key ...any) ([]store.User, error) {
	var out []store.User
	err := r.each(ctx, s, func(scan scanner) error {
		var u store.User
		err := scan(userDest(&u)...)
		out = append(out, u)
		return err
	}, key...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UpsertUser implements store.UserWriter. It returns store.ErrConflict if u is
// a new person with an id that another one has.
func (t *tx) UpsertUser(ctx context.Context, u store.User) (store.User, error) {
	err := t.insert(ctx, upsertUser, u.ID, u.Domain, u.Issuer, u.Subject, u.Email, u.Name, jsonList(u.Groups),
		micros(u.CreatedAt), micros(u.SignedIn))
	if err != nil {
		return store.User{}, err
	}
	return t.user(ctx, selectPerson, u.Domain, u.Issuer, u.Subject)
}

// Session implements store.SessionReader.
func (r reads) Session(ctx context.Context, h store.Hash) (store.Session, error) {
	var s store.Session
	dest := []any{toHash{&s.Hash}, &s.UserID, toTime{&s.AuthTime}, toTime{&s.CreatedAt}, toTime{&s.ExpiresAt}, &s.IDPSession}
	if err := r.row(ctx, selectSession, dest, h[:]); err != nil {
		return store.Session{}, err
	}
	return s, nil
}

// CreateSession implements store.SessionWriter. It returns store.ErrNotFound if
// the user does not exist.
func (t *tx) CreateSession(ctx context.Context, s store.Session) error {
	return t.insert(ctx, insertSession, s.Hash[:], s.UserID,
		micros(s.AuthTime), micros(s.CreatedAt), micros(s.ExpiresAt), s.IDPSession)
}

// DeleteSession implements store.SessionWriter.
func (t *tx) DeleteSession(ctx context.Context, h store.Hash) error {
	return t.insert(ctx, deleteSession, h[:])
}

// DeleteUserSessions implements store.SessionWriter.
func (t *tx) DeleteUserSessions(ctx context.Context, userID string) error {
	if err := t.insert(ctx, deleteUserApprovals, userID); err != nil {
		return err
	}
	return t.insert(ctx, deleteUserSessions, userID)
}

// DeleteSessionsAtIDP implements store.SessionWriter.
func (t *tx) DeleteSessionsAtIDP(ctx context.Context, userID, idpSession string) error {
	return t.insert(ctx, deleteSessionsAtIDP, idpSession, userID)
}
