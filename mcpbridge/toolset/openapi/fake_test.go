package openapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

// wire is a backend that notes requests as they would leave and answers each in
// the same way.
type wire struct {
	mu     sync.Mutex
	lines  []string // method, request target, further headers, body
	signed []assertion.Request
	status int
	body   string
	media  string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	for _, name := range []string{"Idempotency-Key", "X-Tenant"} {
		if v := r.Header.Get(name); v != "" {
			line += " " + name + "=" + v
		}
	}
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		line += " " + string(raw)
	}
	w.lines = append(w.lines, line)
	media := w.media
	if media == "" {
		media = "application/json"
	}
	return &http.Response{
		StatusCode: w.status, Header: http.Header{"Content-Type": {media}}, ContentLength: int64(len(w.body)),
		Body: io.NopCloser(strings.NewReader(w.body)), Request: r,
	}, nil
}

// Sign implements backend.Signer.
func (w *wire) Sign(r assertion.Request) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Body = bytes.Clone(r.Body)
	w.signed = append(w.signed, r)
	return "signed", nil
}

// last returns the last request, "" if there is none, and forgets all.
func (w *wire) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == 0 {
		return ""
	}
	line := w.lines[len(w.lines)-1]
	w.lines = nil
	return line
}

func newWire(tb testing.TB) (*wire, *backend.Client) {
	tb.Helper()
	w := &wire{status: http.StatusOK, body: `{}`}
	c, err := backend.New(backend.Config{
		Base: &url.URL{Scheme: "https", Host: "billing.example.com"}, Transport: w, Credential: backend.Assertion{Signer: w},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return w, c
}

func load(tb testing.TB, text string) *openapi.Document {
	tb.Helper()
	d, err := openapi.Load([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// billing is the document that the documentation shows.
func billing(tb testing.TB) *openapi.Document {
	tb.Helper()
	raw, err := os.ReadFile("../../../docs/billing.openapi.json")
	if err != nil {
		tb.Fatal(err)
	}
	return load(tb, string(raw))
}

// one returns a document with one operation, given in YAML: the lines below its
// method.
func one(tb testing.TB, route, operation string) *openapi.Document {
	tb.Helper()
	method, path, _ := strings.Cut(route, " ")
	var b strings.Builder
	fmt.Fprintf(&b, "openapi: 3.1.0\ninfo: {title: One}\npaths:\n  %q:\n    %s:\n", path, strings.ToLower(method))
	for line := range strings.SplitSeq(strings.TrimSpace(operation), "\n") {
		b.WriteString("      " + line + "\n")
	}
	if !strings.Contains(operation, "responses:") {
		b.WriteString("      responses: {200: {content: {application/json: {schema: {type: object, additionalProperties: true}}}}}\n")
	}
	return load(tb, b.String())
}

func config(operation string) openapi.ToolConfig {
	method, _, _ := strings.Cut(operation, " ")
	return openapi.ToolConfig{
		Name: "tool", Operation: operation, Scope: "billing:x", Permission: "billing.x",
		Write: slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, method),
	}
}

// setOf returns a toolset of one tool.
func setOf(tb testing.TB, d *openapi.Document, cfg openapi.ToolConfig) (*openapi.Set, *wire) {
	tb.Helper()
	t, err := d.Tool(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	w, c := newWire(tb)
	set, err := openapi.New(openapi.Config{Title: "Billing", Tools: []*openapi.Tool{t}, Backend: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return set, w
}

func call(ctx context.Context, set *openapi.Set, arguments string) toolset.Result {
	return set.Call(ctx, &toolset.Call{
		Tool: set.List()[0].Name, Arguments: []byte(arguments), RequestID: "txn-1",
		Principal: &mcpbridge.Principal{UserID: "u-1", Email: "ada@acme.com", DomainID: "acme.com", ClientID: "c-1"},
	})
}
