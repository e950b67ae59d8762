// Package limits runs the real binary over its limits of people and domains: in
// both eras of the protocol, two gateways on one Redis, and without the Redis
// that they share.
package limits
