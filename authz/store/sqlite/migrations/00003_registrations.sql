-- Folded registrations, ids that were ended, refused registrations and
-- remembered consents. Columns are only added, with defaults, so that a process
-- of the version before goes on beside this schema until a reload is over.

-- +goose Up

ALTER TABLE clients ADD COLUMN approved_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN registration_hash BLOB
    CONSTRAINT registration_hash_is_a_sha256 CHECK (registration_hash IS NULL OR length(registration_hash) = 32);

CREATE INDEX clients_by_last_approval ON clients (max(approved_at, authorized_at)) WHERE authorized_at <> 0;

-- The grants of a client, newest first; its codes that may still be redeemed.
DROP INDEX families_of_client;
CREATE INDEX families_of_client ON families (client_id, created_at DESC);
CREATE INDEX codes_of_client ON codes (client_id) WHERE consumed_at = 0 AND revoked_at = 0;

ALTER TABLE approvals ADD COLUMN ask INTEGER NOT NULL DEFAULT 0;

CREATE TABLE registrations (
    id               TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    fold             BLOB    NOT NULL UNIQUE CHECK (length(fold) = 32),
    profile          TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    redirect_uris    TEXT    NOT NULL,
    grant_types      TEXT    NOT NULL,
    auth_method      TEXT    NOT NULL,
    scope            TEXT    NOT NULL,
    application_type TEXT    NOT NULL,
    software_id      TEXT    NOT NULL,
    software_version TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    seen_at          INTEGER NOT NULL
) STRICT;

CREATE INDEX registrations_by_sight ON registrations (seen_at);

-- Ids of dynamically registered clients that must not come back.
CREATE TABLE removed_clients (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_clients_by_age ON removed_clients (removed_at);

CREATE TABLE rejections (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    kind          TEXT    NOT NULL,
    client_name   TEXT    NOT NULL,
    redirect_uris TEXT    NOT NULL,
    document      TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    advice        TEXT    NOT NULL,
    client_ip     TEXT    NOT NULL,
    count         INTEGER NOT NULL CHECK (count > 0),
    first_at      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX rejections_by_age ON rejections (last_at DESC, id);

CREATE TABLE consents (
    user_id       TEXT    NOT NULL REFERENCES users (id),
    client_id     TEXT    NOT NULL,
    redirect_host TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    metadata_hash BLOB    CHECK (metadata_hash IS NULL OR length(metadata_hash) = 32),
    granted_at    INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, redirect_host, resource)
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_of_client ON consents (client_id);
CREATE INDEX consents_by_age ON consents (granted_at);
