package client

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxText bounds names and other short texts, in characters after NFC.
const maxText = 100

// cleanText returns s in Unicode NFC with single spaces and none at the ends.
// It is false for text that is too long or holds characters that are not seen
// or change how others are seen (controls, bidirectional overrides, zero-width
// characters): such a name is meant to deceive, not to be repaired.
func cleanText(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	s = norm.NFC.String(s)
	for _, r := range s {
		visible := unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)
		if !visible || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			return "", false
		}
	}
	s = strings.Join(strings.Fields(s), " ")
	return s, utf8.RuneCountInString(s) <= maxText
}

// quotable says whether s may stand in an error description (RFC 6749 §5.2:
// printable ASCII without quote and backslash) and is short enough to help.
func quotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte(`"\<>`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// unquoted replaces what an error description may not hold (RFC 6749 §5.2).
func unquoted(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
}
