package appstore_test

import (
	"context"
	"errors"
	"sync"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// ledger is a mcpbridge.Ledger in memory that fails when told to.
type ledger struct {
	clock *clock.Fake

	mu     sync.Mutex
	writes map[mcpbridge.WriteID]mcpbridge.Write
	fails  map[string]bool // by method
	// faster is the write of another process that begins just before ours.
	faster *mcpbridge.Write
}

func newLedger() *ledger {
	return &ledger{clock: clock.NewFake(start), writes: make(map[mcpbridge.WriteID]mcpbridge.Write), fails: make(map[string]bool)}
}

func (l *ledger) fail(method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails[method] = true
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.writes)
}

var errDisk = errors.New("disk full")

func (l *ledger) Find(_ context.Context, id mcpbridge.WriteID) (mcpbridge.Write, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails["Find"] {
		return mcpbridge.Write{}, false, errDisk
	}
	w, ok := l.writes[id]
	return w, ok, nil
}

func (l *ledger) Begin(_ context.Context, id mcpbridge.WriteID, digest [32]byte) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faster != nil {
		l.writes[id] = *l.faster
	}
	if _, ok := l.writes[id]; ok || l.fails["Begin"] {
		if l.fails["Begin"] {
			return false, errDisk
		}
		return false, nil
	}
	l.writes[id] = mcpbridge.Write{Digest: digest, SentAt: l.clock.Now()}
	return true, nil
}

func (l *ledger) Answer(_ context.Context, id mcpbridge.WriteID, answer []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.writes[id]
	if !ok || w.Answer != nil || l.fails["Answer"] {
		return errDisk
	}
	w.Answer = answer
	l.writes[id] = w
	return nil
}

func (l *ledger) Forget(_ context.Context, id mcpbridge.WriteID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails["Forget"] {
		return errDisk
	}
	delete(l.writes, id)
	return nil
}
