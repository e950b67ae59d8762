// Package sqlite is the embedded store: one SQLite database in WAL mode.
//
// Owns: the schema and its migrations, the queue of writers with its group
// commit, the pool of readers, the translation of engine errors.
//
// Does not own: decisions on what it stores, and retention, which package store
// states. Several nodes cannot share this engine; several processes of one
// machine can (a reload, a command beside the server).
//
// Guarantees: a commit is on the disk before Update returns (synchronous=FULL);
// a read that starts after it sees it on every connection. Writers run one after
// the other, so a transaction sees a state that nobody else changes. Those that
// wait for each other share one commit; none is answered before that commit.
//
// Trust: the folder belongs to the service's account alone. Whoever reads the
// database file finds hashes and sealed answers, no credential.
package sqlite
