package mcp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// withoutFaults has the tools that neither panic, nor wait, nor answer nonsense.
type withoutFaults struct{}

func (withoutFaults) List() []toolset.Tool {
	var tools []toolset.Tool
	for _, t := range (*fakeTools)(nil).List() {
		switch t.Name {
		case "echo", "whoami", "words", "fail", "write", "admin":
			tools = append(tools, t)
		}
	}
	return tools
}

func (withoutFaults) Call(ctx context.Context, c *toolset.Call) toolset.Result {
	return (*fakeTools)(nil).Call(ctx, c)
}

// small has few enough tools to read their list in a transcript.
func small(c *mcp.Config) { c.Tools = withoutFaults{} }

// constant answers without work of its own, so that a benchmark shows the
// protocol's.
type constant struct{ withoutFaults }

var constantAnswer = []byte(`{"arguments":{"q":"x"}}`)

func (constant) Call(context.Context, *toolset.Call) toolset.Result {
	return toolset.Result{Structured: constantAnswer}
}

type allowing struct{}

var benchPrincipal = &mcpbridge.Principal{UserID: "u"}

func (allowing) Authenticate(context.Context, string) (*mcpbridge.Principal, error) {
	return benchPrincipal, nil
}

func (allowing) Authorize(context.Context, *mcpbridge.Principal, mcpbridge.Need) mcpbridge.Decision {
	return mcpbridge.Decision{Outcome: mcpbridge.Allow}
}

// generous is a limiter without counters, so that a benchmark shows what is
// written on each answer.
type generous struct{}

func (generous) Take(context.Context, *mcpbridge.Principal, bool) mcpbridge.Allowance {
	return mcpbridge.Allowance{Limit: 120, Remaining: 117, Reset: 1500 * time.Millisecond}
}

type forgetting struct{}

func (forgetting) Record(context.Context, mcpbridge.Event) error { return nil }

// discarding keeps nothing of an answer.
type discarding struct{ header http.Header }

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) WriteHeader(int)             {}
func (d *discarding) Write(p []byte) (int, error) { return len(p), nil }

func bench(c *mcp.Config) {
	c.Gate, c.Auditor, c.Tools, c.Log = allowing{}, forgetting{}, constant{}, slog.New(slog.DiscardHandler)
}

// BenchmarkHandler is the protocol alone, without net/http.
func BenchmarkHandler(b *testing.B) {
	b.Run("unlimited", func(b *testing.B) { benchHandler(b) })
	b.Run("limited", func(b *testing.B) { benchHandler(b, func(c *mcp.Config) { c.Limiter = generous{} }) })
}

func benchHandler(b *testing.B, change ...func(*mcp.Config)) {
	_, h := newEndpoint(b, append([]func(*mcp.Config){bench}, change...)...)
	for name, c := range benchCalls() {
		b.Run(name, func(b *testing.B) {
			template := httptest.NewRequest(http.MethodPost, "/mcp", nil)
			setHeaders(template.Header, c)
			body := strings.NewReader(c.body)
			template.Body, template.ContentLength = io.NopCloser(body), int64(len(c.body))
			w := &discarding{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				clear(w.header)
				h.ServeHTTP(w, template)
			}
		})
	}
}

// BenchmarkHTTP is a keep-alive connection over loopback, client included. The
// floor is a constant answer of the same size: the difference is the protocol.
func BenchmarkHTTP(b *testing.B) {
	_, h := newEndpoint(b, bench)
	floor := func(status int, size int) http.Handler {
		answer := []byte(strings.Repeat(" ", size))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			_, _ = w.Write(answer)
		})
	}
	for name, c := range benchCalls() {
		b.Run(name, func(b *testing.B) { benchHTTP(b, h, c) })
	}
	b.Run("floor", func(b *testing.B) { benchHTTP(b, floor(200, 280), benchCalls()["modern call"]) })
}

func benchHTTP(b *testing.B, h http.Handler, c call) {
	url := serveHandler(b, h)
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(c.body))
		if err != nil {
			b.Fatal(err)
		}
		setHeaders(r.Header, c)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
		_ = resp.Body.Close()
	}
}

func benchCalls() map[string]call {
	return map[string]call{
		"modern call": modernCall("tools/call", `"name":"echo","arguments":{"q":"x"}`),
		"legacy call": legacyCall("tools/call", `"name":"echo","arguments":{"q":"x"}`),
		"modern list": modernCall("tools/list", ""),
	}
}

func setHeaders(h http.Header, c call) {
	h.Set("Content-Type", "application/json")
	h.Set("Authorization", "Bearer "+c.token)
	for _, line := range c.headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
}
