package people

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// DefaultPeople is how many answers a Memory holds.
const DefaultPeople = 100_000

// forgotten is when an answer that nobody used again goes. It is longer than
// any answer counts for.
const forgotten = 2 * Tolerated

// Memory holds what backends said about people. It may lose any entry at any
// time, which costs one more question and changes no decision: only good answers
// are in it, and who is not active has no grants left. It outlives a
// configuration.
type Memory struct {
	answers *ristretto.Cache[uint64, *answer]
	seed    maphash.Seed
}

// key is a person at a resource.
type key struct{ user, resource, subject string }

// answer is what is known of a person. It is never changed.
type answer struct {
	key key
	// good is just before the backend was asked, the last time that it said
	// "active"; zero = never.
	good time.Time
	// silent is when it first did not answer since, and tried the last time.
	silent, tried time.Time
}

// NewMemory returns a memory for so many people; zero means DefaultPeople. Close
// it after its last use.
func NewMemory(people int64) (*Memory, error) {
	if people <= 0 {
		people = DefaultPeople
	}
	answers, err := ristretto.NewCache(&ristretto.Config[uint64, *answer]{
		NumCounters: 10 * people, MaxCost: people, BufferItems: 64,
		IgnoreInternalCost: true, // otherwise each entry is charged 56 on top of its cost of 1
	})
	if err != nil {
		return nil, fmt.Errorf("memory of people: %w", err)
	}
	return &Memory{answers: answers, seed: maphash.MakeSeed()}, nil
}

// Close stops the memory's goroutines. Nothing may be called after it.
func (m *Memory) Close() { m.answers.Close() }

// get returns what is known, or nil.
func (m *Memory) get(k key) *answer {
	a, ok := m.answers.Get(m.sum(k))
	if !ok || a.key != k { // the sum is 64 bits
		return nil
	}
	return a
}

// put remembers a. It waits until the next get can see it, since a new entry is
// queued otherwise; that is once in a minute for each person.
func (m *Memory) put(a *answer) {
	m.answers.SetWithTTL(m.sum(a.key), a, 1, forgotten)
	m.answers.Wait()
}

func (m *Memory) sum(k key) uint64 {
	return maphash.String(m.seed, k.user) ^
		bits.RotateLeft64(maphash.String(m.seed, k.resource), 21) ^
		bits.RotateLeft64(maphash.String(m.seed, k.subject), 42)
}
