-- Writes to backends that a client named by an idempotency key. A table is only
-- added, so that a process of the version before goes on beside this schema
-- until a reload is over.

-- +goose Up

-- With a rowid: answers are too long for the nodes of a primary key's tree.
CREATE TABLE idempotent_writes (
    key         BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    sent_at     INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    answer      BLOB,
    CONSTRAINT only_an_answered_one_has_an_answer CHECK (answer IS NULL OR answered_at <> 0)
) STRICT;

CREATE INDEX idempotent_writes_by_age ON idempotent_writes (sent_at);
