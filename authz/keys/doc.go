// Package keys makes, keeps and hands out the server's long-lived secrets: the
// MAC keys of opaque credentials, the keys that seal cookies, and the keys that
// sign requests to backends.
//
// Owns: the documents in which they are stored, their creation at the first
// start, the checks at every later one, the public key set (RFC 7517 §5), and the
// rotation of the signing keys.
//
// A rotation is one write. The document then holds, with each key, from when it
// is used and until when it is accepted; nodes act on these times by their
// clocks, so that they agree without talking, and a process that dies leaves
// either the document of before or the whole rotation.
//
// Does not own: what the keys are used for, nor where the storage lives; nodes
// of one cluster share a storage and therefore keys.
//
// Trust: the storage is trusted to keep the documents secret and whole. A
// document that is damaged is an error; it is never replaced, because new keys
// would sign every person out and break every backend's trust.
package keys
