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

// Why a family was revoked, beside the reasons of package reason.
const (
	ByClient    = "client" // RFC 7009
	ByUser      = "user"
	ByAdmin     = "admin"
	ByIDPLogout = "idp_logout" // OpenID Connect Back-Channel Logout 1.0
)

// Revoked says what a revocation request was about, for the audit trail.
type Revoked struct {
	// Found is false for a token that is unknown, and nothing was changed.
	Found bool
	// Whole says that the family has ended, not one access token only.
	Whole  bool
	Family store.Family
	User   store.User
}

// Revoke ends the grant of a refresh token with all its access tokens and the
// client's unredeemed codes, or one access token (RFC 7009 §2.1). The prefix
// of a token tells its kind, so no hint is needed. A token that is unknown or
// dead is a success (§2.2), one of another client a refusal that changes
// nothing. When Revoke has returned without error, nothing that it ended is
// accepted again.
func (s *Service) Revoke(ctx context.Context, token string, client store.Client) (Revoked, *oauth.Error) {
	if parsed, ok := s.minter.Parse(opaque.Refresh, token); ok {
		return s.revokeRefresh(ctx, parsed, client)
	}
	if parsed, ok := s.minter.Parse(opaque.Access, token); ok {
		return s.revokeAccess(ctx, parsed, client)
	}
	return Revoked{}, nil
}

// revokeRefresh accepts any generation: a client that lost the newest answer
// must still be able to sign out.
func (s *Service) revokeRefresh(ctx context.Context, parsed opaque.Parsed, client store.Client) (Revoked, *oauth.Error) {
	family, err := s.store.Family(ctx, parsed.Family)
	if errors.Is(err, store.ErrNotFound) {
		return Revoked{}, nil
	}
	if err != nil {
		return Revoked{}, oauth.Unavailable(fmt.Errorf("read family: %w", err))
	}
	generation, err := s.store.Generation(ctx, parsed.Family, parsed.Gen)
	// The row of an old generation is pruned; that it was ours, its MAC says.
	pruned := errors.Is(err, store.ErrNotFound) && parsed.Gen < family.Gen
	if errors.Is(err, store.ErrNotFound) && !pruned || err == nil && generation.Hash != parsed.Hash {
		return Revoked{}, nil
	}
	if err != nil && !pruned {
		return Revoked{}, oauth.Unavailable(fmt.Errorf("read refresh token: %w", err))
	}
	if family.ClientID != client.ID {
		return Revoked{}, foreignToken()
	}
	family, user, err := s.endFamily(ctx, family, ByClient)
	if err != nil {
		return Revoked{}, oauth.Unavailable(fmt.Errorf("revoke refresh token: %w", err))
	}
	return Revoked{Found: true, Whole: true, Family: family, User: user}, nil
}

func (s *Service) revokeAccess(ctx context.Context, parsed opaque.Parsed, client store.Client) (Revoked, *oauth.Error) {
	access, err := s.store.Access(ctx, parsed.Hash)
	if errors.Is(err, store.ErrNotFound) {
		return Revoked{}, nil
	}
	if err != nil {
		return Revoked{}, oauth.Unavailable(fmt.Errorf("read access token: %w", err))
	}
	if access.Family.ClientID != client.ID {
		return Revoked{}, foreignToken()
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		if _, err := lockFamily(ctx, tx, access.Family); err != nil {
			return err
		}
		token, err := tx.AccessToken(ctx, parsed.Hash)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || !token.RevokedAt.IsZero() {
			return err
		}
		token.RevokedAt = s.clock.Now()
		return tx.SaveAccessToken(ctx, token)
	})
	s.epochs.Bump(access.Family.ID) // also when the outcome of the commit is unknown
	if err != nil {
		return Revoked{}, oauth.Unavailable(fmt.Errorf("revoke access token: %w", err))
	}
	return Revoked{Found: true, Family: access.Family, User: access.User}, nil
}

// RevokeFamily ends one grant with all its tokens and the unredeemed codes of
// that person and client. why is one of the By constants or a reason. The
// error is store.ErrNotFound or store.ErrUnavailable. When it returns nil,
// nothing of the grant is accepted again.
func (s *Service) RevokeFamily(ctx context.Context, id, why string) error {
	family, err := s.store.Family(ctx, id)
	if err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	if _, _, err := s.endFamily(ctx, family, why); err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return nil
}

// RevokeClient ends everything that people gave a client: grants, unredeemed
// codes, open consent pages and remembered consents. With remove its id is not
// accepted again either. When it returns nil, none of it is accepted. It returns
// the grants that it ended; the error is store.ErrUnavailable.
func (s *Service) RevokeClient(ctx context.Context, clientID, why string, remove bool) (ended []store.Family, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		now := s.clock.Now()
		var err error
		if ended, err = tx.LiveFamiliesOfClient(ctx, clientID, now); err != nil {
			return err
		}
		for _, f := range ended {
			locked, err := lockFamily(ctx, tx, f)
			if err != nil {
				return err
			}
			if err := revokeFamily(ctx, tx, locked, why, now); err != nil {
				return err
			}
		}
		if err := forgetClient(ctx, tx, clientID, now); err != nil || !remove {
			return err
		}
		return tx.RemoveClient(ctx, clientID, now)
	})
	for _, f := range ended {
		s.epochs.Bump(f.ID) // also when the outcome of the commit is unknown
	}
	if err != nil {
		return nil, fmt.Errorf("revoke everything of a client: %w", err)
	}
	return ended, nil
}

// forgetClient ends what could make new grants for a client without asking.
func forgetClient(ctx context.Context, tx store.Tx, clientID string, now time.Time) error {
	if err := tx.RevokeCodesOfClient(ctx, clientID, now); err != nil {
		return err
	}
	if err := tx.DeleteApprovalsOfClient(ctx, clientID); err != nil {
		return err
	}
	return tx.DeleteConsents(ctx, "", clientID)
}

// UserChanged makes every later Verify read the person again. It is called
// after the commit of a sign-in, which may have changed their groups.
func (s *Service) UserChanged(userID string) { s.epochs.BumpUser(userID) }

// endFamily revokes a family under its locks and moves its epoch before it
// returns, also when the outcome of the commit is unknown.
func (s *Service) endFamily(ctx context.Context, f store.Family, why string) (ended store.Family, user store.User, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		if user, err = tx.User(ctx, f.UserID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if ended, err = tx.Family(ctx, f.ID); err != nil {
			return err
		}
		now := s.clock.Now()
		if err := revokeFamily(ctx, tx, ended, why, now); err != nil {
			return err
		}
		return forget(ctx, tx, f, now)
	})
	s.epochs.Bump(f.ID)
	return ended, user, err
}

// forget ends what could make a new grant out of the one that ends: the codes
// of that person and client, and the consent that would let a new one pass
// unasked.
func forget(ctx context.Context, tx store.Tx, f store.Family, now time.Time) error {
	if err := tx.RevokeCodesOfUser(ctx, f.UserID, f.ClientID, now); err != nil {
		return err
	}
	return tx.DeleteConsents(ctx, f.UserID, f.ClientID)
}

// lockFamily takes the locks of a family in their order: person, family.
func lockFamily(ctx context.Context, tx store.Tx, f store.Family) (store.Family, error) {
	if _, err := tx.User(ctx, f.UserID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Family{}, err
	}
	return tx.Family(ctx, f.ID)
}

// revokeStolen ends a family whose code or refresh token was used again. The
// person is asked again before anything new is granted.
func revokeStolen(ctx context.Context, tx store.Tx, f store.Family, now time.Time) error {
	if err := revokeFamily(ctx, tx, f, string(reason.GrantReused), now); err != nil {
		return err
	}
	return tx.DeleteConsents(ctx, f.UserID, f.ClientID)
}

// revokeFamily marks a locked family revoked; the first cause stays. Its access
// tokens are dead with it, since they are never read without it.
func revokeFamily(ctx context.Context, tx store.Tx, f store.Family, why string, now time.Time) error {
	if f.ID == "" || !f.RevokedAt.IsZero() {
		return nil
	}
	f.RevokedAt, f.RevokedWhy = now, why
	return tx.SaveFamily(ctx, f)
}

func foreignToken() *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, reason.GrantWrongClient, "the token was issued to another client")
}
