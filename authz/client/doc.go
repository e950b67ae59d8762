// Package client knows the assistants that connect: which products there are,
// how one registers, and how it proves itself at the token endpoint.
//
// Owns: host profiles and their match by redirect URI, dynamic registration
// (RFC 7591, RFC 7592), what was refused and would be admitted by which lines,
// client authentication (RFC 6749 §2.3).
//
// Does not own: which profiles a domain allows (package policy), where clients
// are stored, the check of a redirect URI at /authorize.
//
// Trust: everything in a registration is chosen by an unknown party. A name
// proves nothing; only a redirect URI does, because the authorization code goes
// there. A registration by itself grants nothing.
package client
