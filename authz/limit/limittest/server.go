package limittest

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// password is what every server asks for, as one in production would.
const password = "a password: with/@ all that an address must escape"

// Server is a real Redis or Valkey server of one test, on loopback.
type Server struct {
	t    testing.TB
	path string
	port int
	args []string
	cmd  *exec.Cmd
}

// StartServer runs a server until the test ends, or skips the test where none is
// installed.
func StartServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, args: args}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			s.path = path
		}
	}
	if s.path == "" {
		t.Skip("there is no redis-server: install the Debian package redis-server, as ./tests/run does")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// URL is the server's address, with its password.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: s.address(), Path: "/0"}
	return u.String()
}

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Start runs the server, after Kill again and without what it knew. It returns
// when it can be connected to.
func (s *Server) Start() {
	s.t.Helper()
	args := append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--requirepass", password,
		"--save", "", "--appendonly", "no", "--dir", s.t.TempDir(),
	}, s.args...)
	s.cmd = exec.Command(s.path, args...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address())
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("the server does not listen: %v", err)
		case <-tick.C:
		}
	}
}

// Freeze stops the server as an overloaded machine does: connections stay, and
// nothing is answered.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the server at once, frozen or not.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // reports the kill
	s.cmd = nil
}
