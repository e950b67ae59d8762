// Package idp declares what sign-in needs from an identity provider.
//
// Owns: the interface between package login and its providers, and the errors
// by which a refusal is told from a fault.
//
// Does not own: a protocol; package oidc speaks OpenID Connect.
//
// Trust: the identity provider of a domain is trusted to say who a person is,
// and for nothing beyond the domain it is configured for. No token of a
// provider is kept.
package idp
