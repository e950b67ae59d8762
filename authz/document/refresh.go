package document

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Run refreshes at once and then every interval until ctx ends. Several may run,
// to no use.
func (s *Service) Run(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		s.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh fetches each document that is pinned or in use and whose copy is not
// fresh any more, one after the other. A document that differs from its copy
// raises an alarm (in the log and, as client_updated, in the audit trail) and
// replaces it; one that cannot be had or is not acceptable leaves it.
func (s *Service) Refresh(ctx context.Context) {
	for _, id := range s.watched() {
		if ctx.Err() != nil {
			return
		}
		// What is wrong with a document was reported where it was found.
		if _, err := s.fetch(ctx, id); errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "a client metadata document could not be refreshed", "client_id", id, "error", err)
		}
	}
}

// watched lists the URLs of documents that are pinned or in memory, sorted.
func (s *Service) watched() []string {
	s.mu.Lock()
	ids := s.known.Keys()
	s.mu.Unlock()
	for id := range s.pinned {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool {
		_, _, listed := s.cfg.Profiles.ByDocument(id)
		return !listed
	})
}
