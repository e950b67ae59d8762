package grant_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestRevokingARefreshTokenEndsTheGrant(t *testing.T) {
	for name, pick := range map[string]func(first, next grant.Tokens) string{
		"the current one":     func(_, next grant.Tokens) string { return next.RefreshToken },
		"one already rotated": func(first, _ grant.Tokens) string { return first.RefreshToken },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.connect()
			next := w.mustRefresh(first.RefreshToken)
			w.clock.Advance(2 * time.Minute)
			pending := w.redeemRequest(w.approve())
			w.wantLive(first.AccessToken)
			w.wantLive(next.AccessToken)
			w.cache.Wait()

			revoked, refused := w.Revoke(context.Background(), pick(first, next), w.client)
			if refused != nil {
				t.Fatal(refused)
			}
			if !revoked.Found || !revoked.Whole || revoked.Family.ID != first.Family.ID || revoked.User.ID != w.user.ID {
				t.Errorf("the audit trail is told %+v", revoked)
			}
			w.wantDead(first.AccessToken, reason.GrantRevoked)
			w.wantDead(next.AccessToken, reason.GrantRevoked)
			_, refused = w.refresh(next.RefreshToken)
			wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
			_, refused = w.Redeem(context.Background(), pending)
			wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
		})
	}
}

func TestRevokingAnAccessTokenEndsOnlyThatOne(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	next := w.mustRefresh(first.RefreshToken)
	w.wantLive(first.AccessToken)
	w.cache.Wait()
	revoked, refused := w.Revoke(context.Background(), first.AccessToken, w.client)
	if refused != nil || !revoked.Found || revoked.Whole {
		t.Fatalf("got %+v, %v", revoked, refused)
	}
	w.wantDead(first.AccessToken, reason.GrantRevoked)
	w.wantLive(next.AccessToken)
	w.mustRefresh(next.RefreshToken)
}

func TestRevokingWhatIsUnknownOrDeadSucceeds(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	never, _ := w.minter.Mint(opaque.Refresh, strings.Repeat("A", 21)+"g", 1)
	neverAccess, _ := w.minter.Mint(opaque.Access, "", 0)
	forged, _ := w.minter.Mint(opaque.Refresh, tokens.Family.ID, 1)
	for name, token := range map[string]string{
		"no token of ours": "abc", "a refresh token that was never stored": never, "an access token that was never stored": neverAccess,
		"a forged token of a leaked MAC key": forged, "a code": w.approve(),
	} {
		t.Run(name, func(t *testing.T) {
			revoked, refused := w.Revoke(context.Background(), token, w.client)
			if refused != nil || revoked.Found {
				t.Fatalf("got %+v, %v", revoked, refused)
			}
		})
	}
	w.wantLive(tokens.AccessToken)
	for range 2 {
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
			if _, refused := w.Revoke(context.Background(), token, w.client); refused != nil {
				t.Fatal(refused)
			}
		}
	}
}

func TestAClientCannotRevokeTheTokenOfAnother(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
		_, refused := w.Revoke(context.Background(), token, w.other)
		wantRefused(t, refused, oauth.InvalidRequest, reason.GrantWrongClient)
	}
	w.wantLive(tokens.AccessToken)
	w.mustRefresh(tokens.RefreshToken)
}

func TestAFailedRevocationSaysSo(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	w.store.down.Store(true)
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
		_, refused := w.Revoke(context.Background(), token, w.client)
		wantUnavailable(t, refused)
	}
	if err := w.RevokeFamily(context.Background(), tokens.Family.ID, grant.ByUser); err == nil {
		t.Error("RevokeFamily succeeded without a store")
	}
	if _, err := w.RevokeUser(context.Background(), w.user.ID, grant.ByUser, nil); err == nil {
		t.Error("RevokeUser succeeded without a store")
	}
	w.store.down.Store(false)
	w.mustRefresh(tokens.RefreshToken)
}

func TestARevocationWithAnUnknownCommitLeavesNothingCached(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	w.wantLive(tokens.AccessToken)
	w.cache.Wait()
	w.store.lostCommit.Store(true)
	_, refused := w.Revoke(context.Background(), tokens.RefreshToken, w.client)
	wantUnavailable(t, refused)
	w.wantDead(tokens.AccessToken, reason.GrantRevoked)
}

func TestATheftWithAnUnknownCommitLeavesNothingCached(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(2 * time.Minute)
	w.wantLive(first.AccessToken)
	w.cache.Wait()
	w.store.lostCommit.Store(true)
	_, refused := w.refresh(first.RefreshToken)
	wantUnavailable(t, refused)
	w.wantDead(first.AccessToken, reason.GrantRevoked)
}

func TestRevokeFamilyEndsOneGrantAndKeepsTheFirstCause(t *testing.T) {
	w := newWorld(t)
	one, other := w.connect(), w.connect()
	if err := w.RevokeFamily(context.Background(), one.Family.ID, grant.ByUser); err != nil {
		t.Fatal(err)
	}
	w.wantDead(one.AccessToken, reason.GrantRevoked)
	w.wantLive(other.AccessToken)
	if err := w.RevokeFamily(context.Background(), one.Family.ID, grant.ByAdmin); err != nil {
		t.Fatal(err)
	}
	row, err := w.store.Family(context.Background(), one.Family.ID)
	if err != nil || row.RevokedWhy != grant.ByUser {
		t.Errorf("revoked by %q, %v, want the first cause", row.RevokedWhy, err)
	}
	if err := w.RevokeFamily(context.Background(), "no such family", grant.ByUser); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestRevokeUserEndsEverythingOfThatPersonOnly(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	ada := w.user
	one, two := w.connect(), w.connect()
	pending := w.redeemRequest(w.approve())
	browser := store.Session{Hash: store.Hash{7}, UserID: ada.ID, AuthTime: w.clock.Now(), CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Hour)}
	w.update(func(tx store.Tx) error { return tx.CreateSession(ctx, browser) })
	w.user = w.newUser("grace")
	theirs := w.connect()
	for _, tokens := range []grant.Tokens{one, two, theirs} {
		w.wantLive(tokens.AccessToken)
	}
	w.cache.Wait()

	if _, err := w.RevokeUser(ctx, ada.ID, grant.ByAdmin, nil); err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []grant.Tokens{one, two} {
		w.wantDead(tokens.AccessToken, reason.GrantRevoked)
		_, refused := w.refresh(tokens.RefreshToken)
		wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	}
	_, refused := w.Redeem(ctx, pending)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	if _, err := w.store.Session(ctx, browser.Hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the browser is still signed in: %v", err)
	}
	w.wantLive(theirs.AccessToken)
	w.mustRefresh(theirs.RefreshToken)
	if _, err := w.RevokeUser(ctx, "no such person", grant.ByAdmin, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
