package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// The arithmetic of an overlap. A verifier may know the key set as it was up to
// CacheLife ago, and the node it asked may have read the document up to
// RefreshEvery before that.
const (
	// CacheLife is how long a verifier may keep the key set: the max-age with
	// which it is served.
	CacheLife = 5 * time.Minute
	// RefreshEvery is how often a running server calls Set.Refresh.
	RefreshEvery = time.Minute
	// refreshTimeout bounds one read of the storage.
	refreshTimeout = 30 * time.Second
	// clocksApart is how far the clocks of two nodes may differ: each is within a
	// minute of real time (package clock).
	clocksApart = 2 * time.Minute
	// assertionLife is how long an assertion is accepted: 60 seconds, and the 30
	// by which a verifier's clock may be behind.
	assertionLife = 90 * time.Second

	// PublishAhead is how long a new key is published before it signs.
	PublishAhead = RefreshEvery + refreshTimeout + CacheLife + clocksApart
	// PublishAfter is how long a key is published after its successor took over.
	PublishAfter = clocksApart + assertionLife + CacheLife
)

// ErrOverlap says that the rotation before is not over yet.
var ErrOverlap = errors.New("a rotation of the signing keys is under way")

// State is the part that a key has at some time.
type State string

// The states of a key.
const (
	StateComing  State = "coming"  // published, does not sign yet
	StateActive  State = "active"  // in use
	StateRetired State = "retired" // still published, no longer used
	StateGone    State = "gone"    // not published any more; the next rotation removes it
)

// Info describes a key without its material.
type Info struct {
	Purpose     string    `json:"purpose"`       // mac, seal or signing
	Algorithm   string    `json:"alg,omitempty"` // of signing keys
	ID          string    `json:"id"`
	State       State     `json:"state"`
	CreatedAt   time.Time `json:"created_at"`
	UseFrom     time.Time `json:"use_from"`
	AcceptUntil time.Time `json:"accept_until,omitzero"` // zero: without end
}

// Rotation is what a rotation will do by itself, without a further step.
type Rotation struct {
	// Keys are all signing keys after it.
	Keys []Info `json:"keys"`
	// SignFrom is when the new keys take over.
	SignFrom time.Time `json:"sign_from"`
	// Done is when the last of the keys before is no longer published.
	Done time.Time `json:"done"`
}

// List describes all keys as they are stored. The error is fs.ErrNotExist before
// the first start of a server.
func List(ctx context.Context, storage Storage, now clock.Clock) ([]Info, error) {
	var all []Info
	for _, p := range []purpose{purposeMAC, purposeSeal, purposeSigning} {
		_, keys, err := load(ctx, storage, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path(p), err)
		}
		all = append(all, describe(p, keys, now.Now())...)
	}
	return all, nil
}

// Rotate adds a new signing key of each algorithm and gives the present ones an
// end. It is one write; what follows, follows by the clock on every node that
// has read it. Servers that run find it by Set.Refresh.
//
// While the rotation before is under way the error is ErrOverlap, unless force is
// set. A forced one breaks no verifier either: each key keeps its time ahead and
// its time after. random may be nil for the system's source. The error is
// fs.ErrNotExist before the first start of a server, and ErrDamaged for a
// document that does not check.
func Rotate(ctx context.Context, storage Storage, now clock.Clock, random io.Reader, force bool) (Rotation, error) {
	if random == nil {
		random = rand.Reader
	}
	var r Rotation
	err := locked(ctx, storage, func() error {
		_, keys, err := load(ctx, storage, purposeSigning)
		if err != nil {
			return err
		}
		// Rounded up, so that what is stored is never earlier than what was computed.
		present := now.Now().UTC().Add(time.Second - 1).Truncate(time.Second)
		if until := underWay(keys, present); !until.IsZero() && !force {
			return fmt.Errorf("%w until %s", ErrOverlap, until.Format(time.RFC3339))
		}
		entries, err := r.plan(keys, present, random)
		if err != nil {
			return err
		}
		raw, err := encode(purposeSigning, entries)
		if err != nil {
			return err
		}
		// Nothing is stored that would not be read again.
		if keys, err = parse(raw, purposeSigning); err != nil {
			return err
		}
		if err := storage.Store(ctx, path(purposeSigning), raw); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		r.Keys = describe(purposeSigning, keys, present)
		return nil
	})
	if err != nil {
		return Rotation{}, fmt.Errorf("%s: %w", path(purposeSigning), err)
	}
	return r, nil
}

// plan returns the entries after a rotation: what is still accepted, and the new
// keys.
func (r *Rotation) plan(keys []key, now time.Time, random io.Reader) ([]entry, error) {
	r.SignFrom = now.Add(PublishAhead)
	for _, k := range keys { // after all others, also after those of a clock that was ahead
		if !r.SignFrom.After(k.useFrom) {
			r.SignFrom = k.useFrom.Add(time.Second)
		}
	}
	r.Done = r.SignFrom.Add(PublishAfter)
	var entries []entry
	for _, k := range keys {
		e := k.entry
		if e.AcceptUntil.IsZero() {
			e.AcceptUntil = r.Done
		}
		if e.AcceptUntil.After(now) {
			entries = append(entries, e)
		}
	}
	for _, alg := range algorithms(purposeSigning) {
		e, err := newEntry(alg, now, random)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		e.UseFrom = r.SignFrom
		entries = append(entries, e)
	}
	if len(entries) > maxKeys {
		return nil, fmt.Errorf("%w: there are %d keys already", ErrOverlap, len(keys))
	}
	return entries, nil
}

// underWay returns when the latest rotation is over, or zero when it is.
func underWay(keys []key, now time.Time) time.Time {
	var latest time.Time
	for _, k := range keys {
		for _, t := range []time.Time{k.useFrom, k.acceptUntil} {
			if t.After(now) && t.After(latest) {
				latest = t
			}
		}
	}
	return latest
}

func describe(p purpose, keys []key, now time.Time) []Info {
	active := make(map[string]string, 2) // id by algorithm
	for _, k := range keys {
		if _, some := active[k.alg]; !some || !now.Before(k.useFrom) {
			active[k.alg] = k.id
		}
	}
	infos := make([]Info, 0, len(keys))
	for _, k := range keys {
		i := Info{
			Purpose: string(p), Algorithm: k.alg, ID: k.id, State: StateRetired,
			CreatedAt: k.created, UseFrom: k.useFrom, AcceptUntil: k.acceptUntil,
		}
		switch {
		case !k.acceptUntil.IsZero() && !now.Before(k.acceptUntil):
			i.State = StateGone
		case active[k.alg] == k.id:
			i.State = StateActive
		case now.Before(k.useFrom):
			i.State = StateComing
		}
		infos = append(infos, i)
	}
	return infos
}
