package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Tokens is the outcome of a token request. With an error, the two tokens are
// empty and the rest says whose grant it was, as far as that is known.
type Tokens struct {
	AccessToken  string
	RefreshToken string
	// ExpiresIn is the remaining life of the access token in seconds.
	ExpiresIn int64
	// Scope is what the access token may do, space separated.
	Scope string

	// Family and User tell the audit trail whose grant it is.
	Family store.Family
	User   store.User
	// Replay says that the pair had been issued before: a retry inside the grace.
	Replay bool
	// Reused says that a code or refresh token was used again and that this use
	// revoked the family. Later uses are refused for grant/reused without it.
	Reused bool
}

// Format keeps the tokens out of every printed form.
func (Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[tokens]") }

// LogValue keeps the tokens out of logs.
func (Tokens) LogValue() slog.Value { return slog.StringValue("[tokens]") }

// IssueCode makes an authorization code (RFC 6749 §4.1.2) for an approval, in
// the transaction that consumes it. The code is bound to everything that was
// approved and lives for Lifetimes.Code.
func (s *Service) IssueCode(ctx context.Context, tx store.Tx, a store.Approval, u store.User) (code string, err error) {
	now := s.clock.Now()
	// There still, or the approval would be gone with it. A provider that names
	// no sessions leaves it empty.
	in, err := tx.Session(ctx, a.SessionHash)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("read session: %w", err)
	}
	family := opaque.NewID(s.rand)
	code, hash := s.minter.Mint(opaque.Code, family, 0)
	err = tx.CreateCode(ctx, store.Code{
		Hash: hash, FamilyID: family, UserID: u.ID, Domain: u.Domain, Subject: a.Subject,
		ClientID: a.ClientID, RedirectURI: a.RedirectURI, Resource: a.Resource, Scopes: a.Scopes,
		Challenge: a.Challenge, AuthTime: a.AuthTime, IssuedAt: now, ExpiresAt: now.Add(s.life.Code),
		IDPSession: in.IDPSession,
	})
	if err != nil {
		return "", fmt.Errorf("store authorization code: %w", err)
	}
	return code, nil
}

// pair is one access token and one refresh token that were issued together. It
// is kept, sealed under the predecessor, for retries inside the grace.
type pair struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh"`
	Expires time.Time `json:"expires"` // of the access token
	Scope   string    `json:"scope"`
}

// issue stores the pair of the family's current generation.
func (s *Service) issue(ctx context.Context, tx store.Tx, f store.Family, scopes []string, now time.Time) (pair, error) {
	access, accessHash := s.minter.Mint(opaque.Access, f.ID, 0)
	refresh, refreshHash := s.minter.Mint(opaque.Refresh, f.ID, f.Gen)
	// Never past the end of the family, idle or absolute: what has ended is in
	// no list of live grants, so nothing of it may still work.
	expires := now.Add(s.life.Access)
	if f.IdleEnd.Before(expires) {
		expires = f.IdleEnd
	}
	err := tx.CreateGeneration(ctx, store.Generation{FamilyID: f.ID, Gen: f.Gen, Hash: refreshHash, CreatedAt: now})
	if err != nil {
		return pair{}, fmt.Errorf("store refresh token: %w", err)
	}
	err = tx.CreateAccessToken(ctx, store.AccessToken{
		Hash: accessHash, FamilyID: f.ID, Scopes: scopes, IssuedAt: now, ExpiresAt: expires,
	})
	if err != nil {
		return pair{}, fmt.Errorf("store access token: %w", err)
	}
	return pair{Access: access, Refresh: refresh, Expires: expires, Scope: oauth.FormatScopes(scopes)}, nil
}

// answer is the pair as it goes to the client at time now.
func (p pair) answer(f store.Family, u store.User, now time.Time) Tokens {
	return Tokens{
		AccessToken: p.Access, RefreshToken: p.Refresh, Scope: p.Scope,
		ExpiresIn: max(0, int64(p.Expires.Sub(now)/time.Second)),
		Family:    f, User: u,
	}
}

// sealUnder encrypts the pair under its predecessor.
func (p pair) sealUnder(predecessor, family string) ([]byte, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode pair: %w", err)
	}
	return opaque.SealUnder(predecessor, sealContext+family, plain)
}

// openPair decrypts what sealUnder made.
func openPair(predecessor, family string, sealed []byte) (pair, error) {
	plain, err := opaque.OpenUnder(predecessor, sealContext+family, sealed)
	if err != nil {
		return pair{}, err
	}
	var p pair
	if err := json.Unmarshal(plain, &p); err != nil {
		return pair{}, fmt.Errorf("decode pair: %w", err)
	}
	return p, nil
}

const sealContext = "successor of family "

// invalidGrant is the one answer for a code or refresh token that is not good,
// whatever the cause: only the audit trail learns more (RFC 6749 §5.2).
func invalidGrant(why reason.Reason) *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, why, "the code or refresh token is invalid, expired, revoked or was issued to another client")
}

// refusal is the answer for an error code of a decision.
func refusal(code oauth.Code, why reason.Reason) *oauth.Error {
	switch code {
	case oauth.InvalidTarget:
		return oauth.Errorf(code, why, "the grant is for another resource")
	case oauth.InvalidScope:
		return oauth.Errorf(code, why, "a scope was asked for that was not granted")
	default:
		return invalidGrant(why)
	}
}

// canonicalTarget reads an optional resource parameter (RFC 8707 §2).
func canonicalTarget(resource string) (string, *oauth.Error) {
	if resource == "" {
		return "", nil
	}
	canonical, err := oauth.CanonicalResource(resource)
	if err != nil {
		return "", oauth.Errorf(oauth.InvalidTarget, reason.ResourceUnknown, "the resource must be an absolute URI without a fragment")
	}
	return canonical, nil
}
