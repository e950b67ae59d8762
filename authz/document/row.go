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

// clientUpdated is the event of a client whose metadata changed.
const clientUpdated = "client_updated"

// renewAfter is the age at which the row of a client that nobody approved yet
// is renewed: before the sweeper takes it from under a person who is looking at
// the consent page.
const renewAfter = store.KeepUnusedClient / 2

// row makes the stored row say what the document says, and returns it. Grants
// and the check of every token join with that row; it is written only when it
// is missing, differs or is about to be swept.
func (s *Service) row(ctx context.Context, current copied, profile, name string) (Record, error) {
	want := current.doc.record(profile, name)
	have, err := s.cfg.Clients.Client(ctx, want.Client.ID)
	if errors.Is(err, store.ErrNotFound) {
		return s.create(ctx, want)
	}
	if err != nil {
		return Record{}, fmt.Errorf("client metadata document: %w", err)
	}
	if !have.same(want) {
		// Perhaps another node knows a later copy, which ours must not undo.
		stored, err := s.stored(ctx, want.Client.ID)
		if err != nil {
			return Record{}, err
		}
		if latest := newer(current, stored); latest.fetched.After(current.fetched) {
			s.update(want.Client.ID, func(e *entry) { e.good = newer(e.good, latest) })
			want = latest.doc.record(profile, name)
		}
	}
	if !have.same(want) {
		return s.replace(ctx, have, want)
	}
	if have.Client.AuthorizedAt.IsZero() && s.cfg.Clock.Now().Sub(have.Client.CreatedAt) > renewAfter {
		have.Client.CreatedAt = s.cfg.Clock.Now()
		return have, s.put(ctx, have)
	}
	return have, nil
}

// create audits first: a row that could not be audited would never be.
func (s *Service) create(ctx context.Context, r Record) (Record, error) {
	r.Client.CreatedAt = s.cfg.Clock.Now()
	r.UpdatedAt = r.Client.CreatedAt
	if err := s.record(ctx, audit.ClientRegistered, r.Client.ID, r.Client.Name, nil); err != nil {
		return Record{}, err
	}
	if err := s.put(ctx, r); err != nil {
		return Record{}, err
	}
	return r, nil
}

// replace is for differences that no fetch announced: another pinned copy of
// another version of the program, another profile.
func (s *Service) replace(ctx context.Context, have, want Record) (Record, error) {
	if err := s.record(ctx, clientUpdated, want.Client.ID, want.Client.Name, have.differences(want)); err != nil {
		return Record{}, err
	}
	return s.overwrite(ctx, have, want)
}

// follow brings an existing row up to a document that was just fetched and
// announced. A client that nobody asked for gets no row.
func (s *Service) follow(ctx context.Context, want Record) error {
	have, err := s.cfg.Clients.Client(ctx, want.Client.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("client metadata document: %w", err)
	}
	if have.same(want) {
		return nil
	}
	_, err = s.overwrite(ctx, have, want)
	return err
}

func (s *Service) overwrite(ctx context.Context, have, want Record) (Record, error) {
	want.Client.CreatedAt, want.Client.AuthorizedAt = have.Client.CreatedAt, have.Client.AuthorizedAt
	want.UpdatedAt = s.cfg.Clock.Now()
	if err := s.put(ctx, want); err != nil {
		return Record{}, err
	}
	return want, nil
}

func (s *Service) put(ctx context.Context, r Record) error {
	if err := s.cfg.Clients.PutClient(ctx, r); err != nil {
		return fmt.Errorf("client metadata document: %w", err)
	}
	return nil
}

// record writes an event durably. What changed is in its error code, because an
// event has no field for it.
func (s *Service) record(ctx context.Context, event, id, name string, changed []string) error {
	e := audit.Event{
		Name: event, ClientID: id, ClientName: name, RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx), Durable: true,
	}
	if len(changed) > 0 {
		e.ErrorCode = "changed " + strings.Join(changed, " ")
	}
	if err := s.cfg.Audit.Record(ctx, e); err != nil {
		s.cfg.Log.ErrorContext(ctx, "a change of a client metadata document could not be audited", "client_id", id, "error", err)
		return fmt.Errorf("%w: the audit trail", store.ErrUnavailable)
	}
	return nil
}

// differences names what differs between two rows.
func (r Record) differences(other Record) []string {
	var changed []string
	for _, column := range []struct {
		name string
		same bool
	}{
		{"profile", r.Client.Profile == other.Client.Profile},
		{"name", r.Client.Name == other.Client.Name},
		{"redirect_uris", slices.Equal(r.Client.RedirectURIs, other.Client.RedirectURIs)},
		{"grant_types", slices.Equal(r.Client.GrantTypes, other.Client.GrantTypes)},
		{"application_type", r.Client.ApplicationType == other.Client.ApplicationType},
		{"metadata", r.MetadataHash == other.MetadataHash},
	} {
		if !column.same {
			changed = append(changed, column.name)
		}
	}
	return changed
}
