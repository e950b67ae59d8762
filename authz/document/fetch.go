package document

import (
	"context"
	"errors"
	"fmt"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

// fetch makes the copy of the document at id a fresh one, unless it is or the
// last attempt failed a moment ago. It runs once at a time per URL, whoever
// asks, and does not end with who asked first. It returns the fresh copy, or the
// last good one, if there is any, with an error: ErrFetch, ErrInvalid or
// store.ErrUnavailable.
func (s *Service) fetch(ctx context.Context, id string) (copied, error) {
	flight := s.flights.DoChan(id, func() (any, error) {
		if !s.begin() {
			return copied{}, fmt.Errorf("%w: %w", store.ErrUnavailable, errClosed)
		}
		defer s.wg.Done()
		return s.fetchOnce(s.life, id)
	})
	select {
	case <-ctx.Done():
		return copied{}, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	case result := <-flight:
		good, _ := result.Val.(copied)
		return good, result.Err
	}
}

// begin counts a flight that Close has to wait for.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

func (s *Service) fetchOnce(ctx context.Context, id string) (copied, error) {
	// Inside the flight, so that who comes right after one does not start another.
	e, err := s.load(ctx, id)
	now := s.cfg.Clock.Now()
	switch {
	case err != nil:
		return copied{}, err
	case e.good.fresh(now):
		return e.good, nil
	case e.failure != nil && now.Before(e.retry):
		return e.good, e.failure
	}
	outcome := Unchanged
	fresh, body, err := s.read(ctx, id)
	if err == nil {
		outcome, err = s.adopt(ctx, fresh, body)
	}
	if ctx.Err() != nil { // closed meanwhile: nothing was learnt of the document
		return copied{}, fmt.Errorf("%w: %w", store.ErrUnavailable, errClosed)
	}
	if err != nil {
		outcome = failed(err)
	}
	s.cfg.Observe(outcome)
	if errors.Is(err, store.ErrUnavailable) { // our own fault is tried again at once
		return copied{}, err
	}
	s.update(id, func(e *entry) { e.failure, e.retry = err, s.cfg.Clock.Now().Add(RetryAfter) })
	if err != nil {
		s.complain(ctx, id, err, e.failure)
		return e.good, err
	}
	return fresh, nil
}

// read fetches and parses. Only good documents come back, so that nothing else
// can ever be kept.
func (s *Service) read(ctx context.Context, id string) (copied, []byte, error) {
	answer, err := s.cfg.Fetcher.Get(ctx, id)
	if err != nil {
		return copied{}, nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	d, err := Parse(id, answer.Body)
	if err != nil {
		return copied{}, nil, err
	}
	now := s.cfg.Clock.Now()
	return copied{doc: d, fetched: now, expires: now.Add(freshFor(answer.Header, now))}, answer.Body, nil
}

// adopt makes a fetched copy the one in use. What it changes is in the audit
// trail before it counts; an error means that the copy before stays in use.
func (s *Service) adopt(ctx context.Context, fresh copied, body []byte) (Outcome, error) {
	id := fresh.doc.ID
	profile, name, ok := s.cfg.Profiles.ByDocument(id)
	if !ok {
		return "", fmt.Errorf("client metadata document: %w", store.ErrNotFound)
	}
	e, err := s.load(ctx, id)
	if err != nil {
		return "", err
	}
	// Another node may have seen the change already.
	stored, err := s.stored(ctx, id)
	if err != nil {
		return "", err
	}
	before := newer(newer(s.pinned[id], e.good), stored)
	outcome := First
	if before.exists() {
		if outcome, err = s.alarm(ctx, before.doc, fresh.doc, profile, name); err != nil {
			return "", err
		}
	}
	if s.cfg.Copies != nil {
		kept := store.Document{URL: id, Body: body, FetchedAt: fresh.fetched, ExpiresAt: fresh.expires}
		if err := s.cfg.Copies.SaveDocument(ctx, kept); err != nil {
			return "", fmt.Errorf("client metadata document: %w", err)
		}
	}
	if err := s.follow(ctx, fresh.doc.record(profile, name)); err != nil {
		return "", err
	}
	s.update(id, func(e *entry) { e.loaded, e.good = true, fresh })
	return outcome, nil
}

// alarm tells operators that a document is not what it was: whoever controls it
// decides where codes are sent.
func (s *Service) alarm(ctx context.Context, before, after Document, profile, name string) (Outcome, error) {
	changed := before.changes(after)
	if len(changed) == 0 {
		return Unchanged, nil
	}
	s.cfg.Log.WarnContext(ctx, "a client metadata document changed; consent is asked again where it depends on what changed",
		"client_id", after.ID, "profile", profile, "changed", changed,
		"redirect_uris_before", before.RedirectURIs, "redirect_uris_after", after.RedirectURIs)
	return Changed, s.record(ctx, audit.ClientUpdated, after.ID, name, changed)
}

// complain reports a failed fetch where it is another failure than the last
// one: a host that stays down is news once.
func (s *Service) complain(ctx context.Context, id string, err, before error) {
	if before != nil && before.Error() == err.Error() {
		return
	}
	if !errors.Is(err, ErrInvalid) {
		s.cfg.Log.WarnContext(ctx, "a client metadata document could not be fetched", "client_id", id, "detail", safehttp.Detail(err))
		return
	}
	s.cfg.Log.WarnContext(ctx, "a client metadata document is refused; the last good copy stays in use", "client_id", id, "error", err)
	_, name, _ := s.cfg.Profiles.ByDocument(id)
	event := audit.Event{Name: audit.ClientRejected, ClientID: id, ClientName: name, Reason: reason.ClientBadMetadata}
	// A refusal stands also when it cannot be recorded.
	if err := s.cfg.Audit.Record(ctx, event); err != nil {
		s.cfg.Log.ErrorContext(ctx, "a refused client metadata document could not be audited", "client_id", id, "error", err)
	}
}
