// Package jsonrpc reads and writes the JSON-RPC 2.0 frames of the Model
// Context Protocol.
//
// Owns: the strict parse of one request or notification, reading single
// members of its parameters, the error codes, and the encoding of answers.
// Does not own: HTTP, methods and their meaning (package mcp), the size limit
// (the caller bounds the input before it parses).
// Trust: the input is hostile. Whatever two parsers could read in two ways is
// refused here: members in another case or twice, invalid UTF-8, data after
// the frame, arrays of frames. Otherwise a filter in front of the gateway
// could allow one method while the gateway runs another.
package jsonrpc
