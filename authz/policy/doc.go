// Package policy decides who may do what: which domains are on, which
// assistants and people each admits, and what a token's scopes and a person's
// roles together permit.
//
// Owns: the compiled policy of one configuration and every decision on it. Each
// rule stands here once; endpoints ask, they do not decide.
//
// Does not own: authentication, storage, HTTP answers. A Policy is immutable;
// a reload makes a new one, and running tokens meet it at their next request.
//
// Trust: the configuration is trusted; groups come from the identity provider
// at sign-in and are believed for the domain that the provider serves only.
package policy
