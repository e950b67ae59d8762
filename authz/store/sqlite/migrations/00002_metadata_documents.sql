-- Clients that a client id metadata document describes, and the copies of such
-- documents. Rows from before are dynamically registered clients. Columns are
-- only added, with defaults, so that a process of the version before goes on
-- beside this schema until a reload is over.

-- +goose Up

ALTER TABLE clients ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN metadata_hash BLOB
    CONSTRAINT metadata_hash_is_a_sha256 CHECK (metadata_hash IS NULL OR length(metadata_hash) = 32);

-- With a rowid: bodies are too long for the nodes of a primary key's tree.
CREATE TABLE documents (
    url        TEXT    NOT NULL PRIMARY KEY CHECK (url <> ''),
    body       BLOB, -- NULL = empty
    fetched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
