// Package audittest has an audit recorder for tests.
//
// Owns: a recorder that keeps events in memory and can be told to fail.
// Does not own: how events are encoded; it keeps them as they were given.
package audittest

import (
	"context"
	"slices"
	"sync"

	"github.com/teamlumos/mcp-edge/authz/audit"
)

// Memory is a Recorder that keeps events in memory. The zero value is ready; it
// is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

var _ audit.Recorder = (*Memory)(nil)

// Record keeps e, or returns the error that was set with Fail.
func (m *Memory) Record(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	e.Scopes, e.Permissions = slices.Clone(e.Scopes), slices.Clone(e.Permissions)
	m.events = append(m.events, e)
	return nil
}

// Fail lets Record return err from now on; nil lets it record again.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Events returns what was recorded, in order.
func (m *Memory) Events() []audit.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Named returns the events with that name, in order.
func (m *Memory) Named(name string) []audit.Event {
	return slices.DeleteFunc(m.Events(), func(e audit.Event) bool { return e.Name != name })
}

// Reset forgets all events.
func (m *Memory) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = nil
}
