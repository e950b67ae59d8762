package grant

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	// cacheTTL bounds how long an entry is believed without a read.
	cacheTTL = time.Minute
	// deadTokens is how many final refusals are remembered.
	deadTokens = 10_000
	// DefaultSessions is how many validated access tokens a cache holds.
	DefaultSessions = 100_000
)

// Cache holds validated access tokens and final refusals. It may lose any entry
// at any time and is never the reason why a token is dead: revocation works by
// Epochs. It lives as long as the store handle, across configurations.
type Cache struct {
	live *ristretto.Cache[uint64, *cached]
	dead *lru.Cache[store.Hash, final]
}

// cacheKey is what a cached answer is valid for.
type cacheKey struct {
	token    store.Hash
	epoch    uint64 // of the family, read before the store
	revision uint64 // of the policy
}

type cached struct {
	key     cacheKey
	people  uint64 // count of changes to people, read before the store
	until   time.Time
	session *Session
}

// final is a refusal that time does not undo. For an expired token from is its
// end, so that a clock that was wrong for a moment kills nothing for good.
type final struct {
	why  reason.Reason
	from time.Time
}

// NewCache returns a cache for so many validated access tokens; zero means
// DefaultSessions. Close it after its last use.
func NewCache(sessions int64) (*Cache, error) {
	if sessions <= 0 {
		sessions = DefaultSessions
	}
	live, err := ristretto.NewCache(&ristretto.Config[uint64, *cached]{
		NumCounters: 10 * sessions,
		MaxCost:     sessions,
		BufferItems: 64,
		// Otherwise each entry is charged 56 on top of its cost of 1.
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("access token cache: %w", err)
	}
	dead, err := lru.New[store.Hash, final](deadTokens)
	if err != nil {
		live.Close()
		return nil, fmt.Errorf("dead token cache: %w", err)
	}
	return &Cache{live: live, dead: dead}, nil
}

// Close stops the cache's goroutines. Nothing may be called after it.
func (c *Cache) Close() { c.live.Close() }

// get returns what was stored under exactly that key. The methods do nothing
// on a nil Cache.
func (c *Cache) get(k cacheKey, now time.Time) (*cached, bool) {
	if c == nil {
		return nil, false
	}
	e, ok := c.live.Get(k.sum())
	// The sum is 64 bits: only the whole key says that the entry is the one.
	if !ok || e.key != k || !now.Before(e.until) {
		return nil, false
	}
	return e, true
}

func (c *Cache) put(k cacheKey, people uint64, session *Session, now time.Time) {
	if c == nil {
		return
	}
	c.live.SetWithTTL(k.sum(), &cached{key: k, people: people, until: now.Add(cacheTTL), session: session}, 1, cacheTTL)
}

func (c *Cache) refused(token store.Hash, now time.Time) (reason.Reason, bool) {
	if c == nil {
		return "", false
	}
	f, ok := c.dead.Get(token)
	if !ok || now.Before(f.from) {
		return "", false
	}
	return f.why, true
}

func (c *Cache) refuse(token store.Hash, f final) {
	if c == nil {
		return
	}
	c.dead.Add(token, f)
}

// sum spreads the key over 64 bits. The token's hash is uniform already; the
// odd factors keep neighbouring epochs and revisions apart.
func (k cacheKey) sum() uint64 {
	return binary.LittleEndian.Uint64(k.token[:8]) ^
		k.epoch*0x9E3779B97F4A7C15 ^
		bits.RotateLeft64(k.revision*0xC2B2AE3D27D4EB4F, 31)
}
