package oauth

import (
	"slices"
	"strings"
)

// MaxScopes is the largest number of scopes that a request may name.
const MaxScopes = 64

// ParseScopes splits a scope parameter (RFC 6749 §3.3) into its scopes, sorted
// and without repetition. It is false when s holds a character that no scope
// may hold, or too many scopes.
func ParseScopes(s string) ([]string, bool) {
	for i := range len(s) {
		c := s[i]
		if c != ' ' && (c < 0x21 || c > 0x7e || c == '"' || c == '\\') {
			return nil, false
		}
	}
	scopes := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
	if len(scopes) > MaxScopes {
		return nil, false
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), true
}

// FormatScopes joins scopes for the wire.
func FormatScopes(scopes []string) string { return strings.Join(scopes, " ") }

// Union returns the scopes that are in a or in b, sorted.
func Union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Intersect returns the scopes that are in both, in the order of a.
func Intersect(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// Covers says whether have holds all of need.
func Covers(have, need []string) bool {
	for _, s := range need {
		if !slices.Contains(have, s) {
			return false
		}
	}
	return true
}
