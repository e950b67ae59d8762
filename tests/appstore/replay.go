package appstore

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// replayWindow is how long a jti is remembered at least. A token is accepted
// during its 60 seconds and the skew on both sides of them, together 2 minutes.
const replayWindow = maxLifetime + 2*maxSkew

// replayCache remembers the jti values of the window in two generations, so
// that forgetting costs nothing per request.
type replayCache struct {
	clock      clock.Clock
	allowReuse atomic.Bool

	mu       sync.Mutex
	current  map[string]struct{}
	previous map[string]struct{}
	since    time.Time
}

func newReplayCache(now clock.Clock) *replayCache {
	return &replayCache{clock: now, current: make(map[string]struct{}), since: now.Now()}
}

// firstUse reports whether id may be used now, and remembers it.
func (c *replayCache) firstUse(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.clock.Now(); now.Sub(c.since) > replayWindow {
		if now.Sub(c.since) > 2*replayWindow {
			c.current = nil // both generations are older than the window
		}
		c.previous, c.current, c.since = c.current, make(map[string]struct{}), now
	}
	_, seen := c.current[id]
	if !seen {
		_, seen = c.previous[id]
	}
	c.current[id] = struct{}{}
	return !seen || c.allowReuse.Load()
}
