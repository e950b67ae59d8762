package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/keylock"
)

// The pools share what outlives a configuration, by the identity of what is
// opened and never by its settings: the same file under two keys would have two
// caches, of which one would not see the revocations of the other.
var (
	runtimes = caddy.NewUsagePool()
	limiters = caddy.NewUsagePool()
	sinks    = caddy.NewUsagePool()
)

// startTimeout bounds opening the store, migrating it and loading keys.
const startTimeout = time.Minute

// runtime is one store in use: its handle, the keys of what is kept in it, and
// what this process remembers of it.
type runtime struct {
	store  store.Store
	keys   *keys.Set
	epochs *grant.Epochs
	cache  *grant.Cache
	people *people.Memory
	limits *authz.Limits
	sealer *opaque.Sealer
	// ledger and writing are of all configurations: a call of a new one waits for
	// one that began under the one before.
	ledger  *ledger
	writing keylock.Locks
	sweep   *sweeper
	watch   *keyWatch
	// metrics are of this store: another one begins at zero.
	metrics *metrics
	applied
}

// acquireRuntime returns the runtime of a store, which the first configuration
// that uses it opens and migrates. It must be released once.
func acquireRuntime(ctx context.Context, engine StoreEngine, storage keys.Storage) (*runtime, error) {
	value, _, err := runtimes.LoadOrNew(engine.Identity(), func() (caddy.Destructor, error) {
		return newRuntime(ctx, engine, storage)
	})
	if err != nil {
		return nil, err
	}
	return value.(*runtime), nil
}

// releaseRuntime gives it back; the last one closes the store.
func releaseRuntime(engine StoreEngine) error {
	_, err := runtimes.Delete(engine.Identity())
	return err
}

func newRuntime(ctx context.Context, engine StoreEngine, storage keys.Storage) (_ *runtime, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log := liveLog(appName)
	r := &runtime{epochs: grant.NewEpochs(), metrics: newMetrics()}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Destruct())
		}
	}()
	if r.store, err = engine.Open(ctx, log); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err = r.store.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("migrating the store: %w", err)
	}
	if r.keys, err = keys.Open(ctx, storage, clock.System, nil); err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	if r.sealer, err = opaque.NewSealer(r.keys.SealKeys()); err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	r.ledger = &ledger{store: r.store, sealer: r.sealer, clock: clock.System}
	if r.cache, err = grant.NewCache(0); err != nil {
		return nil, fmt.Errorf("making the token cache: %w", err)
	}
	if r.people, err = people.NewMemory(0); err != nil {
		return nil, err
	}
	if r.limits, err = authz.NewLimits(); err != nil {
		return nil, fmt.Errorf("making the rate limits: %w", err)
	}
	books := newCensus(r.store, r.metrics, clock.System, log)
	r.sweep = startSweeper(r.store, clock.System, log, r.clientsRemoved, books) //nolint:contextcheck // it lives as long as the store, not as long as this call
	r.watch = startKeyWatch(r.keys, log)                                        //nolint:contextcheck // as above
	return r, nil
}

// Destruct closes what was opened. No request uses it any more: a configuration
// releases the runtime only after its last request.
func (r *runtime) Destruct() error {
	r.sweep.stop()
	r.watch.stop()
	if r.cache != nil {
		r.cache.Close()
	}
	if r.people != nil {
		r.people.Close()
	}
	if r.store == nil {
		return nil
	}
	return r.store.Close()
}

// openLimiter is a limiter in use.
type openLimiter struct{ limit.Engine }

// Destruct ends the limiter.
func (l *openLimiter) Destruct() error { return l.Close() }

// limiterKey names a limiter of a runtime: its figures are that runtime's, and
// another store is another gateway.
func limiterKey(engine StoreEngine, limiter LimiterEngine) string {
	return engine.Identity() + "\n" + limiter.Identity()
}

// acquireLimiter returns the limiter that counts for a store. The first
// configuration that uses both begins it; a reload forgives nobody. It must be
// released once, before the runtime.
func acquireLimiter(ctx context.Context, engine StoreEngine, limiter LimiterEngine, m *metrics) (limit.Engine, error) {
	value, _, err := limiters.LoadOrNew(limiterKey(engine, limiter), func() (caddy.Destructor, error) {
		opened, err := limiter.Open(ctx, LimiterContext{Log: liveLog(appName + ".limiter"), Observer: m})
		if err != nil {
			return nil, err
		}
		return &openLimiter{opened}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("beginning the limiter: %w", err)
	}
	return value.(*openLimiter), nil
}

func releaseLimiter(engine StoreEngine, limiter LimiterEngine) error {
	_, err := limiters.Delete(limiterKey(engine, limiter))
	return err
}

// openSink is an audit sink in use.
type openSink struct{ RecordCloser }

// Destruct writes what is queued and closes the sink.
func (s *openSink) Destruct() error { return s.Close() }

// acquireSink opens an audit sink, or shares it with the configuration that did.
func acquireSink(sink AuditSink, log *slog.Logger) (RecordCloser, error) {
	value, _, err := sinks.LoadOrNew(sink.Identity(), func() (caddy.Destructor, error) {
		opened, err := sink.Open(log)
		if err != nil {
			return nil, err
		}
		return &openSink{opened}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening the audit sink %s: %w", sink.Identity(), err)
	}
	return value.(*openSink), nil
}

func releaseSink(sink AuditSink) error {
	_, err := sinks.Delete(sink.Identity())
	return err
}

// Interface guards.
var (
	_ caddy.Destructor = (*runtime)(nil)
	_ caddy.Destructor = (*openLimiter)(nil)
	_ caddy.Destructor = (*openSink)(nil)
)
