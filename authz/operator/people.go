package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// SignedOut counts what SignOut ended.
type SignedOut struct {
	People, Grants int
}

// SignOut ends everything of a person: all grants, codes, browser sessions and
// pending approvals, of every assistant. who is their e-mail address in that
// domain, whose people may be several where the domain's identity provider was
// replaced, or their id in the store. When it returns nil, nothing of it is
// accepted any more by this process. They may sign in again and approve anew:
// what keeps a person out is the identity provider, the backend, or the users
// line of the domain. The error is store.ErrNotFound, store.ErrUnavailable or
// ErrNotAudited.
func (s *Service) SignOut(ctx context.Context, domain, who string) (SignedOut, error) {
	found, err := s.people(ctx, strings.ToLower(domain), who)
	if err != nil {
		return SignedOut{}, fmt.Errorf("sign out: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // begun is done
	record := people.Record(s.cfg.Audit, s.cfg.Clock, people.Cause{Reason: byAdmin, Detail: "an operator signed the person out"})
	audited := func(ctx context.Context, e grant.Ended) error {
		if err := record(ctx, e); err != nil {
			return fmt.Errorf("%w: %w", ErrNotAudited, err)
		}
		return nil
	}
	var out SignedOut
	for _, u := range found {
		if err := s.announce(ctx, audit.Event{DomainID: u.Domain, UserEmail: u.Email, Detail: "sign a person out everywhere"}); err != nil {
			return out, err
		}
		ended, err := s.cfg.Grants.RevokeUser(ctx, u.ID, grant.ByAdmin, audited)
		if err != nil {
			return out, fmt.Errorf("sign out: %w", err)
		}
		out.People++
		out.Grants += len(ended.Families)
	}
	return out, nil
}

// people finds whom an operator means.
func (s *Service) people(ctx context.Context, domain, who string) ([]store.User, error) {
	if strings.Contains(who, "@") {
		found, err := s.cfg.Store.PeopleByEmail(ctx, domain, who)
		if err == nil && len(found) == 0 {
			return nil, store.ErrNotFound
		}
		return found, err
	}
	u, err := s.cfg.Store.User(ctx, who)
	switch {
	case err != nil:
		return nil, err
	case u.Domain != domain:
		return nil, errors.Join(store.ErrNotFound, errors.New("the person is of another domain"))
	}
	return []store.User{u}, nil
}
