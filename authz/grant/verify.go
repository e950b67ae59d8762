package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// ErrInvalid says that an access token is not good here and now (RFC 6750
// §3.1). The error is an *InvalidError, which names the reason.
var ErrInvalid = errors.New("access token refused")

// InvalidError is the ErrInvalid of one token.
type InvalidError struct {
	// Reason names the layer that refused, for audit and metrics.
	Reason reason.Reason
}

// Error names the reason, never the token.
func (e *InvalidError) Error() string { return fmt.Sprintf("%v: %s", ErrInvalid, e.Reason) }

// Unwrap returns ErrInvalid.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Session is what a good access token stands for. It is shared between requests
// and must not be changed.
type Session struct {
	store.Access
	// Subject is the person at the client, as the policy judges them.
	Subject policy.Subject
}

// Verify says whom an access token speaks for at a resource. The error is
// ErrInvalid for a token that is not good, and store.ErrUnavailable when that
// cannot be known, which must never be told as the former.
//
// A made-up token costs one HMAC and no read. A token that was revoked before
// the call started is always refused. Expiry, resource and policy are checked
// at every call, so that neither time nor a reload waits for a cache.
func (s *Service) Verify(ctx context.Context, token, resource string) (*Session, error) {
	session, why, err := s.verify(ctx, token, resource)
	switch {
	case err != nil:
		s.observer.Verified(reason.StoreUnavailable)
		return nil, err
	case why != reason.None:
		s.observer.Verified(why)
		return nil, &InvalidError{Reason: why}
	}
	s.observer.Verified(reason.None)
	return session, nil
}

// verify returns a session, or why there is none, or a fault of the store.
func (s *Service) verify(ctx context.Context, token, resource string) (*Session, reason.Reason, error) {
	parsed, ok := s.minter.Parse(opaque.Access, token)
	if !ok {
		return nil, reason.GrantUnknown, nil
	}
	now := s.clock.Now()
	if why, dead := s.cache.refused(parsed.Hash, now); dead {
		return nil, why, nil
	}
	session, why, err := s.session(ctx, parsed, now)
	if err != nil || why != reason.None {
		return nil, why, err
	}
	if why := s.judge(session, resource, now); why != reason.None {
		if why == reason.GrantExpired {
			s.cache.refuse(parsed.Hash, final{why: why, from: session.Token.ExpiresAt})
		}
		return nil, why, nil
	}
	return session, reason.None, nil
}

// judge applies what may change without the grant changing.
func (s *Service) judge(session *Session, resource string, now time.Time) reason.Reason {
	switch {
	case !now.Before(session.Token.ExpiresAt):
		return reason.GrantExpired
	case session.Family.Resource != resource:
		return reason.ResourceWrong
	}
	return s.policy.Admit(session.Subject)
}

// session returns the stored state of a token that is not revoked, from the
// cache if nothing can have changed since it was read; or why it is dead for
// good; or a fault of the store.
func (s *Service) session(ctx context.Context, parsed opaque.Parsed, now time.Time) (*Session, reason.Reason, error) {
	// All three before the read: a change after them makes the entry unreachable.
	key := cacheKey{token: parsed.Hash, epoch: s.epochs.family(parsed.Family), revision: s.policy.Revision()}
	people := s.epochs.now()
	if e, ok := s.cache.get(key, now); ok && s.epochs.unchanged(e.session.User.ID, e.people) {
		return e.session, reason.None, nil
	}
	s.reads.Add(1)
	s.observer.StoreRead()
	access, err := s.store.Access(ctx, parsed.Hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.final(parsed.Hash, reason.GrantUnknown), nil
	}
	if err != nil {
		return nil, reason.None, fmt.Errorf("read access token: %w", unavailable(err))
	}
	if !access.Token.RevokedAt.IsZero() || !access.Family.RevokedAt.IsZero() {
		return nil, s.final(parsed.Hash, reason.GrantRevoked), nil
	}
	session := &Session{Access: access, Subject: policy.Subject{
		Domain: access.Family.Domain, Groups: access.User.Groups, Profile: access.Client.Profile,
	}}
	s.cache.put(key, people, session, now)
	return session, reason.None, nil
}

// final remembers a refusal that nothing undoes, and returns it: revocation has
// no way back, and a row that is gone never returns under the same hash.
func (s *Service) final(token store.Hash, why reason.Reason) reason.Reason {
	s.cache.refuse(token, final{why: why})
	return why
}

// unavailable makes any fault of the store recognisable as one.
func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
