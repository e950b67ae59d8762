// Package stack starts what stands around the gateway in the demo and in the
// tests: an identity provider, an App Store backend, and the environment by
// which the root Caddyfile finds them.
//
// Owns: addresses, people, and the settings of one surrounding.
// Does not own: the gateway itself; the demo runs it in its own process, the
// tests run the real binary (package gateway).
package stack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/idp"
)

// Names of the surrounding.
const (
	Domain       = "demo.example"
	IdPClientID  = "mcp-edge"
	idpSecret    = "demo-identity-provider-secret"
	Audience     = "https://api.lumos.com"
	ResourcePath = "/mcp/appstore"
)

// Options choose where things listen.
type Options struct {
	// AuthAddr and APIAddr are host:port of the issuer and of the resource, for
	// example "localhost:8443". Port 0 takes a free one.
	AuthAddr, APIAddr string
	// IdPAddr and BackendAddr are where the stand-ins listen; if the port is
	// taken, a free one is used.
	IdPAddr, BackendAddr string
	// Data is the gateway's data folder.
	Data string
	// OnRequest sees every request as it arrives at the backend.
	OnRequest func(appstore.Request)
	// People are whom the backend knows beside the demo's.
	People []appstore.Person
	// StatusEvery is how long an access request stays in one status.
	StatusEvery time.Duration
	Log         *slog.Logger
}

// Stack is a running surrounding.
type Stack struct {
	Issuer   string
	Resource string
	CAFile   string // root certificate of the gateway's internal CA; there once the gateway has run
	Data     string
	IdP      *idp.Server
	Backend  *appstore.Server
	Users    []idp.User
	// Env holds NAME=value settings for the root Caddyfile.
	Env []string

	transport http.RoundTripper
}

// Start brings everything up that is not the gateway.
func Start(ctx context.Context, o Options) (*Stack, error) {
	authAddr, err := freeAddr(o.AuthAddr)
	if err != nil {
		return nil, err
	}
	apiAddr, err := freeAddr(o.APIAddr)
	if err != nil {
		return nil, err
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Issuer:   "https://" + authAddr,
		Resource: "https://" + apiAddr + ResourcePath,
		CAFile:   filepath.Join(data, "caddy", "pki", "authorities", "local", "root.crt"),
		Data:     data,
		Users:    idp.DemoUsers(),
	}
	s.transport = &lateTrust{caFile: s.CAFile}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s.IdP, err = idp.Start(ctx, idp.Config{
		Addr: orFree(o.IdPAddr), ClientID: IdPClientID, ClientSecret: idpSecret,
		RedirectURIs: []string{s.Issuer + "/callback/" + Domain}, Users: s.Users, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the identity provider: %w", err)
	}
	s.Backend, err = appstore.Start(ctx, appstore.Config{
		Addr: orFree(o.BackendAddr), Issuer: s.Issuer, Audience: Audience, Client: s.Client(),
		People: append(appstore.DemoPeople(), o.People...), OnRequest: o.OnRequest, Clock: clock.System, StatusEvery: o.StatusEvery,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the backend: %w", err), s.IdP.Close())
	}
	s.Env = []string{
		"MCP_EDGE_ISSUER=" + s.Issuer,
		"MCP_EDGE_AUTH_SITE=" + s.Issuer,
		"MCP_EDGE_API_SITE=https://" + apiAddr,
		"MCP_EDGE_RESOURCE=" + s.Resource,
		"MCP_EDGE_DATA=" + data,
		"MCP_EDGE_DOMAIN=" + Domain,
		"MCP_EDGE_IDP=" + s.IdP.Issuer(),
		"MCP_EDGE_IDP_SECRET=" + idpSecret,
		"MCP_EDGE_BACKEND=" + s.Backend.URL(),
		"MCP_EDGE_AUDIENCE=" + Audience,
		"MCP_EDGE_ADMIN=unix/" + filepath.Join(data, "admin.sock") + "|0600",
	}
	if isIP(authAddr) || isIP(apiAddr) {
		s.Env = append(s.Env, "MCP_EDGE_STRICT_SNI=insecure_off") // a handshake names no address
	}
	return s, nil
}

func isIP(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	return err == nil && net.ParseIP(host) != nil
}

// Client returns an HTTP client that trusts the gateway's CA.
func (s *Stack) Client() *http.Client {
	return &http.Client{Transport: s.transport, Timeout: 30 * time.Second}
}

// Transport trusts the gateway's CA, which may not exist yet.
func (s *Stack) Transport() http.RoundTripper { return s.transport }

// User returns the demo person with that role.
func (s *Stack) User(role string) idp.User {
	for _, u := range s.Users {
		if u.Role == role {
			return u
		}
	}
	return idp.User{}
}

// Close stops the stand-ins.
func (s *Stack) Close() error { return errors.Join(s.IdP.Close(), s.Backend.Close()) }

// WaitReady returns once the gateway answers that it is ready, or with ctx.
func (s *Stack) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if last = s.ready(ctx); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway did not get ready: %w", last)
		case <-tick.C:
		}
	}
}

func (s *Stack) ready(ctx context.Context) error {
	for _, address := range []string{s.Issuer + "/readyz", s.Resource} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
			return fmt.Errorf("%s answered %d", address, resp.StatusCode)
		}
	}
	return nil
}

// lateTrust is a transport that reads the CA file when it is first needed: the
// gateway makes its CA at its first start, after its clients exist.
type lateTrust struct {
	caFile string
	mu     sync.Mutex
	inner  *http.Transport
}

func (l *lateTrust) RoundTrip(r *http.Request) (*http.Response, error) {
	inner, err := l.transport()
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return inner.RoundTrip(r)
}

func (l *lateTrust) transport() (*http.Transport, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil {
		return l.inner, nil
	}
	pem, err := os.ReadFile(l.caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", l.caFile)
	}
	l.inner = &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
	}
	return l.inner, nil
}

// freeAddr completes host:port: an empty host is localhost, port 0 a free one.
func freeAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q: want host:port: %w", addr, err)
	}
	if host == "" {
		host = "localhost"
	}
	if port != "0" {
		return net.JoinHostPort(host, port), nil
	}
	port, err = testport.Free(host)
	return net.JoinHostPort(host, port), err
}

// orFree returns addr if it can be listened on, otherwise a free port of loopback.
func orFree(addr string) string {
	if addr != "" {
		if listener, err := net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	return "127.0.0.1:0"
}
