// Package discovery publishes what clients need to find their way: the metadata
// of the authorization server (RFC 8414), of each protected resource (RFC 9728)
// and the public signing keys (RFC 7517).
//
// Owns: the documents, their addresses under /.well-known/, and how they are
// served to any origin and kept by caches.
// Does not own: what is configured; which host serves which document.
// Trust: every value comes from the configuration, none from a request, so that
// no Host header can redirect a client.
package discovery
