package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// strangers counts the addresses that were handed out by Stranger.
var strangers atomic.Int32

// Stranger is a client with a loopback address of its own, so that no budget by
// address which one case uses up is missing to the next. It follows no redirect.
func (g *Gateway) Stranger(t testing.TB) *http.Client {
	t.Helper()
	n := strangers.Add(1)
	from := net.IPv4(127, 1, byte(n>>8), byte(n))
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 10 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: g.Trust(t), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// Trust believes the gateway's own CA only.
func (g *Gateway) Trust(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(g.Stack.CAFile)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no CA in %s: %v", g.Stack.CAFile, err)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}
