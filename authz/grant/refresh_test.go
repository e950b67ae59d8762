package grant_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestARetryInsideTheGraceGetsTheIdenticalPair(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	w.clock.Advance(20 * time.Minute) // the grace counts from the rotation
	next := w.mustRefresh(first.RefreshToken)
	w.clock.Advance(59 * time.Second)
	updates := w.store.updates.Load()

	again := w.mustRefresh(first.RefreshToken)
	if again.AccessToken != next.AccessToken || again.RefreshToken != next.RefreshToken {
		t.Error("the retry got a sibling")
	}
	if !again.Replay || again.ExpiresIn != 3600-59 {
		t.Errorf("got replay %v, expires_in %d, want what is left of the hour", again.Replay, again.ExpiresIn)
	}
	if w.store.updates.Load() != updates {
		t.Error("a retry wrote to the store")
	}
	w.wantLive(first.AccessToken) // older access tokens keep their own expiry
	w.wantLive(next.AccessToken)
}

func TestAReplayAfterTheGraceKillsTheFamilyAtOnce(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	next := w.mustRefresh(first.RefreshToken)
	w.wantLive(next.AccessToken)
	w.clock.Advance(61 * time.Second)

	stolen, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if !stolen.Reused || stolen.Family.ID != first.Family.ID || stolen.User.Email == "" {
		t.Error("the audit trail is not told whose grant was stolen")
	}
	for _, token := range []string{first.AccessToken, next.AccessToken} {
		w.wantDead(token, reason.GrantRevoked)
	}
	// The record of the theft may not have been stored: every later use tells it.
	for _, token := range []string{next.RefreshToken, first.RefreshToken} {
		again, refused := w.refresh(token)
		wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
		if again.Reused || again.Family.ID != first.Family.ID {
			t.Errorf("reused %v, family %q: want the family, which this use did not end", again.Reused, again.Family.ID)
		}
	}
}

func TestEveryCallerInsideTheGraceConvergesOnTheCurrentPair(t *testing.T) {
	w := newWorld(t)
	chain := []grant.Tokens{w.connect()}
	for range 8 {
		w.clock.Advance(time.Second)
		chain = append(chain, w.mustRefresh(chain[len(chain)-1].RefreshToken))
	}
	current := chain[len(chain)-1]
	for i, old := range chain[:len(chain)-1] {
		got := w.mustRefresh(old.RefreshToken)
		if got.RefreshToken != current.RefreshToken || got.AccessToken != current.AccessToken {
			t.Errorf("generation %d was answered another pair than the current one", i+1)
		}
	}
}

func TestALongChainIsFollowedInSteps(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	current := first
	for range 20 {
		current = w.mustRefresh(current.RefreshToken)
	}
	got := first
	for range 3 { // at most eight steps each
		got = w.mustRefresh(got.RefreshToken)
	}
	if got.RefreshToken != current.RefreshToken {
		t.Error("did not arrive at the current pair")
	}
}

func TestAGrandPredecessorAfterTheGraceIsTheft(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	second := w.mustRefresh(first.RefreshToken)
	w.clock.Advance(61 * time.Second)
	third := w.mustRefresh(second.RefreshToken)
	_, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	w.wantDead(third.AccessToken, reason.GrantRevoked)
}

func TestTheGraceOfAProfileIsItsOwn(t *testing.T) {
	w := newWorld(t, func(c *grant.Config) {
		c.GraceOf = func(profile string) time.Duration {
			return map[string]time.Duration{"claude-code": time.Hour}[profile] // capped at ten minutes
		}
	})
	first := w.connect()
	w.mustRefresh(first.RefreshToken)
	w.clock.Advance(grant.MaxGrace)
	if got := w.mustRefresh(first.RefreshToken); !got.Replay {
		t.Error("not answered as a retry")
	}
	w.clock.Advance(time.Second)
	_, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
}

func TestAFamilyEndsIdleOrAbsolutelyAndThatIsNoTheft(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name  string
		steps []time.Duration // a refresh after each
		dead  bool
	}{
		{"used every six days", []time.Duration{6 * day, 6 * day, 6 * day}, false},
		{"idle just under seven days", []time.Duration{7*day - time.Second}, false},
		{"idle for seven days", []time.Duration{7 * day}, true},
		{"used until the thirtieth day", []time.Duration{6 * day, 6 * day, 6 * day, 6 * day, 6 * day}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			current, previous := w.connect(), grant.Tokens{}
			for i, step := range c.steps {
				w.clock.Advance(step)
				next, refused := w.refresh(current.RefreshToken)
				if c.dead && i == len(c.steps)-1 {
					wantRefused(t, refused, oauth.InvalidGrant, reason.GrantExpired)
					if previous.RefreshToken != "" { // a replay into the ended family
						_, refused = w.refresh(previous.RefreshToken)
						wantRefused(t, refused, oauth.InvalidGrant, reason.GrantExpired)
					}
					return
				}
				if refused != nil {
					t.Fatalf("after %v: %v", step, refused)
				}
				previous, current = current, next
			}
		})
	}
}

func TestARetryDoesNotExtendTheIdleEnd(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	next := w.mustRefresh(first.RefreshToken)
	w.clock.Advance(30 * time.Second)
	again := w.mustRefresh(first.RefreshToken)
	if !again.Family.IdleEnd.Equal(next.Family.IdleEnd) {
		t.Errorf("moved from %v to %v", next.Family.IdleEnd, again.Family.IdleEnd)
	}
}

func TestAnAccessTokenNeverOutlivesItsFamily(t *testing.T) {
	w := newWorld(t, func(c *grant.Config) { c.Lifetimes.Refresh = 2 * time.Hour })
	first := w.connect()
	w.clock.Advance(90 * time.Minute)
	next := w.mustRefresh(first.RefreshToken)
	if next.ExpiresIn != 1800 {
		t.Errorf("expires_in %d, want what is left of the family", next.ExpiresIn)
	}
	w.clock.Advance(30 * time.Minute)
	w.wantDead(next.AccessToken, reason.GrantExpired)
}

func TestScopesOfARefresh(t *testing.T) {
	for _, c := range []struct {
		name, asked, want string
		refused           bool
	}{
		{"none asked: all that was granted", "", "appstore:read appstore:request", false},
		{"all repeated", "appstore:request appstore:read", "appstore:read appstore:request", false},
		{"narrower", "appstore:read", "appstore:read", false},
		{"scopes of other worlds are dropped", "openid offline_access appstore:read", "appstore:read", false},
		{"only scopes of other worlds: all that was granted", "offline_access", "appstore:read appstore:request", false},
		{"a scope of the resource that was not granted", "appstore:read appstore:admin", "", true},
		{"a malformed scope", "appstore:read\x00", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.connect()
			got, refused := w.Refresh(context.Background(), grant.RefreshRequest{Token: first.RefreshToken, Client: w.client, Scope: c.asked})
			if c.refused {
				wantRefused(t, refused, oauth.InvalidScope, reason.ScopeInvalid)
				w.mustRefresh(first.RefreshToken) // the token is still good
				return
			}
			if refused != nil || got.Scope != c.want {
				t.Fatalf("got %q, %v, want %q", got.Scope, refused, c.want)
			}
			if scopes := w.wantLive(got.AccessToken).Token.Scopes; strings.Join(scopes, " ") != c.want {
				t.Errorf("the stored token has %q", scopes)
			}
			if next := w.mustRefresh(got.RefreshToken); next.Scope != "appstore:read appstore:request" {
				t.Errorf("the refresh token lost scopes: the next access token has %q", next.Scope)
			}
		})
	}
}

func TestOfflineAccessIsDroppedEvenWhereEveryScopeIsTakenForKnown(t *testing.T) {
	w := newWorld(t, func(c *grant.Config) { c.KnownScope = nil })
	first := w.connect()
	got, refused := w.Refresh(context.Background(), grant.RefreshRequest{Token: first.RefreshToken, Client: w.client, Scope: "appstore:read offline_access"})
	if refused != nil || got.Scope != "appstore:read" {
		t.Fatalf("got %q, %v", got.Scope, refused)
	}
	_, refused = w.Refresh(context.Background(), grant.RefreshRequest{Token: got.RefreshToken, Client: w.client, Scope: "openid"})
	wantRefused(t, refused, oauth.InvalidScope, reason.ScopeInvalid)
}

func TestRefreshRefusesAndChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, r *grant.RefreshRequest)
		code   oauth.Code
		why    reason.Reason
	}{
		{"another client", func(w *world, r *grant.RefreshRequest) { r.Client = w.other }, oauth.InvalidGrant, reason.GrantWrongClient},
		{"another resource", func(_ *world, r *grant.RefreshRequest) { r.Resource = "https://other.example/mcp" }, oauth.InvalidTarget, reason.ResourceWrong},
		{"a resource with a fragment", func(_ *world, r *grant.RefreshRequest) { r.Resource = resource + "#x" }, oauth.InvalidTarget, reason.ResourceUnknown},
		{"a made-up token", func(_ *world, r *grant.RefreshRequest) { r.Token = "lmr_k1." + strings.Repeat("A", 91) }, oauth.InvalidGrant, reason.GrantUnknown},
		{"an access token", func(w *world, r *grant.RefreshRequest) { r.Token = w.connect().AccessToken }, oauth.InvalidGrant, reason.GrantUnknown},
		{"a token of a family that was never stored", func(w *world, r *grant.RefreshRequest) {
			r.Token, _ = w.minter.Mint(opaque.Refresh, strings.Repeat("A", 21)+"g", 1)
		}, oauth.InvalidGrant, reason.GrantUnknown},
		{"a client that left the allowlist", func(w *world, _ *grant.RefreshRequest) { w.policy.why.Store(reason.ClientNotAllowed) }, oauth.InvalidGrant, reason.ClientNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.connect()
			req := grant.RefreshRequest{Token: first.RefreshToken, Client: w.client}
			c.change(w, &req)
			tokens, refused := w.Refresh(context.Background(), req)
			wantRefused(t, refused, c.code, c.why)
			if tokens.Reused || tokens.RefreshToken != "" {
				t.Error("a refusal carries a token or speaks of reuse")
			}
			w.policy.why.Store(reason.None)
			w.wantLive(first.AccessToken)
			if got := w.mustRefresh(first.RefreshToken); got.Replay {
				t.Error("the refused request rotated the token")
			}
		})
	}
}

func TestATokenOfAStoreThatWasRestoredRaisesAnAlarmButRevokesNothing(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, func(c *grant.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	first := w.connect()
	newer, _ := w.minter.Mint(opaque.Refresh, first.Family.ID, 2)
	_, refused := w.refresh(newer)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantStoreRolledBack)
	if !strings.Contains(log.String(), "restored from a backup") {
		t.Error("no alarm")
	}
	if strings.Contains(log.String(), newer) {
		t.Error("the log holds the token")
	}
	w.mustRefresh(first.RefreshToken)
}

func TestAForgedTokenOfALeakedMACKeyOpensNothing(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	forged, _ := w.minter.Mint(opaque.Refresh, first.Family.ID, 1)
	tokens, refused := w.refresh(forged)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if tokens.AccessToken != "" {
		t.Error("it was given tokens")
	}
}

func TestAnUnknownCommitIsTriedAgainAndLosesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	w.store.lostCommit.Store(true)
	_, refused := w.refresh(first.RefreshToken)
	wantUnavailable(t, refused)
	w.store.lostCommit.Store(false)
	got := w.mustRefresh(first.RefreshToken)
	if !got.Replay || got.Family.Gen != 2 {
		t.Errorf("got replay %v, generation %d, want the pair that had been committed", got.Replay, got.Family.Gen)
	}
	w.wantLive(got.AccessToken)
}

func TestAStoreThatIsDownIsNeverAnInvalidGrant(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	w.store.down.Store(true)
	_, refused := w.refresh(first.RefreshToken)
	wantUnavailable(t, refused)
	w.store.down.Store(false)
	w.mustRefresh(first.RefreshToken)
}

func TestTheSealedSuccessorIsUselessWithoutItsPredecessor(t *testing.T) {
	w := newWorld(t)
	first := w.connect()
	next := w.mustRefresh(first.RefreshToken)
	row, err := w.store.Generation(context.Background(), first.Family.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(row.Sealed) == 0 || strings.Contains(string(row.Sealed), next.RefreshToken) {
		t.Fatal("the successor is not sealed")
	}
	row.Sealed[20] ^= 1
	w.update(func(tx store.Tx) error { return tx.SaveGeneration(context.Background(), row) })
	tokens, refused := w.refresh(first.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantUnknown)
	if tokens.Reused {
		t.Error("damage in the store is taken for theft")
	}
	w.mustRefresh(next.RefreshToken)
}

func TestTokensAreNeverPrinted(t *testing.T) {
	tokens := newWorld(t).connect()
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("issued", "tokens", tokens)
	all := log.String() + fmt.Sprintf("%v %+v %#v %s", tokens, tokens, tokens, tokens)
	for _, secret := range []string{tokens.AccessToken, tokens.RefreshToken} {
		if strings.Contains(all, secret) {
			t.Errorf("printed: %s", all)
		}
	}
}

func TestLifetimesAreChecked(t *testing.T) {
	good := newWorld(t).config
	for name, life := range map[string]grant.Lifetimes{
		"a negative lifetime":       {Access: -1},
		"a grace beyond the limit":  {RotationGrace: grant.MaxGrace + 1},
		"a negative rotation grace": {RotationGrace: -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			bad.Lifetimes = life
			if _, err := grant.New(bad); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	for name, spoil := range map[string]func(c *grant.Config){
		"no store":               func(c *grant.Config) { c.Store = nil },
		"no minter":              func(c *grant.Config) { c.Minter = nil },
		"no policy":              func(c *grant.Config) { c.Policy = nil },
		"no randomness":          func(c *grant.Config) { c.Rand = nil },
		"a cache without epochs": func(c *grant.Config) { c.Epochs = nil },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			if _, err := grant.New(bad); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestTheAnswerSaysWhoseGrantItIs(t *testing.T) {
	w := newWorld(t)
	next := w.mustRefresh(w.connect().RefreshToken)
	stored, err := w.store.Family(context.Background(), next.Family.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, next.Family); diff != "" || next.User.ID != w.user.ID {
		t.Errorf("not as stored: %s", diff)
	}
}
