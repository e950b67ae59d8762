// Package authorize is the authorization endpoint (OAuth 2.1 §3.1, §4.1.1).
//
// Owns: GET /authorize with its rules, and the way from a signed-in person to a
// pending approval: policy, the backend's directory, deferred errors.
//
// Does not own: signing in (package login), the question to the person and the
// code (package consent), who may register which redirect URI (package client).
//
// Trust: every parameter is attacker-controlled. Client and redirect URI are
// judged first, and until a person is signed in nobody is redirected anywhere
// but to our own pages, so that this endpoint is no open redirector (OAuth 2.1
// §7.13.2). No row is made before a person is signed in.
package authorize
