package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/robot"
)

// screen is what the demo printed.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestTheDemoConnectsAnAssistantAndEndsCleanly does what a newcomer does with
// nothing but what the demo says: the ready file and the screen.
func TestTheDemoConnectsAnAssistantAndEndsCleanly(t *testing.T) {
	for _, host := range []string{"localhost", "", "127.0.0.1"} {
		t.Run("at the host "+strconv.Quote(host), func(t *testing.T) { connectTo(t, host+":0") })
	}
}

func connectTo(t *testing.T, addr string) {
	dir, err := os.MkdirTemp("", "demo") // short: a socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	readyFile := filepath.Join(dir, "ready.json")
	ctx, interrupt := context.WithCancel(t.Context())
	out, done := &screen{}, make(chan error, 1)
	go func() {
		done <- run(ctx, flags{readyFile: readyFile, addrAuth: addr, addrAPI: addr, data: dir, logLevel: "ERROR"}, out)
	}()
	r := waitReady(t, readyFile, done)

	pem, err := os.ReadFile(r.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	a, err := assistant.Register(ctx, &http.Client{Transport: transport}, r.Issuer, r.Resource)
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]bool{}
	for _, u := range r.Users {
		roles[u.Role] = true
		tokens, err := a.Connect(ctx, robot.New(transport, robot.Person{Email: u.Email, Password: u.Password}), "")
		if err != nil {
			t.Fatalf("%s: %v", u.Email, err)
		}
		found, err := a.Call(ctx, tokens.AccessToken, "search_apps", `{"page_size":1}`)
		if err != nil || found.Status != http.StatusOK || found.Result.IsError != (u.Role == "guest") {
			t.Errorf("%s: %v, %d %s", u.Role, err, found.Status, found.Body)
		}
		if shown := strings.Contains(out.String(), "GET    /appstore/apps?page=1&size=1\n           runs as "+u.Email); shown == (u.Role == "guest") {
			t.Errorf("%s: the screen shows the request: %v\n%s", u.Role, shown, out)
		}
	}
	for _, role := range []string{"member", "admin", "guest"} {
		if !roles[role] {
			t.Errorf("there is no %s", role)
		}
	}
	for _, want := range []string{r.Resource, r.Issuer, r.CA, "claude mcp add", "npx @modelcontextprotocol/inspector", "curl "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the screen does not show %q", want)
		}
	}

	interrupt()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(readyFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ready file is left behind: %v", err)
	}
}

func waitReady(t *testing.T, path string, done <-chan error) ready {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-done:
			t.Fatalf("the demo ended before it was ready: %v", err)
		case <-tick.C:
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var r ready
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return r
	}
	t.Fatal("the demo did not get ready within a minute")
	return ready{}
}
