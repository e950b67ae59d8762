package backend_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	good := func() backend.Config {
		return backend.Config{
			Base:      &url.URL{Scheme: "https", Host: "api.example.com"},
			Transport: roundTrip(nil), Credential: backend.Assertion{},
		}
	}
	if _, err := backend.New(good()); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*backend.Config)
	}{
		{"no base", func(c *backend.Config) { c.Base = nil }},
		{"no transport", func(c *backend.Config) { c.Transport = nil }},
		{"no credential", func(c *backend.Config) { c.Credential = nil }},
		{"base without host", func(c *backend.Config) { c.Base.Host = "" }},
		{"base of another scheme", func(c *backend.Config) { c.Base.Scheme = "ftp" }},
		{"base with a path", func(c *backend.Config) { c.Base.Path = "/v1" }},
		{"base with a query", func(c *backend.Config) { c.Base.RawQuery = "a=b" }},
		{"base with a password", func(c *backend.Config) { c.Base.User = url.UserPassword("a", "secret") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			tt.change(&cfg)
			_, err := backend.New(cfg)
			if err == nil {
				t.Fatal("New accepted it")
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestEachKindHasAReason(t *testing.T) {
	t.Parallel()
	none := []backend.Kind{backend.Internal, backend.Canceled}
	for k := backend.Internal; k <= backend.BadAnswer; k++ {
		got := (&backend.Error{Kind: k}).Reason()
		if slices.Contains(none, k) != (got == reason.None) {
			t.Errorf("%v has reason %q", k, got)
		}
	}
}
