package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/web"
)

func TestAFormIsTakenFromOurOwnPagesOnly(t *testing.T) {
	const over, plain = "https://auth.example/page", "http://auth.example/page"
	tests := []struct {
		name   string
		target string
		header []string // name, value, …
		ok     bool
	}{
		{"a browser that tells the site", over, []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"a browser that tells the origin", over, []string{"Origin", "https://auth.example"}, true},
		{"a browser that tells both", over, []string{"Origin", "https://auth.example", "Sec-Fetch-Site", "same-origin"}, true},
		// Our pages tell no referrer, and then browsers tell no origin either.
		{"the origin null from our own site", over, []string{"Origin", "null", "Sec-Fetch-Site", "same-origin"}, true},
		{"a program that is no browser", over, nil, true},
		{"our host over http where there is no TLS here", plain, []string{"Origin", "http://auth.example"}, true},

		{"our host over http", over, []string{"Origin", "http://auth.example"}, false},
		{"our host over http from what says to be our site", over, []string{"Origin", "http://auth.example", "Sec-Fetch-Site", "same-origin"}, false},
		{"our host over another scheme", over, []string{"Origin", "ftp://auth.example"}, false},
		{"our host without a scheme", over, []string{"Origin", "//auth.example"}, false},
		{"another origin", over, []string{"Origin", "https://evil.example"}, false},
		{"another port of our host", over, []string{"Origin", "https://auth.example:8443"}, false},
		{"the origin null alone", over, []string{"Origin", "null"}, false},
		{"another site", over, []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a neighbouring host", over, []string{"Sec-Fetch-Site", "same-site"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, tt.target, strings.NewReader("a=b"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			rec := httptest.NewRecorder()
			form, ok := newPages(t).Form(rec, r)
			if ok != tt.ok || ok != (form.Get("a") == "b") {
				t.Errorf("taken: %v, want %v", ok, tt.ok)
			}
			if !ok && rec.Code != http.StatusForbidden {
				t.Errorf("got %d, want 403", rec.Code)
			}
		})
	}
}

func TestAFormThatCannotBeReadIsAnsweredWithAPage(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"another content type", "application/json", "{}", http.StatusBadRequest},
		{"broken encoding", "application/x-www-form-urlencoded", "a=%zz", http.StatusBadRequest},
		{"more than any form of ours", "application/x-www-form-urlencoded", strings.Repeat("a", web.MaxForm+1), http.StatusRequestEntityTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "https://auth.example/page", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			rec := httptest.NewRecorder()
			if _, ok := newPages(t).Form(rec, r); ok || rec.Code != tt.status {
				t.Errorf("taken: %v, %d, want %d", ok, rec.Code, tt.status)
			}
		})
	}
}
