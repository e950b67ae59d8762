// Package limit counts how often something happens and says when it may happen
// again.
//
// Owns: the generic cell rate algorithm (GCRA), the buckets of one process, what
// every engine of several buckets at once must do (Engine; package limittest holds
// them to it), the key by which an address is counted.
// Does not own: the buckets that several processes share (package redis), what is
// counted and how much of it is allowed, what is answered to whom is over it;
// thinning out of events (internal/flood).
// Trust: keys come from requests and may be as many as a hostile caller likes.
// Memory therefore holds a fixed number of buckets and forgets the one that was
// not used for longest: a flood of keys costs the flooder's own history first,
// but may cost that of others too, once it is as wide as the memory. Things that
// must not push each other out belong into memories of their own.
package limit
