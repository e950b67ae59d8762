// Package result turns what a backend wrote into values that may be given to a
// model: bounded, printable, and in one form.
//
// Owns: cleaning and cutting of foreign text, times and addresses, and the one
// encoding of a structured answer.
// Does not own: which fields a tool returns (packages below toolset).
// Trust: everything that comes in is customer content. What comes out is data;
// a cleaned text may still try to persuade its reader, so it is returned in its
// own field and never made part of a description or an instruction.
package result
