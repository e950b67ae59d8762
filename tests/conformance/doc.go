// Package conformance judges the gateway by the conformance tool of the Model
// Context Protocol, which nobody here wrote.
//
// Owns: the pinned versions of the tool and of the Node.js that runs it
// (package.json), and the verdict on what it reports.
//
// Does not own: the checks themselves, nor what the tool has no scenario for;
// tests/e2e and tests/hostile have that.
//
// Trust assumptions: the tool and Node.js are what package-lock.json pins by
// hash. They run with the rights of the tests, against a gateway on loopback.
package conformance
