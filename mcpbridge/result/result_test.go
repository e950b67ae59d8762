package result_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

func TestTextIsCleanAndBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		in    string
		limit int
		want  string
	}{
		{"plain text stays", "Ask in #help", 50, "Ask in #help"},
		{"surrounding space goes", "  a \n", 50, "a"},
		{"line breaks stay, in one form", "a\r\nb\n\n\nc", 50, "a\nb\nc"},
		{"runs of space become one", "a \t  b", 50, "a b"},
		{"at the limit nothing is cut", "abcde", 5, "abcde"},
		{"over the limit it is cut and marked", "abcdef", 5, "abcd…"},
		{"characters are counted, not bytes", "äöüäöü", 4, "äöü…"},
		{"a cut leaves no space before the mark", "abc defg", 5, "abc…"},
		{"control characters go", "a\x00b\x1b[31mc\x7f", 50, "ab[31mc"},
		{"bidirectional overrides go", "user\u202egpj.exe\u2066x", 50, "usergpj.exex"},
		{"hidden tag characters go", "a\U000E0041\U000E0042b", 50, "ab"},
		{"zero width spaces go", "a\u200bb\ufeffc", 50, "abc"},
		{"joiners stay", "👩\u200d💻", 50, "👩\u200d💻"},
		{"invalid UTF-8 is replaced", "a\xffb", 50, "a\ufffdb"},
		{"nothing fits into nothing", "abc", 0, ""},
		{"empty stays empty", "", 10, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := result.Text(tt.in, tt.limit); got != tt.want {
				t.Errorf("Text(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
			}
		})
	}
}

func TestLineIsOneLine(t *testing.T) {
	t.Parallel()
	if got := result.Line(" a\r\nb\u2028c\td ", 50); got != "a b c d" {
		t.Errorf("Line = %q", got)
	}
}

func TestTimesAreRFC3339InUTC(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"with Z", "2026-11-23T01:02:03Z", "2026-11-23T01:02:03Z"},
		{"without a zone means UTC", "2026-11-23T01:02:03", "2026-11-23T01:02:03Z"},
		{"an offset is applied", "2026-11-23T01:02:03+02:00", "2026-11-22T23:02:03Z"},
		{"fractions are dropped", "2026-11-23T01:02:03.987654", "2026-11-23T01:02:03Z"},
		{"a space in place of T", "2026-11-23 01:02:03", "2026-11-23T01:02:03Z"},
		{"a date is its midnight", "2026-11-23", "2026-11-23T00:00:00Z"},
		{"empty is no time", "", ""},
		{"words are no time", "tomorrow", ""},
		{"an impossible date is no time", "2026-02-30T00:00:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := result.Time(tt.in); got != tt.want {
				t.Errorf("Time(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestLinksAreSafeToShow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"https", "https://tickets.example.com/new?app=1#form", true},
		{"http", "http://intranet/", true},
		{"script", "javascript:alert(1)", false},
		{"data", "data:text/html,x", false},
		{"file", "file:///etc/passwd", false},
		{"a user that looks like a host", "https://example.com@evil.example/", false},
		{"no host", "https:///x", false},
		{"relative", "/x", false},
		{"line break", "https://a.example/\nx", false},
		{"bidirectional override", "https://a.example/\u202egpj", false},
		{"too long", "https://a.example/" + strings.Repeat("x", 2048), false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := result.Link(tt.in)
			if tt.ok && got != tt.in || !tt.ok && got != "" {
				t.Errorf("Link(%q) = %q", tt.in, got)
			}
		})
	}
}

func TestEncodeWritesOneObject(t *testing.T) {
	t.Parallel()
	got, err := result.Encode(struct {
		Text string `json:"text"`
		Gone string `json:"gone,omitzero"`
	}{Text: "a\"b"})
	if err != nil || string(got) != `{"text":"a\"b"}` {
		t.Errorf("Encode = %s, %v", got, err)
	}
	if _, err := result.Encode("\xff"); err == nil {
		t.Error("Encode accepted what is not UTF-8")
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain", 10)
	f.Add("a\u202eb\x00\xff\n\n", 3)
	f.Add(strings.Repeat("\u200b", 1000)+"x", 2)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		limit = max(0, min(limit, 10_000))
		got := result.Text(in, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit {
			t.Fatalf("Text(%q, %d) = %q", in, limit, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' || r == '\u202e' {
				t.Fatalf("Text(%q, %d) let %U through", in, limit, r)
			}
		}
		if again := result.Text(got, limit); again != got {
			t.Fatalf("Text is not stable: %q, then %q", got, again)
		}
	})
}
