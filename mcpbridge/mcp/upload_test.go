package mcp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// flushed is a response that remembers how much of the body was there at each
// flush.
type flushed struct {
	*httptest.ResponseRecorder
	at []int
}

func (f *flushed) Flush() { f.at = append(f.at, f.Body.Len()) }

// Some clients lose an answer that comes with the end of an HTTP/2 stream on
// which they still send; which ones and how often depends on their timing, so
// the order is looked at and not a client.
func TestARefusalThatLeavesTheBodyUnreadIsSentBeforeTheStreamEnds(t *testing.T) {
	tests := []struct {
		name, token, contentType string
		body                     io.Reader
		status                   int
		first                    bool
	}{
		{"too large by what is announced", tokenWriter, "application/json", strings.NewReader(strings.Repeat(" ", 101)), 413, true},
		{"too large, without an announced length", tokenWriter, "application/json", struct{ io.Reader }{strings.NewReader(strings.Repeat(" ", 101))}, 413, true},
		{"a body of another type", tokenWriter, "text/plain", strings.NewReader("x"), 415, true},
		{"a body without a token", "", "application/json", strings.NewReader("x"), 401, true},
		{"a body that was read", tokenWriter, "application/json", strings.NewReader("x"), 400, false},
		{"no body", "", "application/json", http.NoBody, 401, false},
	}
	_, h := newEndpoint(t, limitBody(100))
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", tc.body)
			r.Header.Set("Content-Type", tc.contentType)
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			w := &flushed{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, r)
			if w.Code != tc.status || w.Body.Len() == 0 {
				t.Fatalf("status %d with %q, want %d", w.Code, w.Body, tc.status)
			}
			if got := len(w.at) == 1 && w.at[0] == w.Body.Len(); got != tc.first {
				t.Errorf("flushed at %v of %d bytes, want it: %v", w.at, w.Body.Len(), tc.first)
			}
		})
	}
}
