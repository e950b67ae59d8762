// Package verify runs the programs of docs/examples/verify, which verify requests
// in the languages of backend teams, against requests that the gateway's own
// client signed, and against each way to tamper with one.
package verify
