package web

import (
	"strings"
	"unicode"
)

// Lengths, in characters, at which shown text is cut.
const (
	maxName    = 100
	maxLine    = 300
	maxAddress = 2100 // a redirect URI is shown whole: its end matters as much as its start
)

// Clean makes untrusted text fit to be shown on one line: control and format
// characters (among them the bidirectional overrides and zero-width characters
// by which one text poses as another) are dropped, white space is one space,
// and more than limit characters are cut with an ellipsis.
func Clean(s string, limit int) string {
	var b strings.Builder
	space := false
	n := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			space = n > 0
			continue
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co):
			continue
		}
		if n >= limit {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			n++
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// address is a URI cut so that its host can be shown in bold.
type address struct {
	Before, Host, After string
}

func splitAddress(uri string) address {
	uri = Clean(uri, maxAddress)
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return address{After: uri}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return address{Before: scheme + "://", Host: rest[:end], After: rest[end:]}
}
