// Package idempotency makes a write that a client named by a key happen once.
//
// Owns: the order in which a write is remembered, sent and answered, and who
// waits for whom under one key.
// Does not own: where it is remembered (mcpbridge.Ledger), what a write or its
// answer is, and how to find out whether one was made (the caller's).
//
// What is kept of a write: a hash of its key, a hash of its arguments, when it
// was sent, and from its end on the answer, which holds text of the customer.
// An answer has at most MaxAnswer bytes. All of it goes after 24 h.
//
// Guarantees: a write is sent only after the ledger holds, durably, that it is
// about to be; a second one under its key is never sent, also not after a crash
// in between, when nobody knows whether the first one arrived.
//
// Trust: keys come from clients. They are met only within their grant and tool.
package idempotency
