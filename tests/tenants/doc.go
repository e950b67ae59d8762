// Package tenants shows that customers of one gateway do not meet: every object
// of one, at every endpoint, with the credentials of another, is answered as if
// it did not exist.
//
// Owns: the matrix of objects and endpoints, two customers with an identity
// provider each, and a provider that speaks for people who are not its own.
// Does not own: attacks within one customer (tests/hostile).
package tenants
