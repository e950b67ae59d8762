// Package consent asks a signed-in person whether an assistant may act for them,
// and makes the authorization code when they say yes.
//
// Owns: the page /consent, its one-time form token, the answer in one
// transaction, and the page that leads back to the client.
//
// Does not own: what is asked for (package authorize), the code and the grant
// (package grant), how a page looks (package web).
//
// Trust: the browser. An answer counts only from the session that the approval
// belongs to, with the token of the page that was shown last, sent by our own
// page. Nothing is remembered: who registered by themselves is asked about every
// time (RFC 8252 §8.6).
package consent
