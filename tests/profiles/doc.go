// Package profiles connects every assistant that the product knows by name: the
// real binary, over TLS, by the registration or the metadata document that the
// assistant introduces itself with, and with its own ways of asking.
//
// Owns: one shape at least for each built-in host profile, restated from what
// vendors and people who ran the products have published; and the addresses that
// must not pass for one of theirs.
//
// Does not own: clients that others wrote (tests/e2e), and attacks that have
// nothing to do with redirect addresses (tests/hostile).
//
// Trust assumptions: none about the gateway. A shape is what an assistant is
// known to send, not what it will send for ever: docs/clients.md says how sure
// each is.
package profiles
