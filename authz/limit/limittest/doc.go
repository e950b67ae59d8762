// Package limittest is what every limit.Engine must do, and a Redis server to
// test with.
//
// Owns: the conformance table of engines, starting and ending a server.
// Does not own: the engines.
// Trust: for tests only.
package limittest
