package grant_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// watcher keeps what it is told.
type watcher struct {
	mu       sync.Mutex
	verified []reason.Reason
	reads    int
	reuses   []grant.Reuse
}

func (w *watcher) Verified(why reason.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verified = append(w.verified, why)
}

func (w *watcher) StoreRead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
}

func (w *watcher) Reused(r grant.Reuse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reuses = append(w.reuses, r)
}

func (w *watcher) wantReuses(t *testing.T, want ...grant.Reuse) {
	t.Helper()
	if diff := cmp.Diff(want, w.reuses); diff != "" {
		t.Errorf("reuses, want (-), got (+):\n%s", diff)
	}
}

func newWatched(t *testing.T) (*world, *watcher) {
	t.Helper()
	seen := new(watcher)
	return newWorld(t, func(c *grant.Config) { c.Observer = seen }), seen
}

func TestEveryCheckOfAnAccessTokenIsTold(t *testing.T) {
	w, seen := newWatched(t)
	tokens := w.connect()
	w.wantLive(tokens.AccessToken)
	w.cache.Wait()
	w.wantLive(tokens.AccessToken)
	_, err := w.Verify(context.Background(), tokens.AccessToken, resource+"/other")
	wantInvalid(t, err, reason.ResourceWrong)
	w.wantDead("lma_made-up", reason.GrantUnknown)
	if err := w.RevokeFamily(context.Background(), tokens.Family.ID, grant.ByUser); err != nil {
		t.Fatal(err)
	}
	w.wantDead(tokens.AccessToken, reason.GrantRevoked)
	w.wantDead(tokens.AccessToken, reason.GrantRevoked) // known to be dead: no read
	other := w.connect().AccessToken
	w.store.down.Store(true)
	if _, err := w.Verify(context.Background(), other, resource); err == nil {
		t.Fatal("accepted without a store")
	}
	want := []reason.Reason{
		reason.None, reason.None, reason.ResourceWrong, reason.GrantUnknown, reason.GrantRevoked, reason.GrantRevoked, reason.StoreUnavailable,
	}
	if diff := cmp.Diff(want, seen.verified); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if seen.reads != 3 || w.StoreReads() != 3 {
		t.Errorf("%d reads were told and %d counted, want 3", seen.reads, w.StoreReads())
	}
}

func TestARetryTellsItsAgeExactly(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	w.clock.Advance(20 * time.Minute) // of no account: the age counts from the rotation
	second := w.mustRefresh(first.RefreshToken)
	w.clock.Advance(1500 * time.Millisecond)
	w.mustRefresh(first.RefreshToken)
	third := w.mustRefresh(second.RefreshToken)
	w.clock.Advance(time.Minute - 1500*time.Millisecond) // the last moment of the first one's grace
	w.mustRefresh(first.RefreshToken)
	w.mustRefresh(third.RefreshToken) // the current one: no reuse
	seen.wantReuses(t,
		grant.Reuse{Age: 1500 * time.Millisecond, AgeKnown: true},
		grant.Reuse{Age: time.Minute, AgeKnown: true},
	)
}

func TestAReplayThatEndsAFamilyTellsItsAgeOnce(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(time.Minute + time.Microsecond)
	for range 3 {
		_, refused := w.refresh(first.RefreshToken)
		wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
		w.clock.Advance(time.Hour)
	}
	seen.wantReuses(t, grant.Reuse{Age: time.Minute + time.Microsecond, AgeKnown: true, Revoked: true})
}

func TestAReplayWhoseRevocationIsNotCommittedIsToldWhenItIs(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(2 * time.Minute)
	w.store.failUpdates.Store(true)
	_, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.TemporarilyUnavailable, reason.StoreUnavailable)
	seen.wantReuses(t)
	w.store.failUpdates.Store(false)
	w.clock.Advance(time.Minute)
	_, refused = w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	seen.wantReuses(t, grant.Reuse{Age: 3 * time.Minute, AgeKnown: true, Revoked: true})
}

func TestTheAgeOfATokenOfWhichNothingIsKeptIsNotMadeUp(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	second := w.mustRefresh(first.RefreshToken)
	w.mustRefresh(second.RefreshToken)
	// A token that we minted, of a generation whose row is another one's.
	forgotten, _ := w.minter.Mint(opaque.Refresh, first.Family.ID, 1)
	_, refused := w.refresh(forgotten)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	seen.wantReuses(t, grant.Reuse{Revoked: true})
}

func TestAClockThatWasSetBackMakesNoNegativeAge(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(-time.Second)
	w.mustRefresh(first.RefreshToken)
	seen.wantReuses(t, grant.Reuse{AgeKnown: true})
}

func TestWhatIsNoReuseIsNotToldAsOne(t *testing.T) {
	w, seen := newWatched(t)
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(2 * time.Minute)
	// Another client's attempt, a made-up token, a family that ended for another cause.
	_, refused := w.Refresh(context.Background(), grant.RefreshRequest{Token: first.RefreshToken, Client: w.other})
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantWrongClient)
	_, refused = w.refresh("lmr_" + strings.Repeat("A", 80))
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantUnknown)
	if err := w.RevokeFamily(context.Background(), first.Family.ID, grant.ByUser); err != nil {
		t.Fatal(err)
	}
	_, refused = w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	seen.wantReuses(t)
}

// counting is an observer as cheap as one can be.
type counting struct{ verified, reads int }

func (c *counting) Verified(reason.Reason) { c.verified++ }
func (c *counting) StoreRead()             { c.reads++ }
func (c *counting) Reused(grant.Reuse)     {}

func TestVerifyAllocatesNothingMoreForItsObserver(t *testing.T) {
	w := newWorld(t)
	seen := new(counting)
	watched := w.config
	watched.Observer = seen
	good := w.connect().AccessToken
	dead := w.connect()
	if err := w.RevokeFamily(context.Background(), dead.Family.ID, grant.ByUser); err != nil {
		t.Fatal(err)
	}
	w.wantLive(good)
	w.wantDead(dead.AccessToken, reason.GrantRevoked)
	w.cache.Wait()
	for name, token := range map[string]string{"a good token": good, "a dead one": dead.AccessToken, "a made-up one": "lma_x"} {
		// The least of many: the race detector lets pools forget at random.
		allocations := func(s *grant.Service) float64 {
			least := math.Inf(1)
			for range 200 {
				least = min(least, testing.AllocsPerRun(1, func() { _, _ = s.Verify(context.Background(), token, resource) }))
			}
			return least
		}
		without, with := allocations(w.Service), allocations(w.newService(watched))
		if with > without {
			t.Errorf("%s: %v allocations with an observer, %v without", name, with, without)
		}
	}
	if seen.verified == 0 || seen.reads != 0 {
		t.Errorf("%d checks and %d reads were told", seen.verified, seen.reads)
	}
}

func BenchmarkVerifyWithAnObserver(b *testing.B) {
	for name, observer := range map[string]grant.Observer{"unobserved": nil, "observed": new(counting)} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, func(c *grant.Config) { c.Observer = observer })
			token := w.connect().AccessToken
			w.wantLive(token)
			w.cache.Wait()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Verify(context.Background(), token, resource); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
