// Package hostile sends the gateway what attackers send: the real binary, over
// TLS, one named case for each published attack and each edge of the protocol.
// A comment beside a case names the advisory or the rule that it comes from.
//
// Owns: hostile requests, generated ones too, and what must become of them.
//
// Does not own: that honest clients get what they want (tests/e2e), what is
// lost in a crash (tests/faults), and rules that need another clock than the
// machine's: the expiry of access and refresh tokens is pinned by the tests of
// authz/grant.
//
// Trust assumptions: none about the gateway. The stand-ins around it (provider,
// backend) are believed, since it is by them that the tests see what arrived.
package hostile
