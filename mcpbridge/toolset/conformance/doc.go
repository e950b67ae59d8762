//go:build conformance

// Package conformance is the toolset that the conformance tool of the Model
// Context Protocol calls: it has tools with the names that the tool knows, so
// that everything in front of a tool can be judged by others.
//
// Owns: what those tools answer, and what they ask the person for.
// Does not own: what a call passes on its way here, which is that of any other
// toolset; that way is what is judged.
// Trust: it is no part of the product. Every file here has the build tag
// conformance, without which the package does not exist; a test of
// tests/conformance holds that.
package conformance
