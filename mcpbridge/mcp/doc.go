// Package mcp serves the Model Context Protocol over HTTP: one URL, the
// revisions 2025-03-26 … 2025-11-25 with their handshake and 2026-07-28
// without, tools only.
//
// Owns: the Streamable HTTP transport (POST and JSON answers only), the choice
// of the era, the agreement of headers and body, bearer challenges, CORS, the
// methods, what counts as a read and what as a write, the shape of results, and
// the audit events of what happens here.
// Does not own: JSON-RPC frames (package jsonrpc), what a token is worth and
// what a person may do (mcpbridge.Gate), the tools and the validation of their
// arguments (package toolset), how much anyone may ask (mcpbridge.Limiter), TLS.
//
// It keeps nothing between requests: no sessions, nothing learnt from an
// earlier request, connection or address (MCP 2026-07-28, basic, statelessness).
// What a question to the person needs to be remembered travels with the client,
// sealed for that person and call (multi round-trip requests).
//
// Trust: everything in a request is hostile, before and after the token was
// accepted. The client's address and the request id come from the context, put
// there by the outermost layer. Decisions are made on the parsed body only.
// The toolset is ours, but it may panic and its output is checked to be JSON.
package mcp
