// Package session keeps what a browser holds at the authorization server: the
// session of a signed-in person, and the authorization requests that wait for a
// sign-in.
//
// Owns: the cookies, their names, attributes, lifetimes and bounds; the rows of
// browser sessions.
//
// Does not own: how a person signs in (package login), what an authorization
// request may ask for (package authorize), approvals (package consent).
//
// Trust: a cookie is attacker-controlled until it opened or its row was found.
// Pending requests live sealed in the browser, so that a stranger who sends
// authorization requests makes no row; a session is a row, so that it can be
// ended from here. The __Host- prefix keeps neighbouring hosts from planting
// cookies.
package session
