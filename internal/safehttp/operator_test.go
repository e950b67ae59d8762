package safehttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

// local is a server on this machine, where no public one is, and how often it
// was asked.
func local(t *testing.T, answer http.HandlerFunc) (*url.URL, *int) {
	t.Helper()
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, &asked
}

func TestAServiceThatAnOperatorNamedIsReachedWhereverItIs(t *testing.T) {
	u, _ := local(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	c := safehttp.ForOperatorThrough(nil, 5*time.Second, "LocalHost.", u.Hostname())
	defer c.CloseIdleConnections()
	for _, host := range []string{u.Host, "localhost:" + u.Port()} {
		resp, err := c.Get("http://" + host)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "here" {
			t.Errorf("%s: %q", host, body)
		}
	}
}

func TestAHostThatOnlyAServiceNamesMustBePublic(t *testing.T) {
	u, asked := local(t, func(http.ResponseWriter, *http.Request) {})
	c := safehttp.ForOperatorThrough(nil, 5*time.Second, "idp.example")
	defer c.CloseIdleConnections()
	for _, address := range []string{
		"http://" + u.Host, "http://localhost:" + u.Port(), "http://[::1]:" + u.Port(), "https://169.254.169.254/latest/meta-data",
		"https://10.0.0.1/jwks", "https://[::ffff:127.0.0.1]:" + u.Port(), "https://[64:ff9b::7f00:1]/", "https://100.64.0.1/",
	} {
		resp, err := c.Get(address)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was reached", address)
		} else if !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v, want it refused before a packet is sent", address, err)
		}
	}
	if *asked != 0 {
		t.Errorf("the server was asked %d times", *asked)
	}
}

func TestARedirectOfANamedServiceIsNotFollowed(t *testing.T) {
	other, asked := local(t, func(http.ResponseWriter, *http.Request) {})
	u, _ := local(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.String(), http.StatusFound) })
	c := safehttp.ForOperatorThrough(nil, 5*time.Second, u.Hostname())
	defer c.CloseIdleConnections()
	resp, err := c.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound || *asked != 0 {
		t.Errorf("%s, the other was asked %d times", resp.Status, *asked)
	}
}

func TestTheProxyOfTheEnvironmentIsUsedAndDecides(t *testing.T) {
	proxy, asked := local(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "through for "+r.URL.Host) })
	c := safehttp.ForOperatorThrough(proxy, 5*time.Second, "idp.example")
	defer c.CloseIdleConnections()
	resp, err := c.Get("http://keys.example/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "through for keys.example" || *asked != 1 {
		t.Errorf("%q, the proxy was asked %d times", body, *asked)
	}
}
