// Package store is the contract between the authorization server and its storage.
//
// Owns: the record types, the narrow interfaces over them, their errors and the
// guarantees of a transaction. Package storetest holds the suite that every
// engine must pass.
//
// Does not own: decisions. What a token, a code or a family may do is decided
// in package grant on the rows that a transaction read.
//
// Trust: an engine is a trusted part; credentials reach it only as hashes or
// sealed. A copy of the database opens no account.
package store
