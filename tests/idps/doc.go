// Package idps signs people in at an OpenID provider that nobody here wrote:
// oidc-provider, which the OpenID Foundation has certified, run by Node.
//
// Owns: the provider's process and the walk through it.
// Does not own: the shapes in which products describe people
// (authz/idp/oidc), and the provider of the other tests (tests/idp).
package idps
