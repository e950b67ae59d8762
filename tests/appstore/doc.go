// Package appstore is the stand-in for the REST API behind the product: an App
// Store backend that keeps state and verifies the signature on every request.
//
// Owns: the verification of the signed bearer token as a backend team would
// write it (verify.go and keys.go are what the documentation shows), about 300
// apps made from a word list, access requests whose statuses move with the
// clock, a record of all calls, and the faults that a test can switch on.
//
// Does not own: TLS, the signing keys, or any decision of the product. It
// answers as the interface description of the real App Store says, with its
// traps: times without a zone, a requester that is null, an array for a created
// request, the requests of the whole organisation in a list, admins that are an
// object or an empty list, Retry-After on every answer, fields and enum values
// that the description does not name.
//
// Trust assumptions: it trusts the key set at the issuer and nothing in a
// request that the token does not sign. It listens on plain http and is never
// part of the product binary.
package appstore
