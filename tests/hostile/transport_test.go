package hostile_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// strangers counts the addresses that were handed out by stranger.
var strangers atomic.Int32

// stranger is a client with a loopback address of its own, so that no budget by
// address which one case uses up is missing to the next.
func (w *world) stranger(t testing.TB) *http.Client {
	t.Helper()
	n := strangers.Add(1)
	from := net.IPv4(127, 1, byte(n>>8), byte(n))
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 10 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: w.trust(t), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// trust believes the gateway's own CA only.
func (w *world) trust(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(w.Stack.CAFile)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no CA in %s: %v", w.Stack.CAFile, err)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// dial opens a connection to the host of address on which the test writes
// HTTP/1.1 as it likes.
func (w *world) dial(t testing.TB, address string) *tls.Conn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conf := w.trust(t)
	conf.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", u.Host, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// host is host:port of an address.
func host(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	name, _, _ := strings.Cut(rest, "/")
	return name
}
