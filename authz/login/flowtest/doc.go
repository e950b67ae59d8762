// Package flowtest puts the pages of a person's way (authorize, sign-in,
// consent) together over a real store, for tests.
//
// Owns: a gateway with people, clients and policy of two invented companies, an
// identity provider and a directory that tests steer, and a browser that checks
// the headers and cookies of every answer that it gets.
// Does not own: the tests.
package flowtest
