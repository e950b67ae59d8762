package strictjson

// TooDeep reports whether data nests more than limit arrays and objects, the
// outermost included. It runs before the parser, which recurses and allocates
// with depth, and costs neither.
//
// For JSON it is exact. For what is not JSON the answer is arbitrary, because
// the parser refuses that in any case; what the parser has read when it finds
// out is never deeper than limit if the answer is false.
func TooDeep(data []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
