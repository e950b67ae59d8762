package transcripts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// arrival is a request at the backend.
type arrival struct {
	method, path, query string
	body                []byte
	claims              map[string]any
	status              int
}

// backend stands in front of the demo's backend, which verifies every request,
// and remembers what arrives there by the call that caused it.
type backend struct {
	*httptest.Server

	mu     sync.Mutex
	target *url.URL
	calls  map[string][]*arrival // by txn
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{calls: map[string][]*arrival{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		b.mu.Lock()
		defer b.mu.Unlock()
		r.SetURL(b.target)
		r.Out.Host = r.In.Host
	}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		a := &arrival{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, body: body, claims: payload(r)}
		b.remember(a)
		proxy.ServeHTTP(&statusWriter{w, func(status int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			a.status = status
		}}, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// remember files the request. Who the person is may be asked in between by the
// gateway itself, depending on how long ago it asked: that is no part of a call.
func (b *backend) remember(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	txn, _ := a.claims["txn"].(string)
	if a.path != "/users/current" {
		b.calls[txn] = append(b.calls[txn], a)
	}
}

// point says where the demo's backend listens.
func (b *backend) point(t *testing.T, address string) {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target = target
}

// of returns what the call with that request id caused.
func (b *backend) of(requestID string) []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []arrival
	for _, a := range b.calls[requestID] {
		all = append(all, *a)
	}
	return all
}

// payload decodes the assertion's claims. Their signature is the demo's backend's
// business: it refuses what is not signed.
func payload(r *http.Request) map[string]any {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	claims := map[string]any{}
	if len(parts) == 3 {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(raw, &claims)
		}
	}
	return claims
}

// statusWriter tells the status before it leaves, because the gateway may have
// answered its client before the handler here returns.
type statusWriter struct {
	http.ResponseWriter
	tell func(status int)
}

func (w *statusWriter) WriteHeader(status int) {
	w.tell(status)
	w.ResponseWriter.WriteHeader(status)
}
