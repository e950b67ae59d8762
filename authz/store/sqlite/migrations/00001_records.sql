-- Times are microseconds since 1970-01-01 UTC; 0 means "not yet" or "never".
-- Lists are JSON arrays of strings. Hashes are SHA-256. Credentials are never stored.

-- +goose Up

CREATE TABLE clients (
    id               TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    profile          TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    redirect_uris    TEXT    NOT NULL,
    grant_types      TEXT    NOT NULL,
    auth_method      TEXT    NOT NULL,
    secret_hash      BLOB,
    scope            TEXT    NOT NULL,
    application_type TEXT    NOT NULL,
    software_id      TEXT    NOT NULL,
    software_version TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    authorized_at    INTEGER NOT NULL,
    CONSTRAINT secret_is_a_sha256 CHECK (secret_hash IS NULL OR length(secret_hash) = 32),
    -- A confidential client without a secret would be anybody's.
    CONSTRAINT confidential_has_secret CHECK (secret_hash IS NOT NULL OR auth_method IN ('none', ''))
) STRICT, WITHOUT ROWID;

CREATE INDEX clients_never_authorized ON clients (created_at) WHERE authorized_at = 0;

CREATE TABLE users (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    domain     TEXT    NOT NULL,
    issuer     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    signed_in  INTEGER NOT NULL,
    -- A person is (domain, issuer, subject), never the e-mail address.
    CONSTRAINT one_row_per_person UNIQUE (domain, issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id    TEXT    NOT NULL REFERENCES users (id),
    auth_time  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE approvals (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- Signing out takes what was waiting for an answer with it.
    session_hash BLOB    NOT NULL REFERENCES sessions (hash) ON DELETE CASCADE,
    csrf_hash    BLOB    NOT NULL CHECK (length(csrf_hash) = 32),
    user_id      TEXT    NOT NULL REFERENCES users (id),
    subject      TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    auth_time    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_of_session ON approvals (session_hash);
CREATE INDEX approvals_of_user ON approvals (user_id);
CREATE INDEX approvals_of_client ON approvals (client_id, expires_at);
CREATE INDEX approvals_by_end ON approvals (expires_at);

CREATE TABLE codes (
    hash         BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    family_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL REFERENCES users (id),
    domain       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    auth_time    INTEGER NOT NULL,
    issued_at    INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    consumed_at  INTEGER NOT NULL,
    failures     INTEGER NOT NULL CHECK (failures >= 0),
    revoked_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_of_user ON codes (user_id, client_id) WHERE consumed_at = 0 AND revoked_at = 0;
CREATE INDEX codes_by_end ON codes (expires_at);

CREATE TABLE families (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    domain       TEXT    NOT NULL,
    user_id      TEXT    NOT NULL REFERENCES users (id),
    subject      TEXT    NOT NULL,
    -- No reference: a deleted client's families stay for the audit, and die
    -- because every read of an access token joins the client.
    client_id    TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    gen          INTEGER NOT NULL CHECK (gen BETWEEN 0 AND 4294967295),
    created_at   INTEGER NOT NULL,
    absolute_end INTEGER NOT NULL,
    idle_end     INTEGER NOT NULL,
    revoked_at   INTEGER NOT NULL,
    revoked_why  TEXT    NOT NULL,
    ended_at     INTEGER NOT NULL GENERATED ALWAYS AS
        (min(absolute_end, idle_end, iif(revoked_at = 0, absolute_end, revoked_at))) VIRTUAL,
    CONSTRAINT a_live_family_has_no_end_reason CHECK (revoked_at <> 0 OR revoked_why = '')
) STRICT, WITHOUT ROWID;

CREATE INDEX families_of_user ON families (user_id, created_at DESC);
CREATE INDEX families_of_client ON families (client_id);
CREATE INDEX families_by_end ON families (ended_at);

CREATE TABLE generations (
    family_id  TEXT    NOT NULL REFERENCES families (id) ON DELETE CASCADE,
    gen        INTEGER NOT NULL CHECK (gen BETWEEN 0 AND 4294967295),
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    sealed     BLOB,
    -- One token per generation: a fork is impossible by constraint.
    PRIMARY KEY (family_id, gen),
    CONSTRAINT only_a_rotated_one_has_an_answer CHECK (sealed IS NULL OR rotated_at <> 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX generations_sealed ON generations (rotated_at) WHERE sealed IS NOT NULL;

CREATE TABLE access_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    family_id  TEXT    NOT NULL REFERENCES families (id) ON DELETE CASCADE,
    scopes     TEXT    NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_tokens_of_family ON access_tokens (family_id);
CREATE INDEX access_tokens_by_end ON access_tokens (expires_at);
