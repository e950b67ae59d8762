package grant

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// MaxGrace bounds the rotation grace: longer, and a stolen refresh token would
// be served its successor for too long. Sealed answers stay no longer either.
const MaxGrace = store.KeepSealed

// Lifetimes say how long credentials live. A zero field takes its default.
type Lifetimes struct {
	// Code is the life of an authorization code; default 60 s (RFC 6749 §4.1.2
	// asks for at most 10 minutes).
	Code time.Duration
	// Access is the life of an access token; default 1 h. It never outlives its
	// family.
	Access time.Duration
	// Refresh is the life of a family from its approval, which no rotation
	// extends; default 30 days.
	Refresh time.Duration
	// RefreshIdle ends a family that is not rotated for so long; default 7 days.
	RefreshIdle time.Duration
	// RotationGrace is how long a rotated refresh token still answers with its
	// successor; default 60 s, at most MaxGrace.
	RotationGrace time.Duration
}

func (l Lifetimes) withDefaults() (Lifetimes, error) {
	for _, d := range []time.Duration{l.Code, l.Access, l.Refresh, l.RefreshIdle, l.RotationGrace} {
		if d < 0 {
			return l, errors.New("grant: a lifetime is negative")
		}
	}
	l.Code = cmp.Or(l.Code, time.Minute)
	l.Access = cmp.Or(l.Access, time.Hour)
	l.Refresh = cmp.Or(l.Refresh, 30*24*time.Hour)
	l.RefreshIdle = cmp.Or(l.RefreshIdle, 7*24*time.Hour)
	l.RotationGrace = cmp.Or(l.RotationGrace, time.Minute)
	if l.RotationGrace > MaxGrace {
		return l, fmt.Errorf("grant: a rotation grace of %v is longer than %v", l.RotationGrace, MaxGrace)
	}
	return l, nil
}

// Store is what grants need of an engine.
type Store interface {
	store.Updater
	store.UserReader
	store.GrantReader
}

// Policy says who is admitted.
type Policy interface {
	// Admit returns reason.None or the layer that refuses s.
	Admit(s policy.Subject) reason.Reason
	// Revision differs between any two policies of this process.
	Revision() uint64
}

// RotationCounter counts rotations; *limit.Memory is one.
type RotationCounter interface {
	Peek(key string, r limit.Rate, now time.Time) limit.Verdict
	Take(key string, r limit.Rate, now time.Time) limit.Verdict
}

// Config of a Service.
type Config struct {
	// Store is required.
	Store Store
	// Minter is required.
	Minter *opaque.Minter
	// Policy is required.
	Policy Policy
	// Clock is clock.System by default.
	Clock clock.Clock
	// Lifetimes have defaults of their own.
	Lifetimes Lifetimes
	// GraceOf returns the rotation grace of a host profile, zero for the one in
	// Lifetimes. Nil means that no profile has its own. Capped at MaxGrace.
	GraceOf func(profile string) time.Duration
	// KnownScope says whether a scope exists at a resource. Others are dropped
	// from a refresh request, as clients ask for scopes of other worlds. Nil
	// takes every scope for known.
	KnownScope func(resource, scope string) bool
	// Epochs are required where Cache is given and are shared by all services
	// over one store in this process.
	Epochs *Epochs
	// Cache of validated access tokens. Nil reads the store at every Verify, as
	// is needed where several processes write to the store.
	Cache *Cache
	// Rotations counts the rotations of each family. Nil counts none.
	Rotations RotationCounter
	// RotationRate is how many of them a family may have. Retries inside the grace
	// rotate nothing and are not counted.
	RotationRate limit.Rate
	// People are asked before a refresh token is rotated. Nil asks nobody.
	People People
	// Rand is the source of family ids; required.
	Rand io.Reader
	// Log is slog.Default() by default.
	Log *slog.Logger
	// Observer may be nil.
	Observer Observer
}

// Service issues, rotates, checks and ends grants under one configuration. It
// is safe for concurrent use and holds nothing that must be closed.
type Service struct {
	store      Store
	minter     *opaque.Minter
	policy     Policy
	clock      clock.Clock
	life       Lifetimes
	graceOf    func(string) time.Duration
	knownScope func(string, string) bool
	epochs     *Epochs
	cache      *Cache
	rotations  RotationCounter // nil = unlimited
	rotation   limit.Rate
	people     People // nil = nobody is asked
	rand       io.Reader
	log        *slog.Logger
	observer   Observer

	families keylock.Locks
	reads    atomic.Uint64
}

// New returns a Service over cfg.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("grant: no store")
	case cfg.Minter == nil:
		return nil, errors.New("grant: no minter")
	case cfg.Policy == nil:
		return nil, errors.New("grant: no policy")
	case cfg.Rand == nil:
		return nil, errors.New("grant: no source of randomness")
	case cfg.Cache != nil && cfg.Epochs == nil:
		return nil, errors.New("grant: a cache without shared epochs would outlive revocations")
	}
	life, err := cfg.Lifetimes.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{
		store: cfg.Store, minter: cfg.Minter, policy: cfg.Policy, clock: cfg.Clock, life: life,
		graceOf: cfg.GraceOf, knownScope: cfg.KnownScope, epochs: cfg.Epochs, cache: cfg.Cache,
		rotations: cfg.Rotations, rotation: cfg.RotationRate, people: cfg.People, rand: cfg.Rand, log: cfg.Log, observer: cfg.Observer,
	}
	if s.clock == nil {
		s.clock = clock.System
	}
	if s.epochs == nil {
		s.epochs = NewEpochs()
	}
	if s.graceOf == nil {
		s.graceOf = func(string) time.Duration { return 0 }
	}
	if s.knownScope == nil {
		s.knownScope = func(string, string) bool { return true }
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.observer == nil {
		s.observer = unobserved{}
	}
	return s, nil
}

// StoreReads counts the reads that Verify of this service has made. What counts
// across configurations is an Observer.
func (s *Service) StoreReads() uint64 { return s.reads.Load() }

// grace is the rotation grace for clients of a profile.
func (s *Service) grace(profile string) time.Duration {
	return min(cmp.Or(s.graceOf(profile), s.life.RotationGrace), MaxGrace)
}

// admit asks the policy about the person of a grant at a client.
func (s *Service) admit(domain string, u store.User, profile string) reason.Reason {
	return s.policy.Admit(policy.Subject{Domain: domain, Groups: u.Groups, Profile: profile})
}
