package people

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	// Remembered is how long an answer "active" is believed while the person is
	// at work: so long after they became inactive their calls may still go on.
	Remembered = time.Minute
	// RenewAfter is when, before that, the backend is asked again beside the calls,
	// so that nobody who works all the time waits for the answer.
	RenewAfter = 45 * time.Second
	// Tolerated is how long calls go on while a backend does not say anything,
	// counted from its last good answer, or from the first silence where none is
	// remembered. Nothing reaches a person's data meanwhile, since every tool asks
	// the same backend; but a gateway that has not known for so long whom it
	// serves says so by a 503.
	Tolerated = 5 * time.Minute

	// askTimeout bounds one question, and so what a call may wait for.
	askTimeout = 3 * time.Second
	// silence is how long a backend that did not answer about a person is left
	// alone about them, so that calls do not wait one after the other.
	silence = 5 * time.Second
)

var (
	// ErrInactive says that a person is not active any more. Their grants have
	// ended before it is returned.
	ErrInactive = errors.New("the person is not active at the backend")
	// ErrUnknown says that it cannot be known whether they are: 503, never a
	// denial.
	ErrUnknown = errors.New("it is not known whether the person is active")
)

// Result is how a question to a backend ended.
type Result string

// The results.
const (
	Active   Result = "active"
	Inactive Result = "inactive"
	Fault    Result = "fault"
)

// Results are all of them.
func Results() []Result { return []Result{Active, Inactive, Fault} }

// Config configures a Checker.
type Config struct {
	// Directory is asked; required.
	Directory authorize.Directory
	// Memory is shared by all checkers over one store; required.
	Memory *Memory
	// Revoke ends everything of a person; required. It is RevokeUser of a
	// grant.Service.
	Revoke func(ctx context.Context, userID, why string, record grant.Record) (grant.Ended, error)
	// Audit is required.
	Audit   audit.Recorder
	Clock   clock.Clock  // default clock.System
	Log     *slog.Logger // default slog.Default()
	Observe func(Result) // told of every question; must not block; optional
}

// Checker asks backends whether people are still active. It is safe for
// concurrent use. Close it when it is not used any more.
type Checker struct {
	cfg      Config
	flights  singleflight.Group
	silences flood.Gate      // by resource
	stopped  context.Context //nolint:containedctx // it ends questions that outlive their request
	stop     context.CancelFunc

	mu     sync.Mutex // guards closed, and Add before Wait
	closed bool
	asking sync.WaitGroup
}

// New returns a Checker.
func New(cfg Config) (*Checker, error) {
	if cfg.Directory == nil || cfg.Memory == nil || cfg.Revoke == nil || cfg.Audit == nil {
		return nil, errors.New("people: directory, memory, revoke and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Result) {}
	}
	c := &Checker{cfg: cfg}
	c.stopped, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the questions under way and waits for them.
func (c *Checker) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.asking.Wait()
}

// Check says by nil that the person of a grant may go on. The error is
// ErrInactive, after everything of theirs has ended, or ErrUnknown.
//
// What was heard less than RenewAfter ago costs one look into the memory and
// allocates nothing. Until Remembered it still counts, and the backend is asked
// beside the call; after it the call waits. One person is asked about once at a
// time.
func (c *Checker) Check(ctx context.Context, u *store.User, f *store.Family) error {
	k := key{u.ID, f.Resource, f.Subject}
	a := c.cfg.Memory.get(k)
	if a.counts(c.cfg.Clock.Now(), RenewAfter) {
		return nil
	}
	return c.renew(ctx, k, a, u, f)
}

// Active implements grant.People: what cannot be found out denies nobody.
func (c *Checker) Active(ctx context.Context, u store.User, f store.Family) bool {
	return !errors.Is(c.Check(ctx, &u, &f), ErrInactive)
}

// Lookup implements authorize.Directory: it asks about a person at sign-in and
// remembers a good answer, so that their first calls need not ask again. A bad
// one ends nothing here: it may be about a backend at which the person never had
// a grant. What they have elsewhere is seen to at its next use.
func (c *Checker) Lookup(ctx context.Context, resource string, who authorize.Person) (authorize.Entry, error) {
	asked := c.cfg.Clock.Now()
	entry, err := c.cfg.Directory.Lookup(ctx, resource, who)
	if err == nil && entry.Active && entry.ID != "" && who.UserID != "" {
		c.cfg.Memory.put(&answer{key: key{who.UserID, resource, entry.ID}, good: asked})
	}
	return entry, err
}

// renew asks the backend, beside the call or before it.
func (c *Checker) renew(ctx context.Context, k key, a *answer, u *store.User, f *store.Family) error {
	now := c.cfg.Clock.Now()
	remembered := a.counts(now, Remembered)
	if a.failed(now) {
		return a.tolerable(now)
	}
	person, family := *u, *f // the flight outlives this call
	landed := c.flights.DoChan(k.user+"\x00"+k.resource+"\x00"+k.subject, func() (any, error) {
		return nil, c.ask(ctx, k, person, family)
	})
	if remembered {
		return nil
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	case result := <-landed:
		return result.Err
	}
}

// ask asks the backend and acts on the answer.
func (c *Checker) ask(ctx context.Context, k key, u store.User, f store.Family) error {
	if !c.enter() {
		return fmt.Errorf("%w: stopping", ErrUnknown)
	}
	defer c.asking.Done()
	asked := c.cfg.Clock.Now()
	last := c.cfg.Memory.get(k)
	if last.counts(asked, RenewAfter) { // another flight landed since this one was wanted
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()

	entry, err := c.cfg.Directory.Lookup(ctx, f.Resource, authorize.Person{
		UserID: u.ID, Subject: f.Subject, Email: u.Email, Domain: f.Domain, ClientID: f.ClientID,
	})
	switch {
	case errors.Is(err, authorize.ErrUnknownPerson):
		return c.end(ctx, u, "the backend does not know the person any more")
	case err == nil && !entry.Active:
		return c.end(ctx, u, "the backend says that the person is not active")
	case err == nil:
		c.cfg.Observe(Active)
		c.cfg.Memory.put(&answer{key: k, good: asked})
		return nil
	}
	c.cfg.Observe(Fault)
	now := c.cfg.Clock.Now()
	// One line a second for a backend: when it is down, it is so for everybody.
	if pass, held := c.silences.Pass(f.Resource, now); pass {
		c.cfg.Log.WarnContext(ctx, "a backend does not say whether a person is active", "resource", f.Resource, "user_id", u.ID, "not_logged_before", held, "error", err)
	}
	next := &answer{key: k, silent: now, tried: now}
	if last != nil {
		next.good = last.good
		if !last.silent.IsZero() {
			next.silent = last.silent
		}
	}
	c.cfg.Memory.put(next)
	return next.tolerable(now)
}

// end ends everything of a person who is not active. It is not cut off by the
// time for the question.
func (c *Checker) end(ctx context.Context, u store.User, detail string) error {
	c.cfg.Observe(Inactive)
	ctx = context.WithoutCancel(ctx)
	why := Cause{Reason: reason.UserNotActive, Detail: detail}
	_, err := c.cfg.Revoke(ctx, u.ID, string(reason.UserNotActive), Record(c.cfg.Audit, c.cfg.Clock, why))
	if err != nil && !errors.Is(err, store.ErrNotFound) { // asked again at the next use
		c.cfg.Log.ErrorContext(ctx, "the grants of a person who is not active could not be ended", "user_id", u.ID, "error", err)
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return ErrInactive
}

func (c *Checker) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.asking.Add(1)
	return true
}

// counts says whether the backend said "active" less than that long ago. A clock
// that was set back makes nothing count.
func (a *answer) counts(now time.Time, atMost time.Duration) bool {
	if a == nil || a.good.IsZero() {
		return false
	}
	age := now.Sub(a.good)
	return age >= 0 && age < atMost
}

// failed says whether the backend did not answer a moment ago.
func (a *answer) failed(now time.Time) bool {
	if a == nil || a.tried.IsZero() {
		return false
	}
	since := now.Sub(a.tried)
	return since >= 0 && since < silence
}

// tolerable says by nil that a call may go on without an answer.
func (a *answer) tolerable(now time.Time) error {
	since := a.good
	if since.IsZero() {
		since = a.silent
	}
	if now.Sub(since) <= Tolerated {
		return nil
	}
	return fmt.Errorf("%w: its backend has not said for %v", ErrUnknown, Tolerated)
}

// Interface guards.
var (
	_ authorize.Directory = (*Checker)(nil)
	_ grant.People        = (*Checker)(nil)
)
