// Package transcripts writes down, byte for byte, what passes the gateway when
// an assistant calls a tool: the request in the form of each protocol revision,
// the answer, and the requests at the backend that the call caused, with the
// decoded assertion of each. There is one file for each tool and revision in
// testdata; run the test with -update after a change that is meant.
//
// Owns: the calls, and what is left out of a transcript because it differs from
// run to run.
// Does not own: whether an answer is a good one (package appstore of the bridge
// and tests/e2e have that); here it only may not change unseen.
// Trust: none; the gateway is the real binary in front of the demo's stand-ins.
package transcripts
