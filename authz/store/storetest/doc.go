// Package storetest is the suite that every storage engine passes.
//
// Owns: what package store promises, as tests: each method and each error, the
// locking and the commit of a transaction, the retention of the sweeper, and a
// random comparison with a model in memory.
//
// Does not own: what only one engine has (files, processes, disks), which its
// own tests prove.
//
// Where package store leaves a choice, the suite makes it: a save, a mark or a
// delete that meets no row is store.ErrNotFound unless its comment says
// otherwise; a row whose parent is absent (the user of a session, the session
// of an approval, the family of a token) is store.ErrNotFound too; after
// store.ErrNotFound and store.ErrConflict a transaction goes on; a nil and an
// empty list are the same; times are kept to the microsecond and read in UTC.
package storetest
