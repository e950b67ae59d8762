// Package revoke is the revocation endpoint for clients (RFC 7009).
//
// Owns: the request, the empty success answer and the audit of a revocation.
// Does not own: the shared front of form endpoints (authz/token/endpoint), what
// ends with a token (authz/grant).
// Trust: as authz/token/endpoint; a client can end its own tokens only.
package revoke
