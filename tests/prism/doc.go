// Package prism lets the tools run against a mock of the App Store that nobody
// here wrote: Prism, made from the interface description
// docs/lumos-appstore.openapi.json.
//
// The demo's backend (tests/appstore) is ours, so that a wrong idea of the
// interface could be in both; Prism knows the description only. It refuses what
// does not match it, answers with any status that the description names, and
// watches what passes between the gateway and the demo's backend.
//
// Owns: the pinned version of Prism (package.json), and what is between it and
// the gateway.
// Does not own: the description; nor what a backend remembers, which Prism does
// not: tests/appstore does.
// Trust: Prism is what package-lock.json pins by hash. It runs with the rights
// of the tests, on loopback.
package prism
