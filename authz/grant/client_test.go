package grant_test

import (
	"context"
	"errors"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestRevokeClientEndsItsGrantsOfEveryPerson(t *testing.T) {
	w := newWorld(t)
	first, code := w.connect(), w.approve()
	w.user = w.newUser("grace")
	second := w.connect()
	client := w.client
	w.client = w.other
	untouched := w.connect()
	w.client = client
	w.wantLive(first.AccessToken) // now cached
	w.wantLive(second.AccessToken)

	ended, err := w.RevokeClient(context.Background(), client.ID, grant.ByAdmin, false)
	if err != nil || len(ended) != 2 {
		t.Fatalf("ended %d grants (%v), want 2", len(ended), err)
	}
	for _, tokens := range []grant.Tokens{first, second} {
		w.wantDead(tokens.AccessToken, reason.GrantRevoked)
		_, refused := w.refresh(tokens.RefreshToken)
		wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	}
	_, refused := w.Redeem(context.Background(), w.redeemRequest(code))
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	w.wantLive(untouched.AccessToken)
	if _, err := w.store.Client(context.Background(), client.ID); err != nil {
		t.Errorf("the client itself: %v, want it to stay", err)
	}
}

func TestARemovedClientDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	w.wantLive(tokens.AccessToken)
	if _, err := w.RevokeClient(context.Background(), w.client.ID, grant.ByAdmin, true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(context.Background(), tokens.AccessToken, resource); !errors.Is(err, grant.ErrInvalid) {
		t.Fatalf("got %v, want the token refused", err)
	}
	if _, err := w.store.Client(context.Background(), w.client.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the client: %v, want it gone", err)
	}
	err := w.store.Store.Update(context.Background(), func(tx store.Tx) error { return tx.CreateClient(context.Background(), w.client) })
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("creating it again: %v, want a conflict", err)
	}
}

func TestARevocationForgetsTheConsent(t *testing.T) {
	ctx := context.Background()
	for name, revoke := range map[string]func(w *world, tokens grant.Tokens) error{
		"of a grant": func(w *world, tokens grant.Tokens) error { return w.RevokeFamily(ctx, tokens.Family.ID, grant.ByUser) },
		"of a person": func(w *world, _ grant.Tokens) error {
			_, err := w.RevokeUser(ctx, w.user.ID, grant.ByAdmin, nil)
			return err
		},
		"of a client": func(w *world, _ grant.Tokens) error {
			_, err := w.RevokeClient(ctx, w.client.ID, grant.ByAdmin, false)
			return err
		},
		"by the client": func(w *world, tokens grant.Tokens) error {
			if _, refused := w.Revoke(ctx, tokens.RefreshToken, w.client); refused != nil {
				return refused
			}
			return nil
		},
		"for theft": func(w *world, tokens grant.Tokens) error {
			w.mustRefresh(tokens.RefreshToken)
			w.clock.Advance(grant.MaxGrace * 2)
			_, refused := w.refresh(tokens.RefreshToken)
			wantRefused(w.t, refused, oauth.InvalidGrant, reason.GrantReused)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tokens := w.connect()
			given := store.Consent{UserID: w.user.ID, ClientID: w.client.ID, RedirectHost: "localhost", Resource: resource, Scopes: granted, GrantedAt: w.clock.Now()}
			w.update(func(tx store.Tx) error { return tx.SaveConsent(ctx, given) })
			if err := revoke(w, tokens); err != nil {
				t.Fatal(err)
			}
			if _, err := w.store.Consent(ctx, given.Key()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the consent: %v, want it forgotten", err)
			}
		})
	}
}

func TestARevocationOfAClientThatFailsSaysSo(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	w.wantLive(tokens.AccessToken)
	w.store.lostCommit.Store(true)
	if _, err := w.RevokeClient(context.Background(), w.client.ID, grant.ByAdmin, false); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	w.store.lostCommit.Store(false)
	w.wantDead(tokens.AccessToken, reason.GrantRevoked) // committed all the same: nothing cached may say otherwise
}
