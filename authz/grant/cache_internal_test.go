package grant

import (
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestAnEntryIsOnlyForItsWholeKey(t *testing.T) {
	cache, err := NewCache(100)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	key := cacheKey{token: store.Hash{1, 2, 3}, epoch: 4, revision: 5}
	cache.put(key, 0, &Session{}, now)
	cache.Wait()
	if _, ok := cache.get(key, now); !ok {
		t.Fatal("the entry is not found, so the rest proves nothing")
	}
	other := key
	other.token[31] = 1 // the cache's own key is made of the first bytes only
	if other.sum() != key.sum() {
		t.Fatal("the keys do not collide, so the rest proves nothing")
	}
	if _, ok := cache.get(other, now); ok {
		t.Error("a token was answered the session of another")
	}
	for name, changed := range map[string]cacheKey{
		"another epoch":    {key.token, 5, 5},
		"another revision": {key.token, 4, 6},
	} {
		if _, ok := cache.get(changed, now); ok {
			t.Errorf("%s was answered", name)
		}
	}
}
