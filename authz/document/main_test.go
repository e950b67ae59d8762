package document_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// profiles lists URLs of documents by id and name of their profile.
type profiles map[string][2]string

func (p profiles) ByDocument(url string) (profile, name string, ok bool) {
	found, ok := p[url]
	return found[0], found[1], ok
}

// memory keeps rows and copies as a store would; several services may share it.
type memory struct {
	mu      sync.Mutex
	rows    map[string]store.Client
	copies  map[string]store.Document
	puts    int
	failing error
}

func newMemory() *memory {
	return &memory{rows: map[string]store.Client{}, copies: map[string]store.Document{}}
}

func (m *memory) Client(_ context.Context, id string) (store.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.rows[id]
	if m.failing != nil {
		return store.Client{}, m.failing
	}
	if !ok {
		return store.Client{}, store.ErrNotFound
	}
	return c, nil
}

func (m *memory) PutClient(_ context.Context, c store.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	before := m.rows[c.ID]
	if c.CreatedAt.IsZero() {
		c.CreatedAt = before.CreatedAt
	}
	if c.AuthorizedAt.IsZero() {
		c.AuthorizedAt = before.AuthorizedAt
	}
	m.rows[c.ID] = c
	m.puts++
	return nil
}

func (m *memory) Document(_ context.Context, url string) (store.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.copies[url]
	if m.failing != nil {
		return store.Document{}, m.failing
	}
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return d, nil
}

func (m *memory) SaveDocument(_ context.Context, d store.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	m.copies[d.URL] = d
	return nil
}

// do changes what is stored behind the services' backs.
func (m *memory) do(change func(m *memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.puts
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// host is a server of one document over TLS with a certificate of its own.
type host struct {
	*httptest.Server
	asked   atomic.Int32
	handler atomic.Pointer[http.HandlerFunc]
}

func startHost(t *testing.T) *host {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		(*h.handler.Load())(w, r)
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

func (h *host) id() string { return h.URL + "/client.json" }

func (h *host) serve(f http.HandlerFunc) { h.handler.Store(&f) }

// publish serves body as a document that may be kept for so long.
func (h *host) publish(body string, cacheControl ...string) {
	h.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["Cache-Control"] = slices.Clone(cacheControl)
		_, _ = w.Write([]byte(body))
	})
}

// fail answers with a status.
func (h *host) fail(status int) {
	h.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func (h *host) fetcher(t *testing.T, timeout time.Duration) *safehttp.Fetcher {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	f, err := safehttp.New(safehttp.Config{
		RootCAs: roots, Allow: []netip.AddrPort{netip.MustParseAddrPort(h.Listener.Addr().String())}, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fixture is a service with everything around it.
type fixture struct {
	*document.Service
	host  *host
	store *memory
	audit *audittest.Memory
	clock *clock.Fake
	log   *lines
	cfg   document.Config
}

// newFixture starts a service whose only profile lists the document of a host
// of its own. options change the configuration.
func newFixture(t *testing.T, options ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{host: startHost(t), store: newMemory(), audit: &audittest.Memory{}, clock: clock.NewFake(start), log: &lines{}}
	f.cfg = document.Config{
		Profiles: profiles{f.host.id(): {"acme-agent", "Acme Agent"}}, Fetcher: f.host.fetcher(t, 10*time.Second),
		Clients: f.store, Copies: f.store, Audit: f.audit, Clock: f.clock, Pinned: []document.Pinned{},
		Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, option := range options {
		option(f)
	}
	f.Service = f.restart(t)
	return f
}

// restart returns another service over the same store and host.
func (f *fixture) restart(t *testing.T) *document.Service {
	t.Helper()
	s, err := document.New(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// text is a document of the fixture's host with these redirect URIs.
func (f *fixture) text(redirects ...string) string { return text(f.host.id(), redirects...) }

func text(id string, redirects ...string) string {
	return `{"client_id":"` + id + `","client_name":"Acme Agent","redirect_uris":["` + strings.Join(redirects, `","`) + `"],"token_endpoint_auth_method":"none"}`
}

func (f *fixture) client(t *testing.T) store.Client {
	t.Helper()
	c, err := f.Client(t.Context(), f.host.id())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) consent(t *testing.T) store.Client {
	t.Helper()
	c, err := f.ForConsent(t.Context(), f.host.id())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
