package document_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/document"
)

func TestFreshnessFollowsTheServerWithinBounds(t *testing.T) {
	in := func(d time.Duration) string { return start.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"without a header it is the least", http.Header{}, document.MinAge},
		{"an hour is an hour", http.Header{"Cache-Control": {"public, max-age=3600"}}, time.Hour},
		{"quotes and capitals are read", http.Header{"Cache-Control": {`Max-Age="3600"`}}, time.Hour},
		{"a second is the least", http.Header{"Cache-Control": {"max-age=1"}}, document.MinAge},
		{"a year is the most", http.Header{"Cache-Control": {"max-age=31536000"}}, document.MaxAge},
		{"a number that would overflow is the most", http.Header{"Cache-Control": {"max-age=9223372036854775807"}}, document.MaxAge},
		{"a number that cannot be read is the least", http.Header{"Cache-Control": {"max-age=99999999999999999999999"}}, document.MinAge},
		{"a negative number is the least", http.Header{"Cache-Control": {"max-age=-5"}}, document.MinAge},
		{"no-store is the least", http.Header{"Cache-Control": {"no-store, max-age=3600"}}, document.MinAge},
		{"no-cache is the least", http.Header{"Cache-Control": {"max-age=3600", "no-cache"}}, document.MinAge},
		{"of two ages the shorter counts", http.Header{"Cache-Control": {"max-age=7200", "max-age=3600"}}, time.Hour},
		{"time in other caches is taken off", http.Header{"Cache-Control": {"max-age=7200"}, "Age": {"3600"}}, time.Hour},
		{"a long time in other caches leaves the least", http.Header{"Cache-Control": {"max-age=3600"}, "Age": {"9223372036854775807"}}, document.MinAge},
		{"Expires counts where there is no age", http.Header{"Expires": {in(2 * time.Hour)}}, 2 * time.Hour},
		{"an age counts before Expires", http.Header{"Cache-Control": {"max-age=3600"}, "Expires": {in(2 * time.Hour)}}, time.Hour},
		{"Expires in the past is the least", http.Header{"Expires": {in(-time.Hour)}}, document.MinAge},
		{"Expires that is no date is the least", http.Header{"Expires": {"0"}}, document.MinAge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := document.FreshFor(c.header, start); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
