// Package appstore is the toolset of the Lumos App Store: its tools, what each
// needs, and the REST requests that they become.
//
// Owns: names, descriptions and schemas of the tools, the scopes and permissions
// by which they are granted, the rules of a valid access request, and what of
// the backend's answers a model sees.
// Does not own: the protocol (package mcp), the decision whether a call may be
// made (package mcpbridge.Gate), HTTP and the signature (package backend).
// Keeps: of a write that a client names by an idempotency key what package
// idempotency says; of any other call nothing.
// Trust: a call that arrives has been authorized for its tool. Its arguments are
// hostile until they match the tool's schema; texts of the backend are customer
// content and are returned as data only. The backend has the last word on
// everything, and what it answers about other people is dropped here again.
package appstore
