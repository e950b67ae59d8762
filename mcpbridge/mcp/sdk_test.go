package mcp_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// bearer adds the token, and notes what the SDK sends.
type bearer struct {
	token string
	next  *http.Transport

	mu       sync.Mutex
	versions []string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.versions = append(b.versions, r.Header.Get("Mcp-Protocol-Version"))
	b.mu.Unlock()
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

func connect(t *testing.T, e *endpoint, token, version string) (*sdk.ClientSession, *bearer) {
	t.Helper()
	b := &bearer{token: token, next: &http.Transport{}}
	t.Cleanup(b.next.CloseIdleConnections)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: e.url, HTTPClient: &http.Client{Transport: b}, MaxRetries: -1}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session, b
}

func TestTheOfficialSDKCompletesTheWay(t *testing.T) {
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			e := serve(t)
			session, sent := connect(t, e, tokenWriter, version)
			ctx := t.Context()

			if got := session.InitializeResult(); got.ProtocolVersion != version || got.ServerInfo.Name != "mcp-edge" || got.Instructions == "" {
				t.Errorf("agreed on %+v", got)
			}
			tools, err := session.ListTools(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(tools.Tools, func(t *sdk.Tool) bool { return t.Name == "echo" }); i < 0 || !tools.Tools[i].Annotations.ReadOnlyHint {
				t.Errorf("listed %+v", tools.Tools)
			}
			result, err := session.CallTool(ctx, &sdk.CallToolParams{Name: "echo", Arguments: map[string]string{"q": "x"}})
			if err != nil {
				t.Fatal(err)
			}
			if text := result.Content[0].(*sdk.TextContent).Text; result.IsError || text != `{"arguments":{"q":"x"}}` {
				t.Errorf("result %+v", result)
			}
			if result, err = session.CallTool(ctx, &sdk.CallToolParams{Name: "fail"}); err != nil || !result.IsError {
				t.Errorf("a tool's error: %+v, %v", result, err)
			}
			if result, err = session.CallTool(ctx, &sdk.CallToolParams{Name: "write"}); err != nil || result.IsError {
				t.Errorf("a write: %+v, %v", result, err)
			}
			var rpc *jsonrpc.Error
			if _, err = session.CallTool(ctx, &sdk.CallToolParams{Name: "no_such"}); !errors.As(err, &rpc) || rpc.Code != jsonrpc.CodeInvalidParams {
				t.Errorf("an unknown tool: %v", err)
			}
			if version < "2026" {
				if err := session.Ping(ctx, nil); err != nil {
					t.Errorf("ping: %v", err)
				}
			}
			if session.ID() != "" {
				t.Error("there is a session id")
			}
			sent.mu.Lock()
			defer sent.mu.Unlock()
			if last := sent.versions[len(sent.versions)-1]; last != version {
				t.Errorf("the last request said version %q", last)
			}
		})
	}
}

func TestTheOfficialSDKFallsBackWhenItKnowsOnlyANewerRevision(t *testing.T) {
	e := serve(t)
	session, _ := connect(t, e, tokenWriter, "2027-01-01")
	if got := session.InitializeResult().ProtocolVersion; got != "2026-07-28" {
		t.Errorf("agreed on %s", got)
	}
}

func TestTheOfficialSDKIsRefusedWithoutAToken(t *testing.T) {
	e := serve(t)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	_, err := client.Connect(context.WithoutCancel(t.Context()), &sdk.StreamableClientTransport{Endpoint: e.url, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1}, nil)
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "unauthorized") {
		t.Errorf("got %v", err)
	}
}
