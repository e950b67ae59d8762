package hostile_test

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// stranger is a client with a loopback address of its own, so that no budget by
// address which one case uses up is missing to the next.
func (w *world) stranger(t testing.TB) *http.Client { return w.Stranger(t) }

// trust believes the gateway's own CA only.
func (w *world) trust(t testing.TB) *tls.Config { return w.Trust(t) }

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
