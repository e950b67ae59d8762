// Package oidc signs people in through an OpenID provider.
//
// Owns: discovery, the authorization request, the code exchange and every check
// of the ID token (OpenID Connect Core 1.0 §3.1.3.7) and of the iss parameter
// (RFC 9207). Signatures are checked by github.com/coreos/go-oidc.
//
// Does not own: the browser's part of a sign-in (package login), nor which
// e-mail addresses belong to a domain.
//
// Trust: the issuer is configured by an operator and is trusted for its own
// documents; answers are bounded in size and time, and no redirect is followed.
// No token of the provider leaves this package.
package oidc
