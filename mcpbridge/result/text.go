package result

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis marks a text that was cut.
const ellipsis = "…"

// Text returns s as readable text of at most limit characters: invalid UTF-8
// replaced, surrounding space removed, line breaks kept. Characters that a
// person does not see but a model reads are dropped (controls, bidirectional
// overrides, tag characters), so that nothing can hide in a label.
func Text(s string, limit int) string { return clean(s, limit, true) }

// Line is Text on one line: each run of white space becomes one space.
func Line(s string, limit int) string { return clean(s, limit, false) }

func clean(s string, limit int, lines bool) string {
	// Only the beginning of a long input is looked at: each character of the
	// output needs at most four bytes of it, and dropped ones are rare.
	const slack = 16
	if longest := limit*utf8.UTFMax*slack + slack; len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	var b strings.Builder
	b.Grow(min(len(s), limit*2))
	n, space, newline := 0, false, false
	for _, r := range s {
		switch {
		case lines && r == '\n':
			newline = true
			continue
		case unicode.IsSpace(r):
			space = true
			continue
		case invisible(r):
			continue
		}
		gap := 0
		if (space || newline) && n > 0 {
			gap = 1
		}
		if n+gap+1 > limit {
			return cut(b.String(), limit)
		}
		if gap == 1 {
			if newline {
				b.WriteByte('\n')
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(r)
		n += gap + 1
		space, newline = false, false
	}
	return b.String()
}

// cut makes room for the ellipsis in a text that is at its limit.
func cut(s string, limit int) string {
	if limit < 1 {
		return ""
	}
	for utf8.RuneCountInString(s) >= limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimRightFunc(s, unicode.IsSpace) + ellipsis
}

// invisible reports whether r has no visible form but a meaning to a reader of
// bytes. Joiners stay: emoji and several scripts need them.
func invisible(r rune) bool {
	switch {
	case unicode.IsControl(r):
		return true
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069: // bidirectional control
		return true
	case r >= 0xE0000 && r <= 0xE0FFF: // tags and further variation selectors
		return true
	case r == 0x200B, r == 0x2060, r == 0xFEFF, r == 0x00AD: // zero width
		return true
	}
	return false
}
