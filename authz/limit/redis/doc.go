// Package redis is the limit.Engine that several gateways share: the buckets lie
// in Redis or Valkey.
//
// Owns: the script that counts one event in all its buckets at once, the names
// and the lives of keys, the connection, and what happens while there is none.
// Does not own: what is counted and how much of it is allowed, the buckets of one
// process (limit.Local).
// Trust: the server's clock decides, so that gateways need not agree about the
// time. What it answers is ours, except while it is down, slow, full or a
// replica: then each gateway holds the limits by itself. They are never open and
// never shut, and no event waits for longer than the budget. Keys come from the
// caller, who must put no personal data into them: operators of the server, and
// its backups, see them.
package redis
