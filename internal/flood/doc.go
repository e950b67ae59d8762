// Package flood thins out events that anyone can cause.
//
// Owns: at most one pass per interval and key, and the count of what was held
// back between two passes.
// Does not own: rate limits of callers (package authz/limit), what is done with
// what passes.
// Trust: whoever causes the events is hostile and may also choose the keys, so
// that their number is bounded.
package flood
