// Package oauth is the vocabulary of the authorization server: error values,
// strict request parsing, PKCE, scopes, redirect-URI and resource comparison.
//
// Owns: the rules of OAuth 2.1 that need no state.
// Does not own: storage, HTTP routing, pages, policy.
// Trust: everything that is parsed here is attacker-controlled input.
package oauth
