// Package arguments checks the arguments of a tool call against the schema that
// the tool publishes, and says in words what is wrong with them.
//
// Owns: compiling a published schema, the one way to check arguments, the
// sentence for the model that wrote them, the patterns of safe text, and the
// member telemetry, which every tool takes.
// Does not own: what a schema says (packages beside this one), or what becomes
// of arguments that match.
// Trust: schemas are ours or the operator's; arguments are hostile until they
// match, and their text is never quoted.
package arguments
