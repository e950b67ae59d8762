// Package token is the token endpoint (RFC 6749 §3.2).
//
// Owns: dispatch by grant type, the success answer (RFC 6749 §5.1) and the
// audit of every outcome before the answer leaves.
// Does not own: the shared front of form endpoints (authz/token/endpoint), the
// rules of codes and refresh tokens (authz/grant).
// Trust: as authz/token/endpoint; the client is authenticated, its tokens and
// codes are not believed.
package token
