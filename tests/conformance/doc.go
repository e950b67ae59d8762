// Package conformance judges the gateway by the conformance tool of the Model
// Context Protocol, which nobody here wrote.
//
// Owns: the pinned versions of the tool and of the Node.js that runs it
// (package.json), what of it is expected to fail and why (expected-….yml), and
// the verdict on what it reports. For servers it calls tools by names of its own;
// they are in package mcpbridge/toolset/conformance, which only a binary with
// the build tag conformance has.
//
// Does not own: the checks themselves, nor what the tool has no scenario for;
// tests/e2e and tests/hostile have that.
//
// Trust assumptions: the tool and Node.js are what package-lock.json pins by
// hash. They run with the rights of the tests, against a gateway on loopback.
package conformance
