// Package document resolves clients whose client_id is the URL of a metadata
// document (OAuth Client ID Metadata Document, draft -01; MCP authorization).
//
// Owns: which URLs may be client ids, what a document may say, where it is
// fetched from and how often, which copy counts (the freshly fetched one, the
// last good one, or the pinned one that the product ships), the alarm when a
// document changes, and the client row that stands for a document.
//
// Does not own: which URLs are known (host profiles, package client), which
// profiles a domain allows (package policy), the exchange with the outside
// (package safehttp), consent; it says by a hash when consent has to be asked
// again.
//
// Trust: only URLs that a profile lists are looked at; no packet is sent for any
// other. Its host decides what a listed document says, so the document is trusted
// for its own redirect URIs and for nothing else: not for the name that people
// see, not for secrets, not for private-use schemes. Pinned copies are trusted
// like the program.
package document
