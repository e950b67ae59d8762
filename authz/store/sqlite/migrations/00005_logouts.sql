-- People who leave: which session at the identity provider a session, a code or
-- a grant came from, and the logout tokens that were used. Columns are only
-- added, with defaults, so that a process of the version before goes on beside
-- this schema until a reload is over.

-- +goose Up

ALTER TABLE sessions ADD COLUMN idp_session TEXT NOT NULL DEFAULT '';
ALTER TABLE codes ADD COLUMN idp_session TEXT NOT NULL DEFAULT '';
ALTER TABLE families ADD COLUMN idp_session TEXT NOT NULL DEFAULT '';

CREATE INDEX sessions_at_idp ON sessions (idp_session) WHERE idp_session <> '';
CREATE INDEX codes_at_idp ON codes (idp_session) WHERE idp_session <> '' AND consumed_at = 0 AND revoked_at = 0;
CREATE INDEX families_at_idp ON families (idp_session) WHERE idp_session <> '' AND revoked_at = 0;

-- An address is no key: who asks by it gets all people that have it.
CREATE INDEX users_by_email ON users (domain, email COLLATE NOCASE);

CREATE TABLE logout_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX logout_tokens_by_end ON logout_tokens (expires_at);
