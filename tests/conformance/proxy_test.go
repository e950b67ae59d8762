package conformance_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// listen takes a port of loopback. Its name is localhost, because the tool tries
// attacks on the names of loopback there only.
func listen(t *testing.T) *named {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return &named{listener}
}

// named is a listener of loopback under the name localhost.
type named struct{ net.Listener }

type name string

func (name) Network() string  { return "tcp" }
func (n name) String() string { return string(n) }

func (n *named) Addr() net.Addr {
	return name(fmt.Sprintf("localhost:%d", n.Listener.Addr().(*net.TCPAddr).Port))
}

// serveAs lets the tool, which knows neither tokens nor our CA, through to the
// gateway as a client that holds the token. All else arrives as it was sent,
// the Host too, except that the proxy's own name becomes the gateway's.
func serveAs(t *testing.T, listener net.Listener, g *gateway.Gateway, accessToken string) {
	t.Helper()
	resource, err := url.Parse(g.Stack.Resource)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: g.Stack.Transport(),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = resource.Scheme, resource.Host
			if r.In.Host == listener.Addr().String() {
				r.Out.Host = resource.Host
			}
			r.Out.Header.Set("Authorization", "Bearer "+accessToken)
		},
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}
