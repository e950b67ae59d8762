package hostile_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// TestRandomTokensOverTheWireReadNothing sends random tokens at up to floodRate a
// second over kept connections and asks the gateway's own counter how often it
// read the store. The gateway is the one without race detector, if there is one.
func TestRandomTokensOverTheWireReadNothing(t *testing.T) {
	if plain := os.Getenv(gateway.PlainBinaryEnv); plain != "" {
		t.Setenv(gateway.BinaryEnv, plain)
	}
	w := start(t)
	honest := w.connect(t, w.register(t), "member", readScope)
	w.alive(t, "the honest token", honest.AccessToken)
	const reads, checks = "mcp_edge_access_token_store_reads_total", "mcp_edge_access_token_checks_total"
	if w.Metric(t, reads) == 0 {
		t.Fatal("the honest token was not read: the counter counts nothing")
	}
	before, checked := w.Metric(t, reads), w.Metric(t, checks)

	const connections = 8
	tokens := int64(floodRate * flood.Seconds())
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range connections {
		line := dialRaw(t, w)
		wg.Go(func() {
			for n := next.Add(1); n <= tokens; n = next.Add(1) {
				// Not faster than the rate: token n is due at its share of the time.
				if wait := time.Until(begin.Add(time.Duration(n) * time.Second / floodRate)); wait > time.Millisecond {
					time.Sleep(wait)
				}
				if status, err := line.call(randomToken(honest.AccessToken, int(n))); err != nil || status != 401 {
					t.Errorf("a random token: %d, %v", status, err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	read, seen := w.Metric(t, reads)-before, w.Metric(t, checks)-checked
	t.Logf("%d random tokens in %v, %.0f a second: %.0f checks, %.0f reads of the store", tokens, took, float64(tokens)/took.Seconds(), seen, read)
	if read != 0 {
		t.Errorf("%.0f reads of the store", read)
	}
	if int64(seen) != tokens {
		t.Errorf("%.0f checks were counted, want %d", seen, tokens)
	}
	w.alive(t, "the honest token", honest.AccessToken)
}

// rawLine is one kept HTTP/1.1 connection that costs its process little.
type rawLine struct {
	conn  net.Conn
	in    *textproto.Reader
	head  string
	after string
}

func dialRaw(t *testing.T, w *world) *rawLine {
	t.Helper()
	u, err := url.Parse(w.resource)
	if err != nil {
		t.Fatal(err)
	}
	config := w.Trust(t)
	config.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", u.Host, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rawLine{
		conn: conn, in: textproto.NewReader(bufio.NewReader(conn)),
		head:  fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nAuthorization: Bearer ", u.Path, u.Host, len(searchApps)),
		after: "\r\n\r\n" + searchApps,
	}
}

// call sends one request and reads its answer to the end.
func (l *rawLine) call(token string) (status int, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(l.conn, l.head+token+l.after); err != nil {
		return 0, err
	}
	first, err := l.in.ReadLine()
	if err != nil {
		return 0, err
	}
	if len(first) < 12 {
		return 0, errors.New("no status line")
	}
	if status, err = strconv.Atoi(first[9:12]); err != nil {
		return 0, err
	}
	length := 0
	for {
		line, err := l.in.ReadLine()
		if err != nil {
			return 0, err
		}
		if line == "" {
			break
		}
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
	}
	_, err = io.CopyN(io.Discard, l.in.R, int64(length))
	return status, err
}
