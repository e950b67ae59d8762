package grant_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// withRotations bounds each family to three rotations, and one more in ten
// minutes.
func withRotations(t *testing.T) func(*grant.Config) {
	t.Helper()
	m, err := limit.NewMemory(10)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *grant.Config) {
		c.Rotations, c.RotationRate = m, limit.Rate{Events: 1, Per: 10 * time.Minute, Burst: 3}
		c.Lifetimes.RotationGrace = grant.MaxGrace
	}
}

func wantTooMany(t *testing.T, refused *oauth.Error, wait time.Duration) {
	t.Helper()
	if refused == nil || refused.Status != http.StatusTooManyRequests || refused.Reason != reason.LimitRotations ||
		refused.Code != oauth.TemporarilyUnavailable || refused.RetryAfter != wait {
		t.Fatalf("got %+v, want 429 after %v", refused, wait)
	}
}

func TestARefreshTokenOverTheRateStaysGood(t *testing.T) {
	w := newWorld(t, withRotations(t))
	token := w.connect().RefreshToken
	for range 3 {
		token = w.mustRefresh(token).RefreshToken
	}
	for range 3 {
		tokens, refused := w.refresh(token)
		wantTooMany(t, refused, 10*time.Minute)
		if tokens.RefreshToken != "" || tokens.Family.ID == "" {
			t.Errorf("a refusal that carries %+v", tokens)
		}
	}
	w.mustRefresh(w.connect().RefreshToken) // another family has its own
	w.clock.Advance(10 * time.Minute)
	next := w.mustRefresh(token)
	w.wantLive(next.AccessToken)
	_, refused := w.refresh(next.RefreshToken)
	wantTooMany(t, refused, 10*time.Minute)
}

func TestRetriesInsideTheGraceAreNotCounted(t *testing.T) {
	w := newWorld(t, withRotations(t))
	first := w.connect().RefreshToken
	second := w.mustRefresh(first)
	for range 100 {
		if got := w.mustRefresh(first); got.RefreshToken != second.RefreshToken {
			t.Fatal("a retry got another successor")
		}
	}
	third := w.mustRefresh(second.RefreshToken)
	last := w.mustRefresh(third.RefreshToken)
	_, refused := w.refresh(last.RefreshToken)
	wantTooMany(t, refused, 10*time.Minute)
	if got := w.mustRefresh(third.RefreshToken); got.RefreshToken != last.RefreshToken {
		t.Error("over the rate, a retry does not get its successor")
	}
}

func TestTheftEndsAFamilyThatIsOverTheRate(t *testing.T) {
	w := newWorld(t, withRotations(t), func(c *grant.Config) { c.Lifetimes.RotationGrace = time.Second })
	stolen := w.connect().RefreshToken
	token := stolen
	for range 3 {
		token = w.mustRefresh(token).RefreshToken
	}
	w.clock.Advance(2 * time.Second)
	tokens, refused := w.refresh(stolen)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if !tokens.Reused {
		t.Error("the family was not ended")
	}
}

func TestAFaultOfTheStoreCountsNoRotation(t *testing.T) {
	w := newWorld(t, withRotations(t))
	token := w.connect().RefreshToken
	for range 10 {
		w.store.down.Store(true)
		if _, refused := w.refresh(token); refused == nil || refused.Status != http.StatusServiceUnavailable {
			t.Fatalf("got %v", refused)
		}
	}
	w.store.down.Store(false)
	w.mustRefresh(token)
}
