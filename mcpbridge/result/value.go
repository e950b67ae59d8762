package result

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// maxLink is the length of an address in bytes that Link lets through.
const maxLink = 2048

// layouts of times as backends write them; without a zone they mean UTC.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02",
}

// Time returns s as RFC 3339 in UTC to the second, or "" if it is no time that
// is understood.
func Time(s string) string {
	s = strings.TrimSpace(s)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// Link returns s if it is an http or https address that may be shown to a
// person, else "". User information is refused because it makes one host look
// like another.
func Link(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxLink || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// Encode returns v, a struct of a tool's answer, as one JSON object. It is the
// only place where an answer is encoded.
func Encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding the result: %w", err)
	}
	return raw, nil
}
