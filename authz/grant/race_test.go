package grant_test

import (
	"context"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// race runs n goroutines from one start.
func race(n int, fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-start; fn(i) })
	}
	close(start)
	wg.Wait()
}

func TestOfFiftyRedemptionsOfOneCodeOneSucceeds(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		req := w.redeemRequest(w.approve())
		var (
			tokens  [50]grant.Tokens
			refused [50]*oauth.Error
		)
		race(50, func(i int) { tokens[i], refused[i] = w.Redeem(context.Background(), req) })
		successes, thefts, winner := 0, 0, 0
		for i := range refused {
			if refused[i] == nil {
				successes++
				winner = i
			} else {
				wantRefused(t, refused[i], oauth.InvalidGrant, reason.GrantReused)
			}
			if tokens[i].Reused {
				thefts++
			}
		}
		if successes != 1 || thefts != 1 {
			t.Fatalf("%d successes and %d thefts, want one each", successes, thefts)
		}
		// The others were right in every detail, so one of them may be a thief.
		w.wantDead(tokens[winner].AccessToken, reason.GrantRevoked)
	}
}

func TestWrongRedemptionsBesideARightOneDoNoHarm(t *testing.T) {
	w := newWorld(t)
	good := w.redeemRequest(w.approve())
	var tokens grant.Tokens
	race(20, func(i int) {
		req := good
		if i > 0 {
			req.Client = w.other
		}
		if got, refused := w.Redeem(context.Background(), req); i == 0 {
			if refused != nil {
				t.Error(refused)
			}
			tokens = got
		} else if refused == nil {
			t.Error("another client redeemed the code")
		}
	})
	w.wantLive(tokens.AccessToken)
}

func TestFiftyRefreshesOfOneTokenGetOneSuccessorForOneWrite(t *testing.T) {
	w := newWorld(t)
	current := w.connect()
	for range 20 {
		var tokens [50]grant.Tokens
		before := w.store.updates.Load()
		race(50, func(i int) {
			got, refused := w.refresh(current.RefreshToken)
			if refused != nil {
				t.Error(refused, refused.Reason)
			}
			tokens[i] = got
		})
		if got := w.store.updates.Load() - before; got != 1 {
			t.Errorf("%d writes, want 1", got)
		}
		rotations := 0
		for _, got := range tokens {
			if got.AccessToken != tokens[0].AccessToken || got.RefreshToken != tokens[0].RefreshToken || got.ExpiresIn != tokens[0].ExpiresIn {
				t.Fatal("two answers differ")
			}
			if !got.Replay {
				rotations++
			}
		}
		if rotations != 1 {
			t.Errorf("%d rotations, want 1", rotations)
		}
		w.wantLive(tokens[0].AccessToken)
		current = tokens[0]
	}
	if current.Family.Gen != 21 {
		t.Errorf("20 rounds made generation %d", current.Family.Gen)
	}
}

func TestTwoServicesOverOneStoreMakeOneSuccessor(t *testing.T) {
	w := newWorld(t)
	services := []*grant.Service{w.Service, w.newService(w.config)} // as during a reload
	current := w.connect()
	for range 20 {
		var tokens [20]grant.Tokens
		race(20, func(i int) {
			got, refused := services[i%2].Refresh(context.Background(), grant.RefreshRequest{Token: current.RefreshToken, Client: w.client})
			if refused != nil {
				t.Error(refused, refused.Reason)
			}
			tokens[i] = got
		})
		for _, got := range tokens {
			if got.RefreshToken != tokens[0].RefreshToken {
				t.Fatal("two successors")
			}
		}
		current = tokens[0]
	}
}

func TestAfterARevocationReturnedNothingOfTheGrantWorks(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	w := newWorld(t)
	for range rounds {
		first := w.connect()
		w.wantLive(first.AccessToken) // so that it is cached
		var (
			next    grant.Tokens
			refused *oauth.Error
		)
		race(3, func(i int) {
			switch i {
			case 0:
				next, refused = w.refresh(first.RefreshToken)
			case 1:
				if _, refused := w.Revoke(context.Background(), first.RefreshToken, w.client); refused != nil {
					t.Error(refused)
				}
				w.wantAllDead(first.AccessToken) // at once, whatever still runs
			case 2:
				for range 5 { // fills the cache all the time
					_, _ = w.Verify(context.Background(), first.AccessToken, resource)
				}
			}
		})
		if refused != nil {
			wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
			continue
		}
		w.wantAllDead(next.AccessToken)
		if _, refused := w.refresh(next.RefreshToken); refused == nil {
			t.Fatal("the successor of a revoked grant is served")
		}
	}
}

func (w *world) wantAllDead(tokens ...string) {
	w.t.Helper()
	for _, token := range tokens {
		if _, err := w.Verify(context.Background(), token, resource); err == nil {
			w.t.Error("a token is accepted after the revocation returned")
		}
	}
}

func TestARevokedPersonGetsNoNewGrant(t *testing.T) {
	w := newWorld(t)
	for range 50 {
		req := w.redeemRequest(w.approve())
		var tokens grant.Tokens
		race(2, func(i int) {
			if i == 0 {
				tokens, _ = w.Redeem(context.Background(), req)
				return
			}
			if _, err := w.RevokeUser(context.Background(), w.user.ID, grant.ByAdmin, nil); err != nil {
				t.Error(err)
			}
		})
		if tokens.AccessToken != "" {
			w.wantAllDead(tokens.AccessToken)
		}
	}
}

func TestAWaitThatEndsIsAFaultOfOursAndHarmsNobody(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, refused := w.Refresh(ctx, grant.RefreshRequest{Token: first.RefreshToken, Client: w.client})
	wantUnavailable(t, refused)
	w.mustRefresh(first.RefreshToken)
}
