// Package hostile sends the gateway what attackers send: the real binary, over
// TLS, one named case for each published attack and each edge of the protocol.
// A comment beside a case names the advisory or the rule that it comes from.
//
// What must be true has an id: G for all endpoints, D discovery, A /authorize, C
// sign-in and consent, T and F /token with codes and with refresh tokens, M its
// matrix of errors, R /register, I metadata documents, V /revoke, P the MCP
// endpoint, X cross-origin access, H published attacks, K what real assistants
// need, E edges. The names of the parts say in brackets which ones they pin;
// rows_rules_test.go and rows_attacks_test.go list all of them with the tests
// elsewhere, and a row without a test fails.
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
