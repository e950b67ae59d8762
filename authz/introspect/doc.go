// Package introspect is the introspection endpoint for resource servers (RFC
// 7662): services of the operator that are given access tokens of ours and ask
// whom they speak for.
//
// Owns: how a resource server proves who it is, what it may ask about, and the
// answer.
// Does not own: the shared front of form endpoints (authz/token/endpoint), when
// a token is good (authz/grant), which resource servers there are.
// Trust: a resource server is the operator's, and still learns of its own
// resources only. The tokens that it asks about come from anyone.
//
// No page of another origin can use the endpoint (CORS): a caller has a secret,
// which no page can keep.
package introspect
