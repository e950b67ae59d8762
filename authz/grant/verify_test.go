package grant_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestAMadeUpTokenCostsNoRead(t *testing.T) {
	w := newWorld(t)
	good := w.connect().AccessToken
	before := w.store.reads.Load()
	for _, token := range []string{
		"", "x", "lma_", "lma_k1." + strings.Repeat("A", 91), good[:len(good)-1] + "_", strings.Replace(good, "lma_", "lmr_", 1),
		strings.Repeat("a", 10_000), good + " ", w.connectRefresh(),
	} {
		_, err := w.Verify(context.Background(), token, resource)
		wantInvalid(t, err, reason.GrantUnknown)
	}
	if got := w.store.reads.Load() - before; got > 1 { // one is connectRefresh's own
		t.Errorf("%d reads of the store", got)
	}
	if w.StoreReads() != 0 {
		t.Errorf("%d reads are counted", w.StoreReads())
	}
}

func (w *world) connectRefresh() string { return w.connect().RefreshToken }

func TestAGoodTokenIsReadOnce(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	first := w.wantLive(token)
	w.cache.Wait()
	for range 100 {
		if w.wantLive(token) != first {
			t.Fatal("not the shared session")
		}
	}
	if w.StoreReads() != 1 {
		t.Fatalf("%d reads, want 1", w.StoreReads())
	}
	want := policy.Subject{Domain: "example.com", Groups: []string{"staff"}, Profile: "claude-code"}
	if got := w.policy.asked.Load().(policy.Subject); got.Domain != want.Domain || got.Profile != want.Profile || !slices.Equal(got.Groups, want.Groups) {
		t.Errorf("the policy was asked about %+v", got)
	}
}

func TestACachedTokenIsJudgedAtEveryUse(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(w *world)
		resource string
		why      reason.Reason
	}{
		{"its life ends", func(w *world) { w.clock.Advance(time.Hour) }, resource, reason.GrantExpired},
		{"another resource", func(*world) {}, "https://api.example.com/mcp/other", reason.ResourceWrong},
		{"a resource that it is a prefix of", func(*world) {}, resource + "/", reason.ResourceWrong},
		{"no resource", func(*world) {}, "", reason.ResourceWrong},
		{"a reload turns the domain off", func(w *world) { w.policy.why.Store(reason.DomainOff) }, resource, reason.DomainOff},
		{"a reload takes the client off the list", func(w *world) { w.policy.why.Store(reason.ClientNotAllowed) }, resource, reason.ClientNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			token := w.connect().AccessToken
			w.wantLive(token)
			w.cache.Wait()
			c.change(w)
			_, err := w.Verify(context.Background(), token, c.resource)
			wantInvalid(t, err, c.why)
		})
	}
}

func TestATokenIsReadAgainAfterAMinute(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.wantLive(token)
	w.cache.Wait()
	w.clock.Advance(time.Minute)
	w.wantLive(token)
	if w.StoreReads() != 2 {
		t.Errorf("%d reads, want 2", w.StoreReads())
	}
}

func TestARevocationDuringAReadIsNotOverwrittenByIt(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	w.store.afterAccess = func() { // the read has its old answer already
		w.store.afterAccess = nil
		if err := w.RevokeFamily(context.Background(), tokens.Family.ID, grant.ByUser); err != nil {
			t.Error(err)
		}
	}
	w.wantLive(tokens.AccessToken) // it started before the revocation
	w.cache.Wait()
	w.wantDead(tokens.AccessToken, reason.GrantRevoked)
}

func TestAChangeOfThePersonDuringAReadIsNotOverwrittenByIt(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.store.afterAccess = func() {
		w.store.afterAccess = nil
		w.signInWithGroups("leavers")
	}
	w.wantLive(token)
	w.cache.Wait()
	if got := w.wantLive(token); !slices.Equal(got.Subject.Groups, []string{"leavers"}) {
		t.Errorf("the person still has the groups %q", got.Subject.Groups)
	}
}

func TestASignInChangesTheGroupsOfRunningTokens(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.wantLive(token)
	w.cache.Wait()
	w.signInWithGroups("leavers")
	if got := w.wantLive(token); !slices.Equal(got.Subject.Groups, []string{"leavers"}) {
		t.Errorf("the person still has the groups %q", got.Subject.Groups)
	}
}

func (w *world) signInWithGroups(groups ...string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		changed := w.user
		changed.Groups = groups
		_, err := tx.UpsertUser(context.Background(), changed)
		return err
	})
	w.UserChanged(w.user.ID)
}

func TestAnotherPolicyDoesNotUseTheCacheOfTheLast(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.wantLive(token)
	w.cache.Wait()
	next := w.config
	next.Policy = &gate{revision: 2}
	reloaded := w.newService(next)
	if _, err := reloaded.Verify(context.Background(), token, resource); err != nil {
		t.Fatal(err)
	}
	if reloaded.StoreReads() != 1 {
		t.Errorf("%d reads, want 1", reloaded.StoreReads())
	}
}

func TestARevocationReachesEveryServiceOfTheProcess(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	reloaded := w.newService(w.config)
	w.wantLive(tokens.AccessToken)
	w.cache.Wait()
	if _, refused := reloaded.Revoke(context.Background(), tokens.RefreshToken, w.client); refused != nil {
		t.Fatal(refused)
	}
	w.wantDead(tokens.AccessToken, reason.GrantRevoked)
}

func TestADeadTokenIsReadOnce(t *testing.T) {
	for name, kill := range map[string]struct {
		why  reason.Reason
		kill func(w *world, tokens *grant.Tokens)
	}{
		"revoked": {reason.GrantRevoked, func(w *world, tokens *grant.Tokens) {
			if err := w.RevokeFamily(context.Background(), tokens.Family.ID, grant.ByUser); err != nil {
				w.t.Fatal(err)
			}
		}},
		"expired": {reason.GrantExpired, func(w *world, _ *grant.Tokens) { w.clock.Advance(time.Hour) }},
		"never stored": {reason.GrantUnknown, func(w *world, tokens *grant.Tokens) {
			tokens.AccessToken, _ = w.minter.Mint(opaque.Access, "", 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tokens := w.connect()
			kill.kill(w, &tokens)
			for range 100 {
				w.wantDead(tokens.AccessToken, kill.why)
			}
			if w.StoreReads() != 1 {
				t.Errorf("%d reads, want 1", w.StoreReads())
			}
		})
	}
}

func TestAClockThatJumpedAheadForAMomentKillsNoToken(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.clock.Advance(2 * time.Hour)
	w.wantDead(token, reason.GrantExpired)
	w.clock.Advance(-2 * time.Hour)
	w.wantLive(token)
}

func TestAStoreThatIsDownIsNoVerdictAboutAToken(t *testing.T) {
	w := newWorld(t)
	token := w.connect().AccessToken
	w.store.down.Store(true)
	_, err := w.Verify(context.Background(), token, resource)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, grant.ErrInvalid) {
		t.Fatalf("got %v, want only ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), token) {
		t.Error("the error holds the token")
	}
	w.store.down.Store(false)
	w.wantLive(token)
}

func TestWithoutACacheEveryCallReadsTheStore(t *testing.T) {
	w := newWorld(t, func(c *grant.Config) { c.Cache, c.Epochs = nil, nil })
	tokens := w.connect()
	for range 3 {
		w.wantLive(tokens.AccessToken)
	}
	if w.StoreReads() != 3 {
		t.Errorf("%d reads, want 3", w.StoreReads())
	}
	if err := w.RevokeFamily(context.Background(), tokens.Family.ID, grant.ByUser); err != nil {
		t.Fatal(err)
	}
	w.wantDead(tokens.AccessToken, reason.GrantRevoked)
}

func TestEpochsForgetEveryChangeOfAPerson(t *testing.T) {
	// Many people share slots and change at once; no change may be lost.
	w := newWorld(t)
	token := w.connect().AccessToken
	w.wantLive(token)
	w.cache.Wait()
	race(8, func(i int) { w.epochs.BumpUser(w.user.ID) })
	before := w.StoreReads()
	w.wantLive(token)
	if w.StoreReads() != before+1 {
		t.Error("the entry is still believed")
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	token := w.connect().AccessToken
	if _, err := w.Verify(context.Background(), token, resource); err != nil {
		b.Fatal(err)
	}
	w.cache.Wait()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Verify(context.Background(), token, resource); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
