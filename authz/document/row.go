package document

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

// renewAfter is the age at which the row of a client that nobody approved yet
// is renewed: before the sweeper takes it from under a person who is looking at
// the consent page.
const renewAfter = store.KeepUnusedClient / 2

// row makes the stored row say what the document says, and returns it. Grants
// and the check of every token join with that row; it is written only when it
// is missing, differs or is about to be swept.
func (s *Service) row(ctx context.Context, current copied, profile, name string) (store.Client, error) {
	want := current.doc.record(profile, name)
	have, err := s.cfg.Clients.Client(ctx, want.ID)
	if errors.Is(err, store.ErrNotFound) {
		return s.create(ctx, want)
	}
	if err != nil {
		return store.Client{}, fmt.Errorf("client metadata document: %w", err)
	}
	if !sameRow(have, want) {
		// Perhaps another node knows a later copy, which ours must not undo.
		stored, err := s.stored(ctx, want.ID)
		if err != nil {
			return store.Client{}, err
		}
		if latest := newer(current, stored); latest.fetched.After(current.fetched) {
			s.update(want.ID, func(e *entry) { e.good = newer(e.good, latest) })
			want = latest.doc.record(profile, name)
		}
	}
	if !sameRow(have, want) {
		return s.replace(ctx, have, want)
	}
	if have.AuthorizedAt.IsZero() && s.cfg.Clock.Now().Sub(have.CreatedAt) > renewAfter {
		have.CreatedAt = s.cfg.Clock.Now()
		return have, s.put(ctx, have)
	}
	return have, nil
}

// create audits first: a row that could not be audited would never be.
func (s *Service) create(ctx context.Context, c store.Client) (store.Client, error) {
	c.CreatedAt = s.cfg.Clock.Now()
	c.UpdatedAt = c.CreatedAt
	if err := s.record(ctx, audit.ClientRegistered, c.ID, c.Name, nil); err != nil {
		return store.Client{}, err
	}
	if err := s.put(ctx, c); err != nil {
		return store.Client{}, err
	}
	return c, nil
}

// replace is for differences that no fetch announced: another pinned copy of
// another version of the program, another profile.
func (s *Service) replace(ctx context.Context, have, want store.Client) (store.Client, error) {
	if err := s.record(ctx, audit.ClientUpdated, want.ID, want.Name, differences(have, want)); err != nil {
		return store.Client{}, err
	}
	return s.overwrite(ctx, have, want)
}

// follow brings an existing row up to a document that was just fetched and
// announced. A client that nobody asked for gets no row.
func (s *Service) follow(ctx context.Context, want store.Client) error {
	have, err := s.cfg.Clients.Client(ctx, want.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("client metadata document: %w", err)
	}
	if sameRow(have, want) {
		return nil
	}
	_, err = s.overwrite(ctx, have, want)
	return err
}

func (s *Service) overwrite(ctx context.Context, have, want store.Client) (store.Client, error) {
	want.CreatedAt, want.AuthorizedAt = have.CreatedAt, have.AuthorizedAt
	want.UpdatedAt = s.cfg.Clock.Now()
	if err := s.put(ctx, want); err != nil {
		return store.Client{}, err
	}
	return want, nil
}

func (s *Service) put(ctx context.Context, c store.Client) error {
	if err := s.cfg.Clients.PutClient(ctx, c); err != nil {
		return fmt.Errorf("client metadata document: %w", err)
	}
	return nil
}

// record writes an event durably.
func (s *Service) record(ctx context.Context, event, id, name string, changed []string) error {
	e := audit.Event{
		Name: event, ClientID: id, ClientName: name, RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx), Durable: true,
	}
	if len(changed) > 0 {
		e.Detail = "changed " + strings.Join(changed, " ")
	}
	if err := s.cfg.Audit.Record(ctx, e); err != nil {
		s.cfg.Log.ErrorContext(ctx, "a change of a client metadata document could not be audited", "client_id", id, "error", err)
		return fmt.Errorf("%w: the audit trail", store.ErrUnavailable)
	}
	return nil
}

// differences names what differs between two rows.
func differences(a, b store.Client) []string {
	var changed []string
	for _, column := range []struct {
		name string
		same bool
	}{
		{"profile", a.Profile == b.Profile},
		{"name", a.Name == b.Name},
		{"redirect_uris", slices.Equal(a.RedirectURIs, b.RedirectURIs)},
		{"grant_types", slices.Equal(a.GrantTypes, b.GrantTypes)},
		{"application_type", a.ApplicationType == b.ApplicationType},
		{"metadata", a.MetadataHash == b.MetadataHash},
	} {
		if !column.same {
			changed = append(changed, column.name)
		}
	}
	return changed
}
