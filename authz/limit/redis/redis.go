package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/rueidis"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// DefaultBudget is how long an event waits for the server.
const DefaultBudget = 50 * time.Millisecond

// Bounds of the connection.
const (
	dialTimeout  = time.Second
	replyTimeout = time.Second // after it a connection is given up
	openTimeout  = 2 * time.Second
)

// Observer is told how the engine does. Its methods must not block.
type Observer interface {
	// Shared says whether events are counted at the server, or here for as long
	// as it cannot be asked. It is told of the state at the start and of each change.
	Shared(bool)
	// CountedHere is told of each event that was counted here.
	CountedHere()
}

// Config is what an Engine needs.
type Config struct {
	// URL of the server: redis, rediss (over TLS) or unix, as ParseURL accepts it.
	// Required. It may hold a password and is never logged.
	URL string
	// Budget bounds how long an event waits. Default: DefaultBudget.
	Budget time.Duration
	// Size is how many keys are remembered while the server cannot be asked.
	// Default: limit.DefaultSize.
	Size     int
	Observer Observer     // optional
	Clock    clock.Clock  // of the buckets here; default: clock.System
	Log      *slog.Logger // default: slog.Default
}

// ErrURL is the cause of a URL that is refused; its text never quotes one.
var ErrURL = errors.New("want redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH, with USER:PASSWORD@ before the host and /DB, or ?db=DB, at the end where they are needed")

// ParseURL checks the URL of a server, without contacting it.
func ParseURL(raw string) (rueidis.ClientOption, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return rueidis.ClientOption{}, ErrURL // the error of url.Parse quotes it
	case u.Scheme == "unix" && u.Path != "" && u.Hostname() == "":
	case (u.Scheme == "redis" || u.Scheme == "rediss") && u.Hostname() != "":
	default:
		return rueidis.ClientOption{}, ErrURL
	}
	for name := range u.Query() {
		if name != "db" { // one of the others would believe any certificate
			return rueidis.ClientOption{}, ErrURL
		}
	}
	option, err := rueidis.ParseURL(raw)
	if err != nil {
		return rueidis.ClientOption{}, ErrURL
	}
	return option, nil
}

// Engine counts at the server while it answers, and here while it does not.
type Engine struct {
	budget   time.Duration
	local    *limit.Local
	link     *link
	observer Observer
}

// New returns an engine that has tried to connect. A server that cannot be
// reached is no error: its absence is what the engine is prepared for. New fails
// for a URL that is none.
func New(ctx context.Context, c Config) (*Engine, error) {
	option, err := ParseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the address of the limiter: %w", err)
	}
	if c.Budget <= 0 {
		c.Budget = DefaultBudget
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	local, err := limit.NewLocal(c.Size, c.Clock)
	if err != nil {
		return nil, err
	}
	option.ClientName = "mcp-edge"
	option.ClientSetInfo = rueidis.DisableClientSetInfo
	option.DisableCache = true // buckets change with every event
	option.DisableRetry = true // whoever asks has no time for it
	option.Dialer.Timeout, option.ConnWriteTimeout = dialTimeout, replyTimeout
	e := &Engine{budget: c.Budget, local: local, observer: c.Observer}
	e.link = newLink(option, c.Budget, c.Observer, c.Log)
	e.link.open(ctx, openTimeout)
	return e, nil
}

// Take implements limit.Engine.
func (e *Engine) Take(_ context.Context, b limit.Buckets) limit.Verdicts {
	if client := e.link.up(); client != nil {
		v, err := e.within(client, b)
		if err == nil {
			e.link.answered()
			return v
		}
		e.link.failed(err)
	}
	e.observer.CountedHere()
	return e.local.Take(context.Background(), b)
}

// errSlow says that the server did not answer within the budget.
var errSlow = errors.New("no answer in time")

// within asks and waits no longer than the budget. The request of the client is
// not what bounds it: whoever hangs up must not look like a server that is down.
// A connection that is being made again would not heed a deadline, hence the
// goroutine; it ends with the bounds of the connection.
func (e *Engine) within(client rueidis.Client, b limit.Buckets) (limit.Verdicts, error) {
	type answer struct {
		verdicts limit.Verdicts
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		v, err := ask(context.Background(), client, e.link.script, &b)
		answers <- answer{v, err}
	}()
	timer := time.NewTimer(e.budget)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.verdicts, a.err
	case <-timer.C:
		return limit.Verdicts{}, errSlow
	}
}

// Close ends the connection.
func (e *Engine) Close() error {
	e.link.close()
	return e.local.Close()
}

type unobserved struct{}

func (unobserved) Shared(bool)  {}
func (unobserved) CountedHere() {}

// Interface guard.
var _ limit.Engine = (*Engine)(nil)
