package appstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Config says how the backend starts.
type Config struct {
	// Addr is the address to listen on. Default "127.0.0.1:0", a free port.
	Addr string
	// Issuer is the expected iss; its key set is at Issuer + "/jwks.json".
	// Required.
	Issuer string
	// Audience is the expected aud and the base of htu, without a slash at the
	// end. Required.
	Audience string
	// Client reads the key set, so it must trust the issuer's certificate.
	// Default http.DefaultClient.
	Client *http.Client
	// People are whom the backend knows. Default: DemoPeople.
	People []Person
	// OnRequest is told of every call, refused ones too, before its answer
	// leaves. It is called by several goroutines at once.
	OnRequest func(Request)
	// Clock is the time by which tokens and requests age. Default: the system's.
	Clock clock.Clock
	// StatusEvery is how long an access request stays in each of its states.
	// 0: it never moves.
	StatusEvery time.Duration
}

// Server is a running backend.
type Server struct {
	url       string
	catalog   *catalog
	people    *directory
	requests  *requestStore
	calls     *recorder
	faults    *Faults
	verifier  *Verifier
	clock     clock.Clock
	interval  time.Duration
	onRequest func(Request)

	http    *http.Server
	closing chan struct{}
	done    chan struct{}
	stop    func() bool
	close   func() error
}

// Start starts a backend. It is listening when Start returns and stops when ctx
// ends or Close is called. The key set is read at the first call, so the issuer
// may start later.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("appstore: issuer and audience are required")
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Client == nil {
		cfg.Client = http.DefaultClient
	}
	if cfg.People == nil {
		cfg.People = DemoPeople()
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	people := slices.Clone(cfg.People)
	for i := range people {
		if people[i].Status == "" {
			people[i].Status = StatusActive
		}
	}
	apps, err := newCatalog(cfg.Audience)
	if err != nil {
		return nil, fmt.Errorf("appstore: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("appstore: listen: %w", err)
	}
	keys := NewKeySet(cfg.Issuer+"/jwks.json", cfg.Client, cfg.Clock)
	s := &Server{
		url:      "http://" + listener.Addr().String(),
		catalog:  apps,
		people:   &directory{people: people},
		requests: &requestStore{}, calls: &recorder{}, faults: &Faults{},
		verifier:  NewVerifier(cfg.Issuer, cfg.Audience, keys, cfg.Clock),
		clock:     cfg.Clock,
		interval:  cfg.StatusEvery,
		onRequest: cfg.OnRequest,
		closing:   make(chan struct{}),
		done:      make(chan struct{}),
	}
	s.seedRequests(people)
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	s.close = sync.OnceValue(s.shut)
	go func() {
		defer close(s.done)
		_ = s.http.Serve(listener) // always ends with http.ErrServerClosed
	}()
	s.stop = context.AfterFunc(ctx, func() { _ = s.close() })
	return s, nil
}

// URL is the address of the backend, such as http://127.0.0.1:41234.
func (s *Server) URL() string { return s.url }

// SetStatus changes the lifecycle state of everybody with that e-mail address.
func (s *Server) SetStatus(email, status string) { s.people.setStatus(email, status) }

// SetAllowReuse lets a jti be used more than once, as a backend must that
// stands behind a gateway which reuses its assertions for reads.
func (s *Server) SetAllowReuse(allow bool) { s.verifier.replay.allowReuse.Store(allow) }

// Faults are the knobs that make the backend misbehave.
func (s *Server) Faults() *Faults { return s.faults }

// Requests returns the last 10,000 calls, oldest first.
func (s *Server) Requests() []Request { return s.calls.list() }

// Calls returns Requests without the questions who a person is, which a gateway
// asks by itself now and then while they work.
func (s *Server) Calls() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool {
		return Route(r.Method+" "+r.Path) == RouteCurrentUser
	})
}

// CountPOST returns how many POST requests arrived, whatever became of them.
func (s *Server) CountPOST() int { return s.calls.postCount() }

// Close stops the backend, lets go of answers that a fault holds back, and
// waits until it no longer serves. It may be called more than once.
func (s *Server) Close() error {
	s.stop()
	return s.close()
}

func (s *Server) shut() error {
	close(s.closing)
	err := s.http.Close()
	<-s.done
	if err != nil {
		return fmt.Errorf("appstore: close: %w", err)
	}
	return nil
}
