// Package httpsig signs requests and verifies signatures by HTTP Message
// Signatures (RFC 9421), and compares content with its digest (RFC 9530).
//
// Owns: the signature base (§2.5), the signature fields, and what a signature
// says about itself.
// Does not own: keys, which components a signature must cover, for how long it
// is good and whether it was seen before; callers decide these (packages backend
// and assertion). Structured fields are read and written by a library, the two
// algorithms are those of the JWT library: their signatures have the same form.
// Trust: a request that is verified comes from a stranger. What is not covered
// by a signature says nothing.
package httpsig
