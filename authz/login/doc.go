// Package login signs people in: work e-mail address, the domain's identity
// provider, a browser session.
//
// Owns: the pages /signin, /callback/{domain} and /signout, the choice of the
// identity provider, and the checks of what a provider says about a person.
//
// Does not own: the protocol of a provider (package idp/oidc), cookies (package
// session), what happens after the sign-in (package authorize).
//
// Trust: a domain's provider speaks for e-mail addresses of that domain only. A
// callback is believed only in the browser that began the sign-in.
package login
