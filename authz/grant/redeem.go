package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// maxVerifierFailures burns a code: a wrong verifier alone does not, so that
// nobody who merely saw a code can take it from its owner, but guessing ends.
const maxVerifierFailures = 5

// RedeemRequest is a token request with a code (RFC 6749 §4.1.3) of an
// authenticated client.
type RedeemRequest struct {
	Code   string
	Client store.Client
	// RedirectURI may be empty (OAuth 2.1 §10.2); if sent it must be the one of
	// the authorization request.
	RedirectURI string
	// Verifier is the PKCE code verifier (RFC 7636 §4.5).
	Verifier string
	// Resource may be empty; if sent it must be the approved one.
	Resource string
}

// codeAction is what a presented code leads to.
type codeAction int

const (
	codeRefuse  codeAction = iota // nothing changes
	codeFailed                    // a wrong verifier is counted
	codeReplay                    // the family is revoked
	codeRedeems                   // tokens are issued
)

// Redeem exchanges a code for the first tokens of its family. Of any number of
// requests exactly one succeeds; a second one that is right in every detail is
// a theft and revokes the family (RFC 6749 §4.1.2, OAuth 2.1 §7.5.2), while a
// wrong one revokes nothing.
//
// A commit whose outcome is unknown is answered as a fault. If it took place,
// the client's retry is right in every detail and cannot be told from a theft:
// the family is revoked, as RFC 6749 §4.1.2 asks, and the person connects again.
func (s *Service) Redeem(ctx context.Context, req RedeemRequest) (Tokens, *oauth.Error) {
	if !oauth.ValidVerifier(req.Verifier) {
		return Tokens{}, oauth.Errorf(oauth.InvalidRequest, reason.ClientBadRequest, "the code_verifier must be 43 to 128 unreserved characters")
	}
	target, refused := canonicalTarget(req.Resource)
	if refused != nil {
		return Tokens{}, refused
	}
	req.Resource = target
	parsed, ok := s.minter.Parse(opaque.Code, req.Code)
	if !ok {
		return Tokens{}, invalidGrant(reason.GrantUnknown)
	}
	seen, err := s.store.Code(ctx, parsed.Hash)
	if errors.Is(err, store.ErrNotFound) {
		return Tokens{}, invalidGrant(reason.GrantUnknown)
	}
	if err != nil {
		return Tokens{}, oauth.Unavailable(fmt.Errorf("read code: %w", err))
	}
	// Dead codes end here: a flood of them takes no lock of the store.
	if action, code, why := decideCode(seen, req, s.clock.Now()); action == codeRefuse {
		return Tokens{Family: familyOf(seen)}, refusal(code, why)
	}

	var out Tokens
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		out, refused, err = s.redeem(ctx, tx, seen, req)
		return err
	})
	if out.Reused {
		s.epochs.Bump(seen.FamilyID) // also when the outcome of the commit is unknown
	}
	if err != nil {
		return Tokens{}, oauth.Unavailable(fmt.Errorf("redeem code: %w", err))
	}
	return out, refused
}

// redeem decides again under the locks of person, family and code, in this
// order, and applies the decision. A returned error undoes everything; a
// refusal does not.
func (s *Service) redeem(ctx context.Context, tx store.Tx, seen store.Code, req RedeemRequest) (Tokens, *oauth.Error, error) {
	user, err := tx.User(ctx, seen.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return Tokens{Family: familyOf(seen)}, invalidGrant(reason.UserUnknown), nil
	}
	if err != nil {
		return Tokens{}, nil, err
	}
	family, err := tx.Family(ctx, seen.FamilyID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Tokens{}, nil, err
	}
	code, err := tx.Code(ctx, seen.Hash)
	if err != nil {
		return Tokens{}, nil, err
	}
	now := s.clock.Now()
	out := Tokens{Family: familyOf(code), User: user}
	action, wire, why := decideCode(code, req, now)
	switch action {
	case codeFailed:
		if code.Failures++; code.Failures >= maxVerifierFailures {
			code.RevokedAt = now
		}
		return out, refusal(wire, why), tx.SaveCode(ctx, code)
	case codeReplay:
		if !family.RevokedAt.IsZero() { // by an earlier replay, or for another cause
			return out, invalidGrant(whyRevoked(family)), nil
		}
		out.Reused = family.ID != ""
		return out, refusal(wire, why), revokeStolen(ctx, tx, family, now)
	case codeRefuse:
		return out, refusal(wire, why), nil
	}
	if why := s.admit(code.Domain, user, req.Client.Profile); why != reason.None {
		return out, invalidGrant(why), nil
	}

	code.ConsumedAt = now
	if err := tx.SaveCode(ctx, code); err != nil {
		return Tokens{}, nil, err
	}
	out.Family = s.newFamily(code, now)
	if err := tx.CreateFamily(ctx, out.Family); err != nil {
		return Tokens{}, nil, err
	}
	issued, err := s.issue(ctx, tx, out.Family, code.Scopes, now)
	if err != nil {
		return Tokens{}, nil, err
	}
	return issued.answer(out.Family, user, now), nil, nil
}

// decideCode applies the rules of code redemption. The order is part of them:
// what a code is bound to comes before its state, so that only a request that
// is right in every detail can count as the replay of a consumed code, and
// only the owner's own client can spend guesses at the verifier.
func decideCode(c store.Code, req RedeemRequest, now time.Time) (codeAction, oauth.Code, reason.Reason) {
	otherTarget := req.Resource != "" && req.Resource != c.Resource
	consumed, expired := !c.ConsumedAt.IsZero(), !now.Before(c.ExpiresAt)
	switch {
	case !c.RevokedAt.IsZero():
		return codeRefuse, oauth.InvalidGrant, reason.GrantRevoked
	case c.ClientID != req.Client.ID:
		return codeRefuse, oauth.InvalidGrant, reason.GrantWrongClient
	case req.RedirectURI != "" && req.RedirectURI != c.RedirectURI:
		return codeRefuse, oauth.InvalidGrant, reason.ClientBadRedirect
	case !oauth.VerifierMatches(req.Verifier, c.Challenge):
		if consumed || expired {
			return codeRefuse, oauth.InvalidGrant, reason.GrantWrongVerifier
		}
		return codeFailed, oauth.InvalidGrant, reason.GrantWrongVerifier
	case consumed && otherTarget:
		return codeRefuse, oauth.InvalidGrant, reason.ResourceWrong
	case consumed:
		return codeReplay, oauth.InvalidGrant, reason.GrantReused
	case expired:
		return codeRefuse, oauth.InvalidGrant, reason.GrantExpired
	case otherTarget:
		return codeRefuse, oauth.InvalidTarget, reason.ResourceWrong
	}
	return codeRedeems, "", reason.None
}

func (s *Service) newFamily(c store.Code, now time.Time) store.Family {
	f := familyOf(c)
	f.Gen = 1
	f.CreatedAt = now
	f.AbsoluteEnd = now.Add(s.life.Refresh)
	f.IdleEnd = s.idleEnd(f, now)
	return f
}

// familyOf is what a code says about the family that it stands for.
func familyOf(c store.Code) store.Family {
	return store.Family{
		ID: c.FamilyID, Domain: c.Domain, UserID: c.UserID, Subject: c.Subject,
		ClientID: c.ClientID, Resource: c.Resource, Scopes: c.Scopes, IDPSession: c.IDPSession,
	}
}
