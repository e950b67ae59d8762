package caddymodule

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

// numbered is a credential that is different each time.
type numbered struct{ made atomic.Int32 }

func (n *numbered) Apply(_ context.Context, out *http.Request, _ *backend.Request) error {
	out.Header["Authorization"] = []string{fmt.Sprint("Bearer ", n.made.Add(1))}
	return nil
}

func clientOf(t *testing.T, u http.RoundTripper) *backend.Client {
	t.Helper()
	c, err := backend.New(backend.Config{Base: &url.URL{Scheme: "https", Host: "api.example.com"}, Transport: u, Credential: new(numbered)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func requestOf(method string) *backend.Request {
	r := &backend.Request{Person: backend.Person{Email: "ada@example.com"}, Method: method, Path: []string{"appstore", "apps"}}
	if method == http.MethodPost {
		r.Body = []byte(`{"a":1}`)
	}
	return r
}

// dying is a backend that answers some requests and then takes each without an
// answer, until it is told to live.
type dying struct {
	mu      sync.Mutex
	healthy bool
	arrived []string // method and credential
}

func (d *dying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	d.mu.Lock()
	d.arrived = append(d.arrived, r.Method+" "+r.Header.Get("Authorization"))
	healthy := d.healthy
	d.healthy = true
	d.mu.Unlock()
	if !healthy {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{}`)
}

// TestARepeatedReadIsSignedAnewAndAWriteIsNotRepeated: on a connection that was
// used before, net/http repeats a read by itself.
func TestARepeatedReadIsSignedAnewAndAWriteIsNotRepeated(t *testing.T) {
	for method, want := range map[string][]string{
		http.MethodGet:    {"GET Bearer 1", "GET Bearer 2", "GET Bearer 3"},
		http.MethodPost:   {"GET Bearer 1", "POST Bearer 2"},
		http.MethodDelete: {"GET Bearer 1", "DELETE Bearer 2"},
	} {
		for name, balancing := range map[string]string{
			"without retries": ``,
			"with retries":    `,"load_balancing":{"retries":5,"try_duration":"5s","try_interval":"1ms"}`,
			"with a buffer":   `,"request_buffers":4096,"load_balancing":{"retries":5,"try_duration":"5s","try_interval":"1ms"}`,
		} {
			t.Run(method+" "+name, func(t *testing.T) {
				d := &dying{healthy: true}
				u := mustUpstream(t, `{"handler":"reverse_proxy","upstreams":[{"dial":"`+backendOf(t, d.ServeHTTP)+`"}]`+balancing+`}`, 1<<20)
				c := clientOf(t, u)
				if _, err := c.Do(t.Context(), requestOf(http.MethodGet)); err != nil {
					t.Fatal(err)
				}
				d.mu.Lock()
				d.healthy = false
				d.mu.Unlock()
				_, err := c.Do(t.Context(), requestOf(method))
				var failed *backend.Error
				if method == http.MethodGet && err != nil || method != http.MethodGet && (!errors.As(err, &failed) || !failed.OutcomeUnknown) {
					t.Errorf("error is %v", err)
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				if !slices.Equal(d.arrived, want) {
					t.Errorf("arrived %v, want %v", d.arrived, want)
				}
			})
		}
	}
}

func TestAHeaderByWhichAWriteWouldBeRepeatedIsRefused(t *testing.T) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "idempotency-key"} {
		if err := checkHeaderUp(name); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestSeveralUpstreamsByMutualTLSWithHealthChecks: one address is dead, one says
// that it is ill, one serves; all are asked for a certificate of ours.
func TestSeveralUpstreamsByMutualTLSWithHealthChecks(t *testing.T) {
	dir := t.TempDir()
	ca, client := newCertificates(t, dir)
	var served, checked atomic.Int32
	serving := func(healthy bool) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].Subject.CommonName != "gateway" {
				t.Errorf("%s came with %d certificates", r.URL.Path, len(r.TLS.PeerCertificates))
			}
			if r.URL.Path == "/info" {
				checked.Add(1)
				if !healthy {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				return
			}
			if !healthy {
				t.Error("a request reached a backend that is ill")
			}
			served.Add(1)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`)
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool, MinVersion: tls.VersionTLS12}
		s.StartTLS()
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "https://")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := listener.Addr().String()
	_ = listener.Close()
	settings := fmt.Sprintf(`{"handler":"reverse_proxy","upstreams":[{"dial":%q},{"dial":%q},{"dial":%q}],
		"load_balancing":{"selection_policy":{"policy":"round_robin"},"retries":3},
		"health_checks":{"active":{"uri":"/info","interval":"20ms","timeout":"2s"},"passive":{"fail_duration":"1m"}},
		"transport":{"protocol":"http","tls":{"ca":{"provider":"file","pem_files":[%q]},"client_certificate_file":%q,"client_certificate_key_file":%q,"server_name":"backend.internal"}}}`,
		dead, serving(false), serving(true), ca.file, client.certificate, client.key)
	u := mustUpstream(t, settings, 1<<20)
	deadline := time.Now().Add(20 * time.Second)
	for checked.Load() < 6 { // each of the two several times
		if time.Now().After(deadline) {
			t.Fatal("no health check arrived")
		}
		time.Sleep(5 * time.Millisecond)
	}
	c := clientOf(t, u)
	for range 9 {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if _, err := c.Do(t.Context(), requestOf(method)); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
	if served.Load() != 18 {
		t.Errorf("%d of 18 requests were served", served.Load())
	}
	without := strings.Replace(settings, fmt.Sprintf(`"client_certificate_file":%q,"client_certificate_key_file":%q,`, client.certificate, client.key), "", 1)
	if _, err := clientOf(t, mustUpstream(t, without, 1<<20)).Do(t.Context(), requestOf(http.MethodGet)); err == nil {
		t.Error("a gateway without a certificate was served")
	}
}

type authority struct {
	pool   *x509.CertPool
	file   string
	server tls.Certificate
}

type files struct{ certificate, key string }

// newCertificates makes an authority, a certificate of the backends and one of
// the gateway.
func newCertificates(t *testing.T, dir string) (authority, files) {
	t.Helper()
	issue := func(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, files) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"backend.internal"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: parent == nil,
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if parent == nil {
			parent, parentKey = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		f := files{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
		for file, block := range map[string]*pem.Block{f.certificate: {Type: "CERTIFICATE", Bytes: der}, f.key: {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return parsed, key, f
	}
	root, rootKey, rootFile := issue("authority", nil, nil)
	_, _, serverFiles := issue("backend", root, rootKey)
	_, _, clientFiles := issue("gateway", root, rootKey)
	server, err := tls.LoadX509KeyPair(serverFiles.certificate, serverFiles.key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return authority{pool, rootFile.certificate, server}, clientFiles
}
