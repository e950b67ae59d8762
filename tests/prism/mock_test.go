package prism_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// startPrism starts Prism, as a mock or, where there is a backend, as a watching
// proxy in front of it, and returns its address.
func startPrism(t *testing.T, backend string) *url.URL {
	t.Helper()
	script := filepath.Join(gateway.Root(), "tests", "prism", "node_modules", "@stoplight", "prism-cli", "dist", "index.js")
	if _, err := os.Stat(script); err != nil {
		t.Fatal("Prism is not installed: ./tests/run does it, or run npm ci in tests/prism")
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	args := []string{script, "mock", documentPath(), "--errors"}
	if backend != "" { // whose answers are let through whatever they are
		args = []string{script, "proxy", documentPath(), backend}
	}
	var log bytes.Buffer
	cmd := exec.Command("node", append(args, "--multiprocess", "false", "--host", "127.0.0.1", "--port", port)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			t.Fatalf("Prism ended: %v\n%s", cmd.ProcessState, log.String())
		case <-ctx.Done():
			t.Fatal("Prism did not get ready within a minute")
		case <-tick.C:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return &url.URL{Scheme: "http", Host: address}
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := testport.Free("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// mock stands between the gateway and Prism: it asks for the status that the
// test wants, and watches that Prism finds nothing wrong with a request.
type mock struct {
	*httptest.Server
	document *document

	mu     sync.Mutex
	want   map[string]int // status by operation; the others answer with success
	email  string         // of the person whom the description's example stands for
	seen   map[string]map[int]bool
	faults []string

	deviations []deviation
	deviated   map[deviation]bool
}

func newMock(t *testing.T, backend string) *mock {
	t.Helper()
	m := &mock{document: readDocument(t), want: map[string]int{}, seen: map[string]map[int]bool{}, deviated: map[deviation]bool{}}
	prism := startPrism(t, backend)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(prism)
			if status := m.wanted(r.In); status != 0 {
				r.Out.Header.Set("Prefer", "code="+strconv.Itoa(status))
			}
		},
		ModifyResponse: m.judge,
	}
	m.Server = httptest.NewServer(proxy)
	t.Cleanup(m.Close)
	return m
}

// wanted returns the status that a request is to be answered with, 0 for success.
func (m *mock) wanted(r *http.Request) int {
	o := m.document.find(r.Method, r.URL.Path)
	if o == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.want[o.id]
}

// judge looks at what Prism made of a request. Prism validates first: an answer
// other than the one that was asked for says that the request was no good.
func (m *mock) judge(resp *http.Response) error {
	r := resp.Request
	o := m.document.find(r.Method, r.URL.Path)
	m.mu.Lock()
	defer m.mu.Unlock()
	if o == nil {
		m.faults = append(m.faults, fmt.Sprintf("%s %s is not described", r.Method, r.URL.Path))
		return nil
	}
	for name := range r.URL.Query() {
		if !m.document.takes(o, name) {
			m.faults = append(m.faults, fmt.Sprintf("%s has no parameter %q", o.id, name))
		}
	}
	if found := resp.Header.Get("Sl-Violations"); found != "" {
		if beyond := m.beyond(found); beyond != "" {
			m.faults = append(m.faults, fmt.Sprintf("%s?%s: %s", o.id, r.URL.RawQuery, beyond))
		}
	}
	want := m.want[o.id]
	if resp.StatusCode != want && (want != 0 || resp.StatusCode/100 != 2) {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		m.faults = append(m.faults, fmt.Sprintf("%s?%s answered %d: %s", o.id, r.URL.RawQuery, resp.StatusCode, body))
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	if m.seen[o.id] == nil {
		m.seen[o.id] = map[int]bool{}
	}
	m.seen[o.id][resp.StatusCode] = true
	if o.id == "GET /users/current" && resp.StatusCode == http.StatusOK {
		return m.introduce(resp)
	}
	return nil
}

// deviation is a way in which answers differ from the description on purpose.
type deviation struct{ code, property string }

// beyond returns those of the violations that Prism found which are of the
// request, or of the answer and not on purpose.
func (m *mock) beyond(found string) string {
	var violations []struct {
		Location      []string
		Code, Message string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		return found
	}
	var beyond []string
	for _, v := range violations {
		i := slices.IndexFunc(m.deviations, func(d deviation) bool {
			return len(v.Location) > 0 && v.Location[0] == "response" && d.code == v.Code && slices.Contains(v.Location, d.property)
		})
		if i < 0 {
			beyond = append(beyond, v.Message)
			continue
		}
		m.deviated[m.deviations[i]] = true
	}
	return strings.Join(beyond, "; ")
}

// introduce gives the person of the description's examples the address of the
// one who signs in, because the gateway refuses an answer about somebody else.
func (m *mock) introduce(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err
	}
	body = bytes.ReplaceAll(body, []byte("ada@example.com"), []byte(m.email))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// answer makes operations answer with these statuses, and all others with
// success. What was seen so far is forgotten.
func (m *mock) answer(statuses map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want = statuses
	clear(m.seen)
}

// wrong returns what was wrong with the requests so far, and forgets it.
func (m *mock) wrong() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := strings.Join(slices.Compact(m.faults), "\n")
	m.faults = nil
	return all
}

// saw says whether the operation was answered with the status since then.
func (m *mock) saw(operation string, status int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[operation][status]
}
