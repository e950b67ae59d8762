package safehttp_test

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

// TestMain names a proxy that does not answer, so that every test fails that
// would use one. Loopback addresses go past a proxy, names do not.
func TestMain(m *testing.M) {
	for _, variable := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		if err := os.Setenv(variable, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// serve starts a TLS server and returns it with a configuration that admits it
// and trusts its certificate.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, safehttp.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what some tests want
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, safehttp.Config{RootCAs: roots, Allow: []netip.AddrPort{addrPort(s.Listener)}}
}

func addrPort(l net.Listener) netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }

func fetcher(t *testing.T, cfg safehttp.Config) *safehttp.Fetcher {
	t.Helper()
	f, err := safehttp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// answer sends body as JSON.
func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(body))
}

// trap is a listener that counts who connects.
type trap struct {
	net.Listener
	caught atomic.Int32
}

func setTrap(t *testing.T, address string) *trap {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	trapped := &trap{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			trapped.caught.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return trapped
}

// count says how many connected. A connection of its own comes in last, so that
// all before it are counted.
func (l *trap) count(t *testing.T) int32 {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Read(make([]byte, 1)) // closed by the trap after it was counted
	return l.caught.Load() - 1
}
