package gateway

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Admin is a client of Caddy's admin endpoint, at http://localhost.
func (g *Gateway) Admin() *http.Client {
	path := strings.TrimPrefix(g.AdminAddress(), "unix/")
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// Metric is the sum of all series of one metric, as the admin endpoint shows it;
// 0 where there is none.
func (g *Gateway) Metric(t testing.TB, name string) (sum float64) {
	t.Helper()
	resp, err := g.Admin().Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the admin endpoint's metrics: %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if series, _, _ = strings.Cut(series, "{"); series != name {
			continue
		}
		if i := strings.LastIndexByte(value, ' '); i >= 0 { // labels may hold spaces
			value = value[i+1:]
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		sum += v
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}
