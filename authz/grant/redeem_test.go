package grant_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const wrongVerifier = "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"

func TestRedeemIssuesTheFirstTokensOfAFamily(t *testing.T) {
	w := newWorld(t)
	tokens := w.connect()
	if tokens.ExpiresIn != 3600 || tokens.Scope != "appstore:read appstore:request" || tokens.Replay {
		t.Errorf("got expires_in %d, scope %q, replay %v", tokens.ExpiresIn, tokens.Scope, tokens.Replay)
	}
	now := w.clock.Now()
	want := store.Family{
		ID: tokens.Family.ID, Domain: "example.com", UserID: w.user.ID, Subject: "backend-1", ClientID: w.client.ID,
		Resource: resource, Scopes: granted, Gen: 1, CreatedAt: now,
		AbsoluteEnd: now.Add(30 * 24 * time.Hour), IdleEnd: now.Add(7 * 24 * time.Hour),
	}
	if diff := cmp.Diff(want, tokens.Family); diff != "" {
		t.Error(diff)
	}
	session := w.wantLive(tokens.AccessToken)
	if session.User.Email != "ada@example.com" || session.Client.ID != w.client.ID || session.Family.Subject != "backend-1" {
		t.Errorf("the access token speaks for %+v", session)
	}
	if next := w.mustRefresh(tokens.RefreshToken); next.Family.Gen != 2 {
		t.Errorf("the first refresh makes generation %d", next.Family.Gen)
	}
}

func TestACodeIsBoundToWhatWasApproved(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, r *grant.RedeemRequest)
		code   oauth.Code
		why    reason.Reason
	}{
		{"another client", func(w *world, r *grant.RedeemRequest) { r.Client = w.other }, oauth.InvalidGrant, reason.GrantWrongClient},
		{"another redirect URI", func(_ *world, r *grant.RedeemRequest) { r.RedirectURI = redirect + "/" }, oauth.InvalidGrant, reason.ClientBadRedirect},
		{"the redirect URI with another port", func(_ *world, r *grant.RedeemRequest) {
			r.RedirectURI = "http://localhost:9999/callback"
		}, oauth.InvalidGrant, reason.ClientBadRedirect},
		{"another verifier", func(_ *world, r *grant.RedeemRequest) { r.Verifier = wrongVerifier }, oauth.InvalidGrant, reason.GrantWrongVerifier},
		{"the challenge in place of the verifier", func(_ *world, r *grant.RedeemRequest) { r.Verifier = challenge }, oauth.InvalidGrant, reason.GrantWrongVerifier},
		{"a verifier that is too short", func(_ *world, r *grant.RedeemRequest) { r.Verifier = "short" }, oauth.InvalidRequest, reason.ClientBadRequest},
		{"no verifier", func(_ *world, r *grant.RedeemRequest) { r.Verifier = "" }, oauth.InvalidRequest, reason.ClientBadRequest},
		{"another resource", func(_ *world, r *grant.RedeemRequest) { r.Resource = "https://other.example/mcp" }, oauth.InvalidTarget, reason.ResourceWrong},
		{"a resource that is no URI", func(_ *world, r *grant.RedeemRequest) { r.Resource = "appstore" }, oauth.InvalidTarget, reason.ResourceUnknown},
		{"a code that was made up", func(_ *world, r *grant.RedeemRequest) { r.Code = "lmc_k1." + strings.Repeat("A", 91) }, oauth.InvalidGrant, reason.GrantUnknown},
		{"a code that was never stored", func(w *world, r *grant.RedeemRequest) { r.Code, _ = w.minter.Mint("lmc_", "", 0) }, oauth.InvalidGrant, reason.GrantUnknown},
		{"61 seconds", func(w *world, _ *grant.RedeemRequest) { w.clock.Advance(61 * time.Second) }, oauth.InvalidGrant, reason.GrantExpired},
		{"the end of its last second", func(w *world, _ *grant.RedeemRequest) { w.clock.Advance(time.Minute) }, oauth.InvalidGrant, reason.GrantExpired},
		{"a domain that was turned off", func(w *world, _ *grant.RedeemRequest) { w.policy.why.Store(reason.DomainOff) }, oauth.InvalidGrant, reason.DomainOff},
		{"a revocation of the person", func(w *world, _ *grant.RedeemRequest) {
			if _, err := w.RevokeUser(context.Background(), w.user.ID, grant.ByAdmin, nil); err != nil {
				w.t.Fatal(err)
			}
		}, oauth.InvalidGrant, reason.GrantRevoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			code := w.approve()
			req := w.redeemRequest(code)
			c.change(w, &req)
			tokens, refused := w.Redeem(context.Background(), req)
			wantRefused(t, refused, c.code, c.why)
			if tokens.AccessToken != "" || tokens.RefreshToken != "" || tokens.Reused {
				t.Error("a refusal carries tokens or speaks of reuse")
			}
		})
	}
}

func TestRedeemAcceptsWhatIsOptionalOrEqual(t *testing.T) {
	for name, change := range map[string]func(r *grant.RedeemRequest){
		"no redirect URI":             func(r *grant.RedeemRequest) { r.RedirectURI = "" },
		"no resource":                 func(r *grant.RedeemRequest) { r.Resource = "" },
		"the resource in upper case":  func(r *grant.RedeemRequest) { r.Resource = "HTTPS://API.example.com/mcp/appstore" },
		"the resource with a slash":   func(r *grant.RedeemRequest) { r.Resource = resource + "/" },
		"the resource with a port":    func(r *grant.RedeemRequest) { r.Resource = "https://api.example.com:443/mcp/appstore" },
		"everything as it was before": func(*grant.RedeemRequest) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			req := w.redeemRequest(w.approve())
			change(&req)
			if _, refused := w.Redeem(context.Background(), req); refused != nil {
				t.Fatal(refused)
			}
		})
	}
}

func TestAFailedAttemptDoesNotBurnTheCode(t *testing.T) {
	for name, spoil := range map[string]func(w *world, r *grant.RedeemRequest){
		"a wrong verifier":      func(_ *world, r *grant.RedeemRequest) { r.Verifier = wrongVerifier },
		"a wrong client":        func(w *world, r *grant.RedeemRequest) { r.Client = w.other },
		"a wrong resource":      func(_ *world, r *grant.RedeemRequest) { r.Resource = "https://other.example" },
		"a policy that refuses": func(w *world, _ *grant.RedeemRequest) { w.policy.why.Store(reason.DomainOff) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			good := w.redeemRequest(w.approve())
			bad := good
			spoil(w, &bad)
			for range 4 {
				if _, refused := w.Redeem(context.Background(), bad); refused == nil {
					t.Fatal("accepted")
				}
			}
			w.policy.why.Store(reason.None)
			if _, refused := w.Redeem(context.Background(), good); refused != nil {
				t.Fatal(refused)
			}
		})
	}
}

func TestFiveWrongVerifiersBurnTheCode(t *testing.T) {
	w := newWorld(t)
	good := w.redeemRequest(w.approve())
	bad := good
	bad.Verifier = wrongVerifier
	for range 5 {
		_, refused := w.Redeem(context.Background(), bad)
		wantRefused(t, refused, oauth.InvalidGrant, reason.GrantWrongVerifier)
	}
	_, refused := w.Redeem(context.Background(), good)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
}

func TestTheSecondRightRedemptionRevokesTheFamily(t *testing.T) {
	w := newWorld(t)
	req := w.redeemRequest(w.approve())
	first, refused := w.Redeem(context.Background(), req)
	if refused != nil {
		t.Fatal(refused)
	}
	next := w.mustRefresh(first.RefreshToken)
	w.clock.Advance(10 * time.Minute) // long after the code itself expired
	w.wantLive(first.AccessToken)
	w.cache.Wait()

	again, refused := w.Redeem(context.Background(), req)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if !again.Reused || again.Family.ID != first.Family.ID || again.User.ID != w.user.ID || again.AccessToken != "" {
		t.Errorf("got %+v reused=%v, want the family for the audit trail and no token", again.Family, again.Reused)
	}
	w.wantDead(first.AccessToken, reason.GrantRevoked)
	w.wantDead(next.AccessToken, reason.GrantRevoked)
	later, refused := w.refresh(next.RefreshToken)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)

	third, refused := w.Redeem(context.Background(), req)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if later.Reused || third.Reused {
		t.Error("a later use claims to have ended the family")
	}
}

func TestTheRetryOfARedemptionThatWasWithdrawnIsNoTheft(t *testing.T) {
	w := newWorld(t)
	req := w.redeemRequest(w.approve())
	first, refused := w.Redeem(context.Background(), req)
	if refused != nil {
		t.Fatal(refused)
	}
	if err := w.RevokeFamily(context.Background(), first.Family.ID, string(reason.GrantNotAudited)); err != nil {
		t.Fatal(err)
	}
	again, refused := w.Redeem(context.Background(), req)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantRevoked)
	if again.Reused || again.Family.ID != first.Family.ID {
		t.Errorf("reused %v, family %q", again.Reused, again.Family.ID)
	}
	w.wantDead(first.AccessToken, reason.GrantRevoked)
	row, err := w.store.Family(context.Background(), first.Family.ID)
	if err != nil || row.RevokedWhy != string(reason.GrantNotAudited) {
		t.Errorf("revoked by %q, %v, want the first cause", row.RevokedWhy, err)
	}
}

// RFC 6749 §4.1.2: nobody can tell this retry from the theft of the code.
func TestTheRetryOfARedemptionWithAnUnknownCommitRevokesTheFamily(t *testing.T) {
	w := newWorld(t)
	req := w.redeemRequest(w.approve())
	w.store.lostCommit.Store(true)
	_, refused := w.Redeem(context.Background(), req)
	wantUnavailable(t, refused)
	w.store.lostCommit.Store(false)
	again, refused := w.Redeem(context.Background(), req)
	wantRefused(t, refused, oauth.InvalidGrant, reason.GrantReused)
	if !again.Reused {
		t.Error("the family goes on")
	}
}

func TestAWrongReplayRevokesNothing(t *testing.T) {
	for name, spoil := range map[string]func(w *world, r *grant.RedeemRequest){
		"a wrong verifier":     func(_ *world, r *grant.RedeemRequest) { r.Verifier = wrongVerifier },
		"a wrong client":       func(w *world, r *grant.RedeemRequest) { r.Client = w.other },
		"a wrong redirect URI": func(_ *world, r *grant.RedeemRequest) { r.RedirectURI = "https://other.example" },
		"a wrong resource":     func(_ *world, r *grant.RedeemRequest) { r.Resource = "https://other.example" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			req := w.redeemRequest(w.approve())
			first, refused := w.Redeem(context.Background(), req)
			if refused != nil {
				t.Fatal(refused)
			}
			spoil(w, &req)
			for range 6 {
				tokens, refused := w.Redeem(context.Background(), req)
				if refused == nil || refused.Code != oauth.InvalidGrant || tokens.Reused {
					t.Fatalf("got %v, reused %v", refused, tokens.Reused)
				}
			}
			w.wantLive(first.AccessToken)
			w.mustRefresh(first.RefreshToken)
		})
	}
}

func TestRedeemWithoutAStoreIsAFaultOfOurs(t *testing.T) {
	w := newWorld(t)
	req := w.redeemRequest(w.approve())
	w.store.down.Store(true)
	_, refused := w.Redeem(context.Background(), req)
	wantUnavailable(t, refused)
	w.store.down.Store(false)
	if _, refused = w.Redeem(context.Background(), req); refused != nil {
		t.Fatalf("the code did not survive the fault: %v", refused)
	}
}

func wantUnavailable(t testing.TB, refused *oauth.Error) {
	t.Helper()
	if refused == nil || refused.Code != oauth.TemporarilyUnavailable || refused.Status != http.StatusServiceUnavailable || refused.RetryAfter <= 0 {
		t.Fatalf("got %+v, want a 503 with Retry-After", refused)
	}
}
