package httpx

// IsIdentity reports whether StripIdentity deletes a header of this name.
func IsIdentity(name string) bool { return identifies(name) }
