package flood

import (
	"maps"
	"sync"
	"time"
)

const (
	// DefaultEvery is the interval of a Gate that sets none.
	DefaultEvery = time.Second
	// maxKeys bounds the keys that a Gate tells apart at one time.
	maxKeys = 256
)

// Gate lets at most one event per interval and key pass. The zero value is
// ready; it must not be copied after first use. It is safe for concurrent use.
type Gate struct {
	// Every is the interval. Default: DefaultEvery. It must not change after
	// first use.
	Every time.Duration

	mu    sync.Mutex
	keys  map[string]*window
	rest  window    // shared by the keys that find no room
	swept time.Time // when room was last looked for
}

// window is the interval that began with the last pass.
type window struct {
	last time.Time // zero: nothing has passed yet
	held int       // since the last pass
}

// Pass reports whether an event of key at now may pass, and, if it does, how
// many of that key were held back since the last one that did. A clock that was
// set back lets pass.
//
// More keys than a Gate tells apart share one interval and one count. Each
// event is counted once: the passes and what they report make up all events but
// those held back since.
func (g *Gate) Pass(key string, now time.Time) (ok bool, heldBack int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.window(key, now)
	if g.over(w.last, now) {
		heldBack, w.held, w.last = w.held, 0, now
		return true, heldBack
	}
	w.held++
	return false, 0
}

// over reports whether the interval that began at last, if any did, is over.
func (g *Gate) over(last, now time.Time) bool {
	every := g.Every
	if every <= 0 {
		every = DefaultEvery
	}
	since := now.Sub(last)
	return last.IsZero() || since < 0 || since >= every
}

// window returns that of key, or the shared one if there is no room for it.
func (g *Gate) window(key string, now time.Time) *window {
	if w := g.keys[key]; w != nil {
		return w
	}
	if g.keys == nil {
		g.keys = make(map[string]*window)
	}
	if len(g.keys) >= maxKeys && g.over(g.swept, now) {
		// Once per interval, so that a flood of keys does not cost a search each.
		g.swept = now
		g.forget(now)
	}
	if len(g.keys) >= maxKeys {
		return &g.rest
	}
	w := &window{}
	g.keys[key] = w
	return w
}

// forget makes room by dropping keys whose interval is over. What was held back
// of them is reported with the next pass of the shared window: under another
// name rather than not at all.
func (g *Gate) forget(now time.Time) {
	maps.DeleteFunc(g.keys, func(_ string, w *window) bool {
		over := g.over(w.last, now)
		if over {
			g.rest.held += w.held
		}
		return over
	})
}
