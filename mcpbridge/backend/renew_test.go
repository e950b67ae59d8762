package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

// counting is a credential that is another one each time, until it fails.
type counting struct{ made, most int }

func (c *counting) Apply(_ context.Context, out *http.Request, _ *backend.Request) error {
	if c.made++; c.made > c.most {
		return errors.New("no key")
	}
	out.Header["Authorization"] = []string{fmt.Sprint("Bearer ", c.made)}
	return nil
}

// twice is a transport that sends each request again where it may.
type twice struct{ sent []string }

func (t *twice) RoundTrip(out *http.Request) (*http.Response, error) {
	t.sent = append(t.sent, out.Header.Get("Authorization"))
	if backend.Renewable(out.Context()) {
		backend.Renew(out)
		t.sent = append(t.sent, out.Header.Get("Authorization"))
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{}`)), ContentLength: 2,
	}, nil
}

func TestOnlyAReadIsSignedASecondTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method string
		credentials  int
		want         string
	}{
		{"a read", http.MethodGet, 2, "Bearer 1,Bearer 2"},
		{"a read that cannot be signed again has no credential", http.MethodGet, 1, "Bearer 1,"},
		{"a submission", http.MethodPost, 2, "Bearer 1"},
		{"a cancellation", http.MethodDelete, 2, "Bearer 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			transport := new(twice)
			c, err := backend.New(backend.Config{Base: &url.URL{Scheme: "https", Host: "api.example.com"}, Transport: transport, Credential: &counting{most: tt.credentials}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Do(t.Context(), &backend.Request{Method: tt.method, Path: []string{"x"}}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(transport.sent, ","); got != tt.want {
				t.Errorf("sent with %q, want %q", got, tt.want)
			}
		})
	}
}
