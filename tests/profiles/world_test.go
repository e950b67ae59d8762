package profiles_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// world is a gateway whose one domain allows every profile.
type world struct {
	*gateway.Gateway
	issuer, resource string
	shapes           []shape
}

// start runs a gateway that knows no more than the product ships.
func start(t *testing.T) *world {
	t.Helper()
	data, err := os.MkdirTemp("", "edge") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	api := freeAddr(t)
	resource := "https://" + api + stack.ResourcePath
	keepDocuments(t, filepath.Join(data, "edge.db"), documents(resource))
	g := gateway.Start(t, stack.Options{Data: data, APIAddr: api}, caddyfile(t, ""))
	if g.Stack.Resource != resource {
		t.Fatalf("the resource is %s, want %s", g.Stack.Resource, resource)
	}
	return &world{Gateway: g, issuer: g.Stack.Issuer, resource: resource, shapes: shapes(resource)}
}

// caddyfile is the root one with every profile allowed, and client blocks.
func caddyfile(t *testing.T, blocks string) string {
	t.Helper()
	return gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"),
		"\t\t# One block for each customer", blocks+"\t\t# One block for each customer",
		"clients claude claude-code chatgpt vscode mcp-inspector mcp-remote", "clients "+strings.Join(registry(t).IDs(), " "))
}

func registry(t *testing.T) *client.Registry {
	t.Helper()
	r, err := client.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keepDocuments lays down copies of metadata documents, as if they had been
// fetched a moment ago: the gateway fetches from public addresses only, of which
// a test has none.
func keepDocuments(t *testing.T, path string, texts map[string]string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for address, text := range texts {
			kept := store.Document{URL: address, Body: []byte(text), FetchedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
			if err := tx.SaveDocument(t.Context(), kept); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := testport.Free("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("localhost", port)
}

// client follows no redirect and keeps no cookie.
func (w *world) client() *http.Client {
	c := w.Stack.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// member is a browser of a person who may read and request.
func (w *world) member() *robot.Robot {
	u := w.Stack.User("member")
	return robot.New(w.Stack.Transport(), robot.Person{Email: u.Email, Password: u.Password})
}

// send sends one request; header are pairs.
func (w *world) send(t *testing.T, c *http.Client, method, address, body string, header ...string) assistant.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return must(t, func(context.Context) (assistant.Answer, error) { return assistant.Do(c, req) })
}

// register sends a registration from an address of its own.
func (w *world) register(t *testing.T, body string) assistant.Answer {
	t.Helper()
	return w.send(t, w.Stranger(t), http.MethodPost, w.issuer+"/register", body, "Content-Type", "application/json")
}

// must fails the test when f does.
func must[T any](t *testing.T, f func(context.Context) (T, error)) T {
	t.Helper()
	v, err := f(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}
