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

// signIn begins a browser session that came from a session at the provider, and
// approves in it.
func (w *world) signIn(browser byte, idpSession string) (grant.Tokens, grant.RedeemRequest) {
	w.t.Helper()
	ctx := context.Background()
	codes := make([]string, 2)
	hash := store.Hash{browser}
	w.update(func(tx store.Tx) (err error) {
		if err = tx.CreateSession(ctx, store.Session{
			Hash: hash, UserID: w.user.ID, AuthTime: w.clock.Now(), CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Hour), IDPSession: idpSession,
		}); err != nil {
			return err
		}
		for i := range codes {
			if codes[i], err = w.IssueCode(ctx, tx, store.Approval{
				SessionHash: hash, UserID: w.user.ID, Subject: "backend-1", ClientID: w.client.ID, RedirectURI: redirect, Resource: resource,
				Scopes: granted, Challenge: challenge, AuthTime: w.clock.Now(),
			}, w.user); err != nil {
				return err
			}
		}
		return nil
	})
	tokens, refused := w.Redeem(ctx, w.redeemRequest(codes[0]))
	if refused != nil {
		w.t.Fatal(refused)
	}
	return tokens, w.redeemRequest(codes[1])
}

func (w *world) signedIn(browser byte) bool {
	w.t.Helper()
	_, err := w.store.Session(context.Background(), store.Hash{browser})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

func (w *world) logout(token byte, subject, session string) grant.Logout {
	return grant.Logout{
		Domain: w.user.Domain, Issuer: w.user.Issuer, Subject: subject, Session: session, Token: store.Hash{token}, Until: w.clock.Now().Add(time.Minute),
	}
}

func TestALogoutOfASessionEndsWhatWasApprovedInItAndNothingElse(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	one, pendingOne := w.signIn(1, "s1")
	two, pendingTwo := w.signIn(2, "s2")
	unsaid, _ := w.signIn(3, "")
	for _, tokens := range []grant.Tokens{one, two, unsaid} {
		w.wantLive(tokens.AccessToken)
	}
	w.cache.Wait()
	var recorded []grant.Ended
	ended, err := w.LogOut(ctx, w.logout(1, "", "s1"), func(_ context.Context, e grant.Ended) error {
		recorded = append(recorded, e)
		return nil
	})
	if err != nil || len(ended) != 1 || len(ended[0].Families) != 1 || ended[0].Families[0].ID != one.Family.ID || ended[0].User.ID != w.user.ID || len(recorded) != 1 {
		t.Fatalf("%+v, %v, recorded %d", ended, err, len(recorded))
	}
	w.wantDead(one.AccessToken, reason.GrantRevoked)
	_, refused := w.refresh(one.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	_, refused = w.Redeem(ctx, pendingOne)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	if w.signedIn(1) || !w.signedIn(2) || !w.signedIn(3) {
		t.Errorf("signed in: %v %v %v", w.signedIn(1), w.signedIn(2), w.signedIn(3))
	}
	w.wantLive(two.AccessToken)
	w.wantLive(unsaid.AccessToken)
	if _, refused := w.Redeem(ctx, pendingTwo); refused != nil {
		t.Error(refused)
	}
	if row, err := w.store.Family(ctx, one.Family.ID); err != nil || row.RevokedWhy != grant.ByIDPLogout {
		t.Errorf("revoked by %q, %v", row.RevokedWhy, err)
	}
}

func TestALogoutOfAPersonEndsEverythingAlsoWhereItNamesASession(t *testing.T) {
	w := newWorld(t)
	one, _ := w.signIn(1, "s1")
	two, pending := w.signIn(2, "s2")
	ada := w.user
	w.user = w.newUser("grace")
	theirs, _ := w.signIn(3, "s1") // the provider would not reuse an id; nothing depends on it
	w.user = ada
	if _, err := w.LogOut(context.Background(), w.logout(1, ada.Subject, "s1"), nil); err != nil {
		t.Fatal(err)
	}
	w.wantDead(one.AccessToken, reason.GrantRevoked)
	w.wantDead(two.AccessToken, reason.GrantRevoked)
	_, refused := w.Redeem(context.Background(), pending)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	if w.signedIn(1) || w.signedIn(2) || !w.signedIn(3) {
		t.Error("the wrong browsers are signed in")
	}
	w.wantLive(theirs.AccessToken)
}

func TestALogoutIsOfItsOwnDomainAndIssuerOnly(t *testing.T) {
	for name, change := range map[string]func(*grant.Logout){
		"another domain": func(l *grant.Logout) { l.Domain = "other.example" },
		"another issuer": func(l *grant.Logout) { l.Issuer = "https://other.example" },
		"nobody":         func(l *grant.Logout) { l.Subject, l.Session = "nobody", "none" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tokens, _ := w.signIn(1, "s1")
			for i, l := range []grant.Logout{w.logout(1, w.user.Subject, ""), w.logout(2, "", "s1")} {
				change(&l)
				if ended, err := w.LogOut(context.Background(), l, nil); err != nil || len(ended) != 0 {
					t.Errorf("%d: %v, %v", i, ended, err)
				}
			}
			w.wantLive(tokens.AccessToken)
		})
	}
}

func TestALogoutTokenIsSpentOnlyByALogoutThatTookPlace(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	tokens, _ := w.signIn(1, "s1")
	errTrail := errors.New("the disk is full")
	if _, err := w.LogOut(ctx, w.logout(1, "ada", ""), func(context.Context, grant.Ended) error { return errTrail }); !errors.Is(err, errTrail) {
		t.Fatal(err)
	}
	w.wantLive(tokens.AccessToken) // what is not in the trail is not done
	w.store.lostCommit.Store(true)
	if _, err := w.LogOut(ctx, w.logout(2, "ada", ""), nil); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	w.store.lostCommit.Store(false)
	w.wantDead(tokens.AccessToken, reason.GrantRevoked) // nothing stays cached of what may have ended
	if _, err := w.LogOut(ctx, w.logout(1, "ada", ""), nil); err != nil {
		t.Errorf("the token of the logout that failed: %v", err)
	}
	again, _ := w.signIn(2, "s2")
	// Another service over the same store: what was used survives a restart.
	restarted := w.newService(w.config)
	if _, err := restarted.LogOut(ctx, w.logout(1, "ada", ""), nil); !errors.Is(err, grant.ErrLogoutReplayed) {
		t.Errorf("a replay: %v", err)
	}
	w.wantLive(again.AccessToken)
}

// people answers for everybody.
type people struct {
	active bool
	asked  int
	during func(ctx context.Context)
}

func (p *people) Active(ctx context.Context, _ store.User, _ store.Family) bool {
	p.asked++
	if p.during != nil {
		p.during(ctx)
	}
	return p.active
}

func TestARotationAsksAboutThePersonFirst(t *testing.T) {
	asked := &people{active: true}
	w := newWorld(t, func(c *grant.Config) { c.People = asked })
	first := w.connect()
	second := w.mustRefresh(first.RefreshToken)
	if asked.asked != 1 {
		t.Fatalf("asked %d times", asked.asked)
	}
	if replay := w.mustRefresh(first.RefreshToken); replay.RefreshToken != second.RefreshToken || asked.asked != 1 {
		t.Errorf("a retry inside the grace asks (%d)", asked.asked)
	}
	asked.active = false
	_, refused := w.refresh(second.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.UserNotActive)
	asked.active = true
	w.mustRefresh(second.RefreshToken) // the token was not spent by the refusal
}

func TestARefreshWaitsOneSecondForTheAnswer(t *testing.T) {
	asked := &people{active: true, during: func(ctx context.Context) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Second {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
	}}
	w := newWorld(t, func(c *grant.Config) { c.People = asked })
	w.mustRefresh(w.connect().RefreshToken)
}

func TestARotationDoesNotSurviveTheEndThatThePersonsCheckBrings(t *testing.T) {
	asked := &people{active: true}
	w := newWorld(t, func(c *grant.Config) { c.People = asked })
	tokens := w.connect()
	asked.during = func(ctx context.Context) {
		if _, err := w.RevokeUser(ctx, w.user.ID, string(reason.UserNotActive), nil); err != nil {
			t.Error(err)
		}
	}
	_, refused := w.refresh(tokens.RefreshToken) // decided again under the lock
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
}
