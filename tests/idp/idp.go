package idp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// maxForm bounds what a form may hold, in bytes.
const maxForm = 64 << 10

// Config says how the provider starts.
type Config struct {
	// Addr is the loopback address to listen on. Default "127.0.0.1:0", a free
	// port.
	Addr string
	// ClientID and ClientSecret are the product's. Required.
	ClientID     string
	ClientSecret string
	// RedirectURIs are the product's callbacks, compared exactly. They may be
	// set later with SetRedirectURIs.
	RedirectURIs []string
	// Users are the people who can sign in. Default: DemoUsers.
	Users []User
	// Log gets one line for each sign-in, without passwords. Default: nowhere.
	Log *slog.Logger
}

// Server is a running identity provider.
type Server struct {
	issuer   string
	people   *directory
	storage  *storage
	provider *op.Provider
	faults   *Faults
	log      *slog.Logger

	http  *http.Server
	stop  func() bool
	done  chan struct{}
	close func() error
}

// Start starts a provider. It is listening when Start returns and stops when
// ctx ends or Close is called. It refuses an address that is not loopback,
// since every password is on its login page.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.ClientID == "" || cfg.ClientSecret == "" {
		return nil, errors.New("idp: client id and client secret are required")
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Users == nil {
		cfg.Users = DemoUsers()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	people := &directory{}
	for _, u := range cfg.Users {
		if err := u.validate(); err != nil {
			return nil, fmt.Errorf("idp: %w", err)
		}
		people.set(u)
	}
	key, err := newSigningKey()
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("idp: listen: %w", err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	if !addr.IP.IsLoopback() {
		_ = listener.Close()
		return nil, fmt.Errorf("idp: %s is not a loopback address", addr)
	}

	faults := &Faults{}
	s := &Server{
		issuer: fmt.Sprintf("http://localhost:%d", addr.Port),
		people: people,
		faults: faults,
		log:    cfg.Log,
		storage: &storage{
			clientID: cfg.ClientID, clientSecret: cfg.ClientSecret,
			key: key, people: people, faults: faults,
			requests: make(map[string]*authRequest), tokens: make(map[string]accessToken), sessions: make(map[string]string),
		},
		done: make(chan struct{}),
	}
	s.storage.setRedirectURIs(cfg.RedirectURIs)
	if s.provider, err = newProvider(s.issuer, s.storage); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("idp: %w", err)
	}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	s.close = sync.OnceValue(s.shut)
	go func() {
		defer close(s.done)
		_ = s.http.Serve(listener) // always ends with http.ErrServerClosed
	}()
	s.stop = context.AfterFunc(ctx, func() { _ = s.close() })
	return s, nil
}

// newProvider configures the library for the code flow alone.
func newProvider(issuer string, storage *storage) (*op.Provider, error) {
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	provider, err := op.NewProvider(config, storage, op.StaticIssuer(issuer),
		op.WithAllowInsecure(), op.WithCORSOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("make provider: %w", err)
	}
	return provider, nil
}

// routes lets through to the library only the endpoints that the discovery
// document names.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+oidc.DiscoveryEndpoint, discovery(s.issuer))
	mux.Handle(authorizePath, s.announceIss(s.provider))
	mux.Handle("POST "+tokenPath, s.faults.spoilToken(s.storage.key, s.provider))
	mux.Handle("GET "+keysPath, s.provider)
	mux.Handle(userinfoPath, s.provider)
	mux.HandleFunc("GET "+loginPath, s.showLogin)
	mux.HandleFunc("POST "+loginPath, s.postLogin)
	mux.HandleFunc("GET "+stylePath, showStyle)
	return s.faults.unavailable(http.MaxBytesHandler(mux, maxForm))
}

// Issuer is the provider's issuer identifier, such as http://localhost:41234.
func (s *Server) Issuer() string { return s.issuer }

// Faults are the knobs that make the provider misbehave.
func (s *Server) Faults() *Faults { return s.faults }

// SetRedirectURIs replaces the product's callbacks.
func (s *Server) SetRedirectURIs(uris ...string) { s.storage.setRedirectURIs(uris) }

// SetUser adds a person or replaces the one with the same subject. Tokens
// issued from then on carry the new claims.
func (s *Server) SetUser(u User) { s.people.set(u) }

// Close stops the provider and waits until it no longer serves. It may be
// called more than once.
func (s *Server) Close() error {
	s.stop()
	return s.close()
}

func (s *Server) shut() error {
	err := s.http.Close()
	<-s.done
	if err != nil {
		return fmt.Errorf("idp: close: %w", err)
	}
	return nil
}
