// Package backend sends one request to the REST API behind the gateway, as one
// person, and reads the answer.
//
// Owns: building a request from typed parts, the headers that leave the
// gateway, the credential's place, deadlines, the size of answers and the names
// of failures.
// Does not own: what an endpoint means (package toolset and below), the making
// of assertions (package assertion), the connection (the RoundTripper given).
// Trust: the backend is ours but its content is its customers': status, content
// type and size are checked, and no header of it goes any further. Nothing of
// the client's own HTTP request reaches this package, so nothing of it can leak
// to the backend.
package backend
