// Package assertion makes the signed statement by which the backend knows whom
// a request is for: one JWT per request that binds the person, the assistant,
// the method, the address and the body.
//
// Owns: the claims, their encoding and the signature.
// Does not own: keys (the caller brings them, package authz/keys makes them),
// the request itself and the place where the assertion is put (package backend).
// Trust: the caller has authenticated the person and decided about the call; a
// Signer says what it is told. Whoever holds one assertion can repeat that one
// request until it expires, and no other.
package assertion
