// Package assertion makes and verifies the signed statement by which a backend
// knows whom a request is for: one JWT per request that binds the person, the
// assistant, the method, the address and the body.
//
// Owns: the claims, their encoding and the signature; for those who receive
// requests, the checks of all of it, the issuer's key set, and the memory of what
// was accepted.
// Does not own: private keys (the caller brings them, package authz/keys makes
// them), the request itself and the place where the assertion is put (package
// backend), message signatures as such (package httpsig).
// Trust: a Signer's caller has authenticated the person and decided about the
// call; a Signer says what it is told. Whoever holds one assertion can repeat that
// one request until it expires, and no other. A Verifier trusts the issuer's keys
// and nothing of a request before its signature is checked.
package assertion
