// Package idp is the demo's company identity provider: a complete OpenID
// provider on loopback with a login page, made for people to try the product
// and for tests to sign in.
//
// Owns: the people who can sign in, the login page, the ID tokens, the
// logout tokens, and the faults that a test can switch on. The protocol is that of
// github.com/zitadel/oidc/v3/pkg/op; what is written here is its storage, its
// page and the two things it lacks: the iss parameter of RFC 9207 and a
// discovery document that names only what answers.
//
// Does not own: a browser session. Every authorization asks for a password
// again, so that a test can sign in different people with one cookie jar. It
// has no refresh tokens, no logout and no consent of its own.
//
// Trust assumptions: it listens on loopback over plain http, shows every
// password on its login page and keeps them unhashed. It must never be
// reachable from a network and is never part of the product binary.
//
// # How a robot signs in
//
// A robot needs a client that does not follow the last redirect.
//
//  1. GET the authorization URL that the product redirects to, and follow the
//     redirect to /login.
//  2. In that page read the value of the input named "request".
//  3. POST to /login as a form: "request", "email" and "password".
//  4. The answer is 303 with the product's callback in Location, which carries
//     code, state and iss. A wrong password is 401 with the page again.
package idp
