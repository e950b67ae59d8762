package grant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// generations counts the refresh tokens of a family that have a row.
func (w *world) generations(family store.Family) (rows int) {
	w.t.Helper()
	current, err := w.store.Store.Family(context.Background(), family.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for gen := range current.Gen + 1 {
		switch _, err := w.store.Store.Generation(context.Background(), family.ID, gen); {
		case err == nil:
			rows++
		case !errors.Is(err, store.ErrNotFound):
			w.t.Fatal(err)
		}
	}
	return rows
}

func TestTheRowsOfAFamilyDoNotGrowWithItsAge(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	const rows = 9 // the current one and eight before it
	for rotation := range 200 {
		w.clock.Advance(time.Hour)
		tokens = w.mustRefresh(tokens.RefreshToken)
		if got := w.generations(tokens.Family); got > rows {
			t.Fatalf("%d refresh tokens are kept after %d rotations, want at most %d", got, rotation+1, rows)
		}
	}
	w.wantLive(tokens.AccessToken)
}

func TestRotationsInsideTheLongestGraceAreKept(t *testing.T) {
	w := newWorld(t, func(c *grant.Config) { c.Lifetimes.RotationGrace = grant.MaxGrace })
	first := w.connect()
	last := first
	for range 30 {
		last = w.mustRefresh(last.RefreshToken)
	}
	if got := w.mustRefresh(first.RefreshToken); !got.Replay {
		t.Error("a retry inside the grace is not recognised after many rotations")
	}
}

func TestATokenWhoseRowIsPrunedIsStillRecognisedAsUsed(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	last := first
	for range 20 {
		w.clock.Advance(time.Hour)
		last = w.mustRefresh(last.RefreshToken)
	}
	_, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	w.wantDead(last.AccessToken, reason.GrantRevoked)
}

func TestAClientThatOnlyHasAPrunedTokenCanStillSignOut(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	last := first
	for range 20 {
		w.clock.Advance(time.Hour)
		last = w.mustRefresh(last.RefreshToken)
	}
	revoked, refused := w.Revoke(context.Background(), first.RefreshToken, w.client)
	if refused != nil || !revoked.Found || !revoked.Whole {
		t.Fatalf("revoked %+v (%v), want the whole grant", revoked, refused)
	}
	w.wantDead(last.AccessToken, reason.GrantRevoked)
}
