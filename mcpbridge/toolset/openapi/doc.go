// Package openapi makes tools of the operations of an OpenAPI 3.0 or 3.1
// document, so that a REST API is offered to assistants without code.
//
// Owns: reading a document within bounds, the input and output schema of an
// operation, the request that a call becomes, and which fields of an answer a
// model sees.
// Does not own: checking and wording of arguments (package arguments), names of
// failures (package fault), HTTP and the signature (package backend), the
// decision whether a call may be made (package mcpbridge.Gate), the file.
// Trust: the document is the operator's and is read before anything is served;
// it is bounded because it may be generated, and it never makes the gateway
// fetch anything. Arguments are hostile until they match the input schema.
// Answers are customer content: what the document does not describe is dropped.
package openapi
