// Package grant is the life of a grant: code, family of refresh tokens, access
// tokens, and their end.
//
// A family is one approval: one person, client and resource, with one current
// refresh token. Every rotation makes the next generation; the family's
// generation counter, not a timestamp, tells a retry from a replay.
//
// Owns: issuing and redeeming codes, rotation with grace, reuse detection,
// revocation, and the check of an access token on the hot path.
// Does not own: HTTP (authz/token, authz/revoke), authentication of clients,
// what a person may do (authz/policy), storage.
// Trust: clients are authenticated and approvals are given before they arrive
// here. The store serialises updates of one family; everything that a decision
// needs is read again under its lock. Tokens and codes are attacker-controlled.
package grant
