// Package logout hears from identity providers that somebody is signed out there
// (OpenID Connect Back-Channel Logout 1.0).
//
// Owns: the endpoint /backchannel-logout/{domain}, what its answers mean to a
// provider, and that each logout token works once.
//
// Does not own: the checks of a logout token (package idp/oidc), how grants end
// (package grant), how often anyone may ask (package authz).
//
// Trust: anyone can send anything here. Only what the domain's own provider has
// signed, for our client at it, ends anything, and only of people who signed in
// for that domain through it.
package logout
