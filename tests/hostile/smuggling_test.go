package hostile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/stack"
)

// readResponse reads one answer from a connection.
func readResponse(t testing.TB, conn net.Conn) (status int, body string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// readResponses reads all answers until the server closes the connection.
func readResponses(t testing.TB, conn net.Conn) (statuses []int, bodies string) {
	t.Helper()
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, nil)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
			return statuses, bodies
		}
		if err != nil {
			return statuses, bodies + err.Error()
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		statuses, bodies = append(statuses, resp.StatusCode), bodies+string(b)
	}
}

// TestRequestFraming sends what two HTTP parsers would cut in different places
// (RFC 9112 §6.1, §11.2): behind each odd request stands a whole one with a good
// token. Where the end of the odd one is in doubt, the other must not be served.
func TestRequestFraming(t *testing.T) {
	w := start(t)
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	inner := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		stack.ResourcePath, host(w.resource), token, len(searchApps), searchApps)
	head := func(extra ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s\r\n\r\n", stack.ResourcePath, host(w.resource), strings.Join(extra, "\r\n"))
	}
	for _, c := range []struct {
		name, request string
		want          []int // statuses of the answers
	}{
		// RFC 9112 §6.1: the connection is closed after such a request.
		{"a length beside chunks", head(fmt.Sprintf("Content-Length: %d", len(inner)+5), "Transfer-Encoding: chunked") + "0\r\n\r\n" + inner, []int{401}},
		{"two lengths", head("Content-Length: 0", fmt.Sprintf("Content-Length: %d", len(inner))) + inner, []int{400}},
		{"a list of lengths", head(fmt.Sprintf("Content-Length: 0, %d", len(inner))) + inner, []int{400}},
		{"a negative length", head("Content-Length: -1") + inner, []int{400}},
		{"a length with a sign", head("Content-Length: +0") + inner, []int{400}},
		{"an unknown transfer encoding", head("Transfer-Encoding: xchunked") + inner, []int{501}},
		{"chunked twice", head("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n" + inner, []int{501}},
		{"a space before the colon", head("Transfer-Encoding : chunked") + "0\r\n\r\n" + inner, []int{400}},
		{"a zero byte in a header", head("X-A: b\x00c", "Content-Length: 0") + inner, []int{400}},
		{"a bare carriage return in a header", head("X-A: b\rTransfer-Encoding: chunked", "Content-Length: 0") + inner, []int{400}},
		{"a chunk size that is no number", head("Transfer-Encoding: chunked") + "0x0\r\n\r\n" + inner, []int{401}},
		{"a chunk size beyond all", head("Transfer-Encoding: chunked") + "ffffffffffffffff1\r\n" + inner, []int{401}},
		{"two hosts", head("Host: "+evil, "Content-Length: 0") + inner, []int{400}},
		{"no host", strings.Replace(head("Content-Length: 0"), "Host: "+host(w.resource)+"\r\n", "", 1) + inner, []int{400}},
		{"a request line of two", "POST " + stack.ResourcePath + " HTTP/1.1 HTTP/1.1\r\n\r\n" + inner, []int{400}},
		{"a header of 2 MiB", head("X-A: "+strings.Repeat("a", 2<<20), "Content-Length: 0") + inner, []int{431}},
		// Here all parsers agree where the first request ends.
		{"a folded header, which is one header with a space (RFC 9112 §5.2)", head("X-A: b\r\n Transfer-Encoding: chunked", "Content-Length: 0") + inner, []int{401, 200}},
		{"another host in the request line, which counts (RFC 9112 §3.2.2)", strings.Replace(head("Content-Length: 0"), "POST ", "POST https://"+evil, 1) + inner, []int{421, 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := w.dial(t, w.resource)
			// The server may answer and close before it has read all.
			_, _ = io.WriteString(conn, c.request)
			if statuses, body := readResponses(t, conn); !slices.Equal(statuses, c.want) {
				t.Errorf("got %v, want %v: %.200s", statuses, c.want, body)
			}
		})
	}
}
