// Package keylock serialises work by key inside one process.
//
// Owns: one place per key, and who waits for it.
// Does not own: how long a caller waits (its context says), what a key means,
// exclusion between processes (the store's).
// Trust: keys may come from requests. Memory is held only for keys in use, so
// that nobody can fill it with names.
package keylock
