package grant

import (
	"hash/maphash"
	"sync/atomic"
)

// epochSlots trades memory for false sharing: two families in one slot only
// cost each other a read of the store.
const epochSlots = 1 << 12

// Epochs make cached answers unreachable when what they were read from has
// changed. Deleting from a cache races with filling it; an epoch does not: it is
// read before the store is, is part of an entry's key, and moves after the
// commit of a change and before the call that asked for the change returns.
// Whoever starts after that return therefore looks under a key that nothing
// older can have.
//
// There is one Epochs per store in a process, living as long as the cache. The
// zero value is not ready; use NewEpochs.
type Epochs struct {
	seed     maphash.Seed
	families [epochSlots]atomic.Uint64

	// People are not known before the read, so entries carry the count of all
	// changes at that time, and a person's slot the count of the last one.
	changes atomic.Uint64
	people  [epochSlots]atomic.Uint64
}

// NewEpochs returns epochs at their start.
func NewEpochs() *Epochs { return &Epochs{seed: maphash.MakeSeed()} }

// Bump makes everything cached about a family unreachable. It is called after
// the commit that changed it, also when the outcome of the commit is unknown.
func (e *Epochs) Bump(family string) { e.slot(&e.families, family).Add(1) }

// BumpUser makes everything cached about a person unreachable, after a commit
// that changed what is known about them, such as their groups.
func (e *Epochs) BumpUser(userID string) {
	change := e.changes.Add(1)
	slot := e.slot(&e.people, userID)
	for {
		last := slot.Load()
		if last >= change || slot.CompareAndSwap(last, change) {
			return
		}
	}
}

func (e *Epochs) family(id string) uint64 { return e.slot(&e.families, id).Load() }

// now is the count of changes to people, to be read before the store.
func (e *Epochs) now() uint64 { return e.changes.Load() }

// unchanged says whether nothing was changed about a person after that count.
func (e *Epochs) unchanged(userID string, since uint64) bool {
	return e.slot(&e.people, userID).Load() <= since
}

func (e *Epochs) slot(slots *[epochSlots]atomic.Uint64, id string) *atomic.Uint64 {
	return &slots[maphash.String(e.seed, id)%epochSlots]
}
