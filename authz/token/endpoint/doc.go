// Package endpoint is the front that the form endpoints of clients share:
// /token (RFC 6749 §3.2) and /revoke (RFC 7009 §2).
//
// Owns: the order method → content type → size → repeated parameters → client
// authentication, CORS, the error answer, and how refusals reach the audit.
// Does not own: what an endpoint does with a good request; how a client proves
// who it is (authz/client).
// Trust: nothing of a request is believed before the client is authenticated,
// and then only that it comes from this client.
package endpoint
