package client_test

import (
	"testing"

	"github.com/teamlumos/mcp-edge/authz/client"
)

// Anybody may try to register, so a refusal must stay cheap.
func BenchmarkMatch(b *testing.B) {
	r := registry(b)
	for name, uri := range map[string]string{
		"known loopback address": "http://localhost:5/callback", "unknown loopback address": "http://localhost:5/other",
		"known web address": "https://www.cursor.com/agents/mcp/oauth/callback", "unknown web address": "https://evil.example/callback",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Match([]string{uri})
			}
		})
	}
}

// Each client block of a Caddyfile and each reload makes a registry.
func BenchmarkNewRegistry(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.NewRegistry(); err != nil {
			b.Fatal(err)
		}
	}
}
