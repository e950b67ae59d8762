// Package gateway runs the real binary for tests: it is built once, started
// with the root Caddyfile or another one, reloaded, killed and started again.
//
// Owns: the child process and its log.
// Does not own: what stands around it (package stack).
package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/stack"
)

// BinaryEnv names an already built binary; ./tests/run sets it, so that one
// build serves all packages.
const BinaryEnv = "MCP_EDGE_TEST_BINARY"

// PlainBinaryEnv names one that was built without the race detector, for tests
// that need its speed; ./tests/run sets it with -flood.
const PlainBinaryEnv = "MCP_EDGE_PLAIN_BINARY"

// Root returns the repository's root folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mcp-edge-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "mcp-edge")
	return path, compile(path)
})

// compile builds the gateway at path.
func compile(path string, flags ...string) error {
	args := append([]string{"build", "-race", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return nil
}

// Binary returns the path of the built binary.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryEnv); path != "" {
		return path
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Tagged builds the binary with a build tag and returns its path. It is gone
// when the test ends.
func Tagged(t testing.TB, tag string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mcp-edge")
	if err := compile(path, "-tags", tag); err != nil {
		t.Fatal(err)
	}
	return path
}

// Gateway is one running child process.
type Gateway struct {
	// Stack is what stands around it.
	Stack *stack.Stack
	// Caddyfile is the configuration it was started with.
	Caddyfile string

	t      testing.TB
	binary string
	env    []string

	mu  sync.Mutex
	cmd *exec.Cmd
	log *lockedBuffer
}

// unlimited turns the limits of people and domains off: a test asks more in a
// second than a person in an hour. Those that are about the limits set their own.
var unlimited = []string{"MCP_EDGE_LIMIT_READ=off", "MCP_EDGE_LIMIT_WRITE=off", "MCP_EDGE_LIMIT_DOMAIN=off"}

// Start builds the surrounding and runs the binary with the Caddyfile at path
// ("" = the root one) until the test ends. It returns when the gateway is ready.
func Start(t testing.TB, o stack.Options, path string, env ...string) *Gateway {
	t.Helper()
	return StartBinary(t, Binary(t), o, path, env...)
}

// StartBinary is Start with another binary than that of Binary.
func StartBinary(t testing.TB, binary string, o stack.Options, path string, env ...string) *Gateway {
	t.Helper()
	if o.Data == "" {
		o.Data = shortTempDir(t)
	}
	if o.AuthAddr == "" {
		o.AuthAddr = "localhost:0"
	}
	if o.APIAddr == "" {
		o.APIAddr = "localhost:0"
	}
	s, err := stack.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if path == "" {
		path = filepath.Join(Root(), "Caddyfile")
	}
	g := &Gateway{Stack: s, Caddyfile: path, t: t, binary: binary, env: slices.Concat(os.Environ(), s.Env, unlimited, env), log: &lockedBuffer{}}
	t.Cleanup(func() {
		g.Stop()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", g.Log())
		}
		if text := g.Log(); strings.Contains(text, "DATA RACE") {
			t.Errorf("the race detector spoke in the gateway:\n%s", text)
		}
	})
	g.Run()
	return g
}

// Run starts the process (again) and waits until it is ready.
func (g *Gateway) Run() {
	g.t.Helper()
	cmd := exec.Command(g.binary, "run", "--adapter", "caddyfile", "--config", g.Caddyfile)
	cmd.Env = g.env
	cmd.Stdout, cmd.Stderr = g.log, g.log
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.cmd = cmd
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := g.Stack.WaitReady(ctx); err != nil {
		g.t.Fatalf("%v\n%s", err, g.Log())
	}
}

// Kill ends the process as a power cut would, by SIGKILL.
func (g *Gateway) Kill() { g.end(syscall.SIGKILL) }

// Stop ends the process as a service manager would, by SIGTERM.
func (g *Gateway) Stop() { g.end(syscall.SIGTERM) }

func (g *Gateway) end(sig syscall.Signal) {
	g.mu.Lock()
	cmd := g.cmd
	g.cmd = nil
	g.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		g.t.Errorf("the gateway did not end within 60 s of %v", sig)
	}
}

// Command runs a subcommand of the binary with the gateway's environment and
// returns what it printed.
func (g *Gateway) Command(args ...string) (string, error) {
	cmd := exec.Command(g.binary, args...)
	cmd.Env = g.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Reload applies the Caddyfile at path to the running process.
func (g *Gateway) Reload(path string) error {
	out, err := g.Command("reload", "--adapter", "caddyfile", "--config", path, "--address", g.AdminAddress())
	if err != nil {
		return errors.Join(err, errors.New(out))
	}
	return nil
}

// AdminAddress is where the root Caddyfile puts Caddy's admin endpoint.
func (g *Gateway) AdminAddress() string {
	return "unix/" + filepath.Join(g.Stack.Data, "admin.sock")
}

// Variant writes a changed copy of the gateway's Caddyfile and returns its
// path. Each pair of edits is old, new; an old text that is not there fails.
func (g *Gateway) Variant(edits ...string) string {
	g.t.Helper()
	return Variant(g.t, g.Caddyfile, edits...)
}

// Variant writes a changed copy of the Caddyfile at path.
func Variant(t testing.TB, path string, edits ...string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(changed, edits[i]) {
			t.Fatalf("the Caddyfile does not hold %q", edits[i])
		}
		changed = strings.Replace(changed, edits[i], edits[i+1], 1)
	}
	out := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(out, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// Log returns what the process wrote so far, over all its runs.
func (g *Gateway) Log() string { return g.log.String() }

// AuditLines returns the audit trail's lines.
func (g *Gateway) AuditLines() []string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Stack.Data, "audit.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// shortTempDir avoids t.TempDir because its long paths exceed what a Unix
// socket address can hold (108 bytes).
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
