package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	// maxChain bounds how many rotations inside the grace one retry follows.
	maxChain = 8
	// keepGenerations is how many rotated refresh tokens of a family keep their
	// rows, so that the age of a replay is known. An older one is recognised as
	// used by its number alone, which its MAC vouches for.
	keepGenerations = 8
	// turnWait is how long a request waits for others of the same family before
	// it is told to come back.
	turnWait = 2 * time.Second
)

// RefreshRequest is a token request with a refresh token (RFC 6749 §6) of an
// authenticated client.
type RefreshRequest struct {
	Token  string
	Client store.Client
	// Scope may be empty; it may narrow the access token, never the family.
	Scope string
	// Resource may be empty; if sent it must be the family's.
	Resource string
}

// presented is a refresh request after parsing.
type presented struct {
	RefreshRequest
	parsed opaque.Parsed
	scopes []string
}

// Refresh exchanges a refresh token for the next pair. The token works once: a
// retry inside the grace gets the identical pair, never a sibling of it, and a
// later one revokes the family (OAuth 2.1 §4.3.1).
func (s *Service) Refresh(ctx context.Context, req RefreshRequest) (Tokens, *oauth.Error) {
	p, refused := s.parseRefresh(req)
	if refused != nil {
		return Tokens{}, refused
	}
	release, err := s.turn(ctx, p.parsed.Family)
	if err != nil {
		return Tokens{}, oauth.Unavailable(err)
	}
	defer release()

	// Decided first on committed state: whoever arrives while another request
	// rotates gets its answer without a write, and dead tokens take no lock.
	family, err := s.store.Family(ctx, p.parsed.Family)
	if errors.Is(err, store.ErrNotFound) {
		return Tokens{}, invalidGrant(reason.GrantUnknown)
	}
	if err != nil {
		return Tokens{}, oauth.Unavailable(fmt.Errorf("read family: %w", err))
	}
	facts, user, err := s.facts(ctx, s.store, family.UserID, p)
	if err != nil {
		return Tokens{}, oauth.Unavailable(fmt.Errorf("read grant: %w", err))
	}
	verdict := Decide(facts)
	switch verdict.Action {
	case Replay:
		return s.replay(ctx, facts, user, p)
	case Refuse:
		return s.refuse(ctx, facts, user, verdict)
	case Rotate: // and never what ends a family
		if refused := s.tooManyRotations(family.ID); refused != nil {
			return Tokens{Family: facts.Family, User: user}, refused
		}
		if refused := s.inactive(ctx, facts.Family, user); refused != nil {
			return Tokens{Family: facts.Family, User: user}, refused
		}
	}
	return s.change(ctx, family.UserID, p)
}

// tooManyRotations refuses a rotation of a family that rotates without end: each
// one is a write that has to be kept. The token stays good.
func (s *Service) tooManyRotations(family string) *oauth.Error {
	if s.rotations == nil {
		return nil
	}
	v := s.rotations.Peek(family, s.rotation, s.clock.Now())
	if v.OK {
		return nil
	}
	return oauth.TooMany(reason.LimitRotations, v.RetryAfter, "this refresh token was renewed too often, it stays good, try again later")
}

// turn waits until no other request of the family is at work, and returns how
// to end one's own turn. Requests for one family queue here, inside the process,
// and not as waiting transactions of the store. The error is that of a context:
// the wait is too long, or ctx has ended.
func (s *Service) turn(ctx context.Context, family string) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	done, err = s.families.Take(ctx, family)
	if err != nil {
		return nil, fmt.Errorf("wait for other requests of the family: %w", err)
	}
	return done, nil
}

// change decides again under the locks of the store and applies the decision.
func (s *Service) change(ctx context.Context, userID string, p presented) (Tokens, *oauth.Error) {
	var (
		facts   Facts
		user    store.User
		verdict Verdict
		out     Tokens
	)
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		if facts, user, err = s.facts(ctx, tx, userID, p); err != nil {
			return err
		}
		switch verdict = Decide(facts); verdict.Action {
		case Rotate:
			out, err = s.rotate(ctx, tx, facts, user, verdict.Scopes, p)
			return err
		case RevokeFamily:
			return revokeStolen(ctx, tx, facts.Family, facts.Now)
		}
		return nil
	})
	if verdict.Action == RevokeFamily {
		s.epochs.Bump(facts.Family.ID) // also when the outcome of the commit is unknown
	}
	if err != nil {
		return Tokens{}, oauth.Unavailable(fmt.Errorf("refresh: %w", err))
	}
	switch verdict.Action {
	case Rotate:
		if s.rotations != nil { // its turn lasts since the look, so that there is room
			s.rotations.Take(facts.Family.ID, s.rotation, facts.Now)
		}
		return out, nil
	case Replay: // another node rotated between the two looks
		return s.replay(ctx, facts, user, p)
	case RevokeFamily:
		// Only now: what could not be committed is decided again at the next use.
		s.observer.Reused(facts.reuse(true))
		return Tokens{Family: facts.Family, User: user, Reused: true}, refusal(verdict.Code, verdict.Reason)
	}
	return s.refuse(ctx, facts, user, verdict)
}

func (s *Service) parseRefresh(req RefreshRequest) (presented, *oauth.Error) {
	scopes, ok := oauth.ParseScopes(req.Scope)
	if !ok {
		return presented{}, oauth.Errorf(oauth.InvalidScope, reason.ScopeInvalid, "the scope is malformed")
	}
	target, refused := canonicalTarget(req.Resource)
	if refused != nil {
		return presented{}, refused
	}
	req.Resource = target
	parsed, ok := s.minter.Parse(opaque.Refresh, req.Token)
	if !ok {
		return presented{}, invalidGrant(reason.GrantUnknown)
	}
	return presented{RefreshRequest: req, parsed: parsed, scopes: scopes}, nil
}

// reader is what facts are read from: the store or a transaction.
type reader interface {
	store.UserReader
	store.GrantReader
}

// facts reads what the decision depends on, in lock order: person, family,
// generation. The time is taken last, so that no wait for a lock makes it old.
func (s *Service) facts(ctx context.Context, r reader, userID string, p presented) (Facts, store.User, error) {
	user, err := r.User(ctx, userID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Facts{}, user, err
	}
	known := err == nil
	family, err := r.Family(ctx, p.parsed.Family)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Facts{}, user, err
	}
	generation, err := r.Generation(ctx, p.parsed.Family, p.parsed.Gen)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Facts{}, user, err
	}
	admission := reason.UserUnknown
	if known {
		admission = s.admit(family.Domain, user, p.Client.Profile)
	}
	return Facts{
		Presented: p.parsed, ClientID: p.Client.ID, Resource: p.Resource,
		Scopes: slices.DeleteFunc(slices.Clone(p.scopes), func(scope string) bool {
			return scope == "offline_access" || !s.knownScope(family.Resource, scope)
		}),
		Family: family, Generation: generation, Admission: admission,
		Now: s.clock.Now(), Grace: s.grace(p.Client.Profile),
	}, user, nil
}

// rotate makes the next generation and seals its pair under the presented
// token.
func (s *Service) rotate(ctx context.Context, tx store.Tx, f Facts, u store.User, scopes []string, p presented) (Tokens, error) {
	next := f.Family
	next.Gen++
	next.IdleEnd = s.idleEnd(next, f.Now)
	issued, err := s.issue(ctx, tx, next, scopes, f.Now)
	if err != nil {
		return Tokens{}, err
	}
	rotated := f.Generation
	rotated.RotatedAt = f.Now
	if rotated.Sealed, err = issued.sealUnder(p.Token, next.ID); err != nil {
		return Tokens{}, err
	}
	if err := tx.SaveGeneration(ctx, rotated); err != nil {
		return Tokens{}, fmt.Errorf("store rotation: %w", err)
	}
	if err := tx.SaveFamily(ctx, next); err != nil {
		return Tokens{}, fmt.Errorf("store family: %w", err)
	}
	if next.Gen > keepGenerations { // the rows of a family do not grow with its age
		if err := tx.PruneGenerations(ctx, next.ID, next.Gen-keepGenerations, f.Now.Add(-MaxGrace)); err != nil {
			return Tokens{}, fmt.Errorf("prune rotated refresh tokens: %w", err)
		}
	}
	return issued.answer(next, u, f.Now), nil
}

// replay answers the current pair by opening successor after successor, so that
// all callers converge on one chain. It needs the tokens themselves, each the
// key to the next; it writes nothing.
func (s *Service) replay(ctx context.Context, f Facts, u store.User, p presented) (Tokens, *oauth.Error) {
	token, generation := p.Token, f.Generation
	var current pair
	for step := 0; step < maxChain && len(generation.Sealed) > 0; step++ {
		opened, err := openPair(token, f.Family.ID, generation.Sealed)
		if err != nil {
			// Damage in the store, not theft: the client signs in again.
			s.log.ErrorContext(ctx, "a sealed successor does not open", "grant_id", f.Family.ID, "generation", generation.Gen, "error", err)
			return Tokens{Family: f.Family, User: u}, invalidGrant(reason.GrantUnknown)
		}
		current, token = opened, opened.Refresh
		if generation.Gen+1 >= f.Family.Gen {
			break
		}
		if generation, err = s.store.Generation(ctx, f.Family.ID, generation.Gen+1); err != nil {
			return Tokens{}, oauth.Unavailable(fmt.Errorf("read successor: %w", err))
		}
	}
	s.observer.Reused(f.reuse(false))
	out := current.answer(f.Family, u, f.Now)
	out.Replay = true
	return out, nil
}

func (s *Service) refuse(ctx context.Context, f Facts, u store.User, v Verdict) (Tokens, *oauth.Error) {
	if v.Reason == reason.GrantStoreRolledBack {
		s.log.ErrorContext(ctx, "a refresh token is newer than its stored family: was the store restored from a backup?",
			"grant_id", f.Family.ID, "stored_generation", f.Family.Gen, "presented_generation", f.Presented.Gen)
	}
	return Tokens{Family: f.Family, User: u}, refusal(v.Code, v.Reason)
}

// idleEnd is the end of a family that is not rotated again after now.
func (s *Service) idleEnd(f store.Family, now time.Time) time.Time {
	idle := now.Add(s.life.RefreshIdle)
	if f.AbsoluteEnd.Before(idle) {
		return f.AbsoluteEnd
	}
	return idle
}
