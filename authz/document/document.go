package document

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

// RetryAfter is how long a failed fetch is not tried again.
const RetryAfter = time.Minute

const defaultSize = 256

var (
	// ErrFetch says that a document could not be fetched and that there is no copy
	// of it that may be used. It is also store.ErrNotFound.
	ErrFetch = errors.New("the client metadata document could not be fetched")
	// errClosed says that the service was closed.
	errClosed = errors.New("the service of client metadata documents is closed")
)

// Profiles says which URLs are documents of a known product.
type Profiles interface {
	// ByDocument returns id and display name of the profile that lists url, byte
	// for byte.
	ByDocument(url string) (profile, name string, ok bool)
}

// Fetcher reads JSON texts from outside; *safehttp.Fetcher is one.
type Fetcher interface {
	// Get returns the answer of address. An error's text may be shown.
	Get(ctx context.Context, address string) (*safehttp.Answer, error)
}

// Copies keeps the last good copies across restarts and between nodes. Errors
// are store.ErrNotFound or store.ErrUnavailable.
type Copies interface {
	Document(ctx context.Context, url string) (store.Document, error)
	// SaveDocument inserts or replaces by URL.
	SaveDocument(ctx context.Context, d store.Document) error
}

// Clients keeps the rows that grants refer to. Errors are store.ErrNotFound or
// store.ErrUnavailable.
type Clients interface {
	Client(ctx context.Context, id string) (store.Client, error)
	// PutClient inserts or replaces by id, durably. CreatedAt and AuthorizedAt of an
	// existing row stay where c's are zero.
	PutClient(ctx context.Context, c store.Client) error
}

// Config configures a Service.
type Config struct {
	Profiles Profiles       // required
	Fetcher  Fetcher        // required
	Clients  Clients        // required
	Audit    audit.Recorder // required
	// Copies may be nil: then a restart forgets what was fetched, and several nodes
	// that fetch different copies overwrite each other's rows.
	Copies Copies
	// Pinned are the copies that stand in for a fetch. Default: those of the
	// product. Copies of URLs that no profile lists are without effect.
	Pinned []Pinned
	Size   int          // how many documents are kept in memory; default 256
	Clock  clock.Clock  // default the system's
	Log    *slog.Logger // default slog.Default
	// Observe, when not nil, is told how every fetch ended. It must not block.
	Observe func(Outcome)
}

// Service resolves clients by the URL of their metadata document. It is safe
// for concurrent use.
type Service struct {
	cfg     Config
	pinned  map[string]copied
	flights singleflight.Group

	mu    sync.Mutex // guards read-modify-write of entries, and closed
	known *lru.Cache[string, entry]

	life   context.Context // of fetches; they outlive the request that caused them
	end    context.CancelFunc
	closed bool
	wg     sync.WaitGroup
}

// copied is a document with its age.
type copied struct {
	doc     Document
	fetched time.Time // zero = there is none
	expires time.Time // zero for pinned copies
}

func (c copied) exists() bool             { return !c.fetched.IsZero() }
func (c copied) fresh(now time.Time) bool { return c.exists() && now.Before(c.expires) }

// newer returns the copy that was read last.
func newer(a, b copied) copied {
	if b.fetched.After(a.fetched) {
		return b
	}
	return a
}

// entry is what is remembered of one URL.
type entry struct {
	good    copied
	loaded  bool      // Copies was asked
	failure error     // of the last fetch; nil after a good one
	retry   time.Time // no fetch before
}

// New returns a Service. Close it when it is not used any more.
func New(cfg Config) (*Service, error) {
	if cfg.Profiles == nil || cfg.Fetcher == nil || cfg.Clients == nil || cfg.Audit == nil {
		return nil, errors.New("metadata documents: profiles, fetcher, clients and audit are required")
	}
	if cfg.Size <= 0 {
		cfg.Size = defaultSize
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Outcome) {}
	}
	if cfg.Pinned == nil {
		var err error
		if cfg.Pinned, err = BuiltIn(); err != nil {
			return nil, fmt.Errorf("metadata documents: %w", err)
		}
	}
	s := &Service{cfg: cfg, pinned: make(map[string]copied, len(cfg.Pinned))}
	for _, p := range cfg.Pinned {
		c, err := p.copyOf()
		if err != nil {
			return nil, fmt.Errorf("metadata documents: %w", err)
		}
		s.pinned[c.doc.ID] = newer(s.pinned[c.doc.ID], c)
	}
	var err error
	if s.known, err = lru.New[string, entry](cfg.Size); err != nil {
		return nil, fmt.Errorf("metadata documents: %w", err)
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close ends fetches that are under way and waits for them.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.wg.Wait()
}

// Client returns the client whose document is at id: from the copy in use, from
// a fetch when that is too old, from the last good copy when the fetch fails.
// Errors are store.ErrNotFound, for URLs that no profile lists and for documents
// that cannot be had or are not acceptable (then also ErrFetch or ErrInvalid),
// and store.ErrUnavailable. The text of store.ErrNotFound may be shown to anyone.
func (s *Service) Client(ctx context.Context, id string) (store.Client, error) {
	return s.resolve(ctx, id, false)
}

// ForConsent is Client for a person who is about to be asked. The last good
// copy of a document that is out of reach or not acceptable any more is not
// enough then: it keeps running grants alive and starts none. A pinned document
// is, because the program vouches for it.
func (s *Service) ForConsent(ctx context.Context, id string) (store.Client, error) {
	return s.resolve(ctx, id, true)
}

func (s *Service) resolve(ctx context.Context, id string, consent bool) (store.Client, error) {
	profile, name, ok := s.cfg.Profiles.ByDocument(id)
	if !ok || CheckID(id) != nil {
		return store.Client{}, fmt.Errorf("client metadata document: %w", store.ErrNotFound)
	}
	current, err := s.current(ctx, id, consent)
	if err != nil {
		return store.Client{}, err
	}
	return s.row(ctx, current, profile, name)
}

// current returns the copy to use.
func (s *Service) current(ctx context.Context, id string, consent bool) (copied, error) {
	e, err := s.load(ctx, id)
	if err != nil {
		return copied{}, err
	}
	pin, pinned := s.pinned[id]
	// A pinned document is refreshed in the background only: nobody waits for a
	// host that is known to answer machines badly.
	if pinned {
		return newer(pin, e.good), nil
	}
	if e.good.fresh(s.cfg.Clock.Now()) {
		return e.good, nil
	}
	good, failure := s.fetch(ctx, id)
	switch {
	case failure == nil:
		return good, nil
	case errors.Is(failure, store.ErrUnavailable):
		return copied{}, failure
	case good.exists() && !consent:
		return good, nil
	}
	return copied{}, fmt.Errorf("%w: %w", store.ErrNotFound, failure)
}

// load returns what is known of id, and asks Copies once.
func (s *Service) load(ctx context.Context, id string) (entry, error) {
	s.mu.Lock()
	e, _ := s.known.Get(id)
	s.mu.Unlock()
	if e.loaded {
		return e, nil
	}
	stored, err := s.stored(ctx, id)
	if err != nil {
		return entry{}, err
	}
	return s.update(id, func(e *entry) {
		e.loaded, e.good = true, newer(e.good, stored)
	}), nil
}

// stored reads the last good copy. One that today's rules refuse is none.
func (s *Service) stored(ctx context.Context, id string) (copied, error) {
	if s.cfg.Copies == nil {
		return copied{}, nil
	}
	kept, err := s.cfg.Copies.Document(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return copied{}, nil
	}
	if err != nil {
		return copied{}, fmt.Errorf("client metadata document: %w", err)
	}
	d, err := Parse(id, kept.Body)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "a kept client metadata document is not acceptable any more", "client_id", id, "error", err)
		return copied{}, nil
	}
	return copied{doc: d, fetched: kept.FetchedAt, expires: kept.ExpiresAt}, nil
}

func (s *Service) update(id string, change func(*entry)) entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, _ := s.known.Get(id)
	change(&e)
	s.known.Add(id, e)
	return e
}
