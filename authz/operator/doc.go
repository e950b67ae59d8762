// Package operator is what the operators of the server see of its clients and do
// about them while it runs.
//
// Owns: the lists of clients and of what was refused, the explanation of what a
// person may do with a client, the end of a client or of
// its grants across all domains, and that each such act is in the audit trail
// before it happens.
//
// Does not own: who may act (whoever reaches these methods is an operator, which
// the caller has seen to), which clients are allowed at all (the configuration),
// what decides about calls (package policy), how grants end (package grant).
//
// Trust: operators are believed. What they are shown came from strangers, who
// chose the names and addresses.
package operator
