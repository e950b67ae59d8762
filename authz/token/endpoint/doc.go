// Package endpoint is the front that the form endpoints share: /token (RFC 6749
// §3.2) and /revoke (RFC 7009 §2) of clients, /introspect (RFC 7662 §2) of
// resource servers.
//
// Owns: the order method → content type → size → repeated parameters →
// authentication, CORS, the error answer, and how refusals of clients reach the
// audit.
// Does not own: what an endpoint does with a good request; how a caller proves
// who it is (authz/client, authz/introspect).
// Trust: nothing of a request is believed before the caller is authenticated,
// and then only that it comes from this caller.
package endpoint
