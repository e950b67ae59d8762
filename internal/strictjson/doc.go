// Package strictjson holds what is checked of hostile JSON before a parser
// sees it.
//
// Owns: the bound on nesting.
// Does not own: the parsing and what its options refuse (names given twice,
// invalid UTF-8, trailing data), the bound on size (the caller's).
// Trust: the input is any bytes.
package strictjson
