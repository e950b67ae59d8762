package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestEveryOutcomeIsAudited(t *testing.T) {
	whose := audit.Event{
		DomainID: "example.com", UserID: "user", UserEmail: "ada@example.com", ClientID: "client", ClientName: "Claude Code",
		GrantID: "family", Resource: "https://r.example", RequestID: "request-1", ClientIP: "192.0.2.1", Durable: true,
	}
	anonymous := audit.Event{RequestID: "request-1", ClientIP: "192.0.2.1"}
	with := func(e audit.Event, change func(e *audit.Event)) audit.Event { change(&e); return e }
	known := grant.Tokens{Family: issued.Family, User: issued.User}
	for _, c := range []struct {
		name string
		form string
		set  func(f *fakes)
		want audit.Event
	}{
		{"a code redeemed", codeForm, func(*fakes) {}, with(whose, func(e *audit.Event) {
			e.Name, e.Scopes = audit.TokenIssued, []string{"appstore:read", "appstore:request"}
		})},
		{"a refresh", refreshForm, func(*fakes) {}, with(whose, func(e *audit.Event) {
			e.Name, e.Scopes = audit.TokenRefreshed, []string{"appstore:read", "appstore:request"}
		})},
		{"a refusal that changed nothing does not wait for the disk", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantRevoked, "no")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode, e.Durable = audit.TokenRefused, reason.GrantRevoked, "invalid_grant", false
		})},
		{"a wrong verifier that was counted", codeForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantWrongVerifier, "no")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.TokenRefused, reason.GrantWrongVerifier, "invalid_grant"
		})},
		{"a wrong verifier for a dead code", codeForm, func(f *fakes) {
			f.tokens, f.refused = grant.Tokens{Family: issued.Family}, oauth.Errorf(oauth.InvalidGrant, reason.GrantWrongVerifier, "no")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode, e.Durable = audit.TokenRefused, reason.GrantWrongVerifier, "invalid_grant", false
			e.UserEmail = ""
		})},
		{"a theft", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantReused, "no")
			f.tokens.Reused = true
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.RefreshReuse, reason.GrantReused, "invalid_grant"
		})},
		{"a use of a grant that a theft had ended", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantReused, "no")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.RefreshReuse, reason.GrantReused, "invalid_grant"
		})},
		{"a refresh over the rate", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.TooMany(reason.LimitRotations, time.Minute, "later")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode, e.Durable = audit.LimitHit, reason.LimitRotations, "temporarily_unavailable", false
		})},
		{"too many bad secrets", refreshForm, func(f *fakes) {
			f.auth = oauth.TooMany(reason.LimitBadSecrets, time.Minute, "later")
		}, with(anonymous, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.LimitHit, reason.LimitBadSecrets, "temporarily_unavailable"
		})},
		{"a made-up token", refreshForm, func(f *fakes) {
			f.tokens, f.refused = grant.Tokens{}, oauth.Errorf(oauth.InvalidGrant, reason.GrantUnknown, "no")
		}, with(anonymous, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.TokenRefused, reason.GrantUnknown, "invalid_grant"
			e.ClientID, e.ClientName = "client", "Claude Code"
		})},
		{"a bad secret", refreshForm, func(f *fakes) {
			f.auth = &oauth.Error{Code: oauth.InvalidClient, Reason: reason.ClientBadSecret, Status: 401, Description: "no"}
		}, with(anonymous, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.TokenRefused, reason.ClientBadSecret, "invalid_client"
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakes()
			c.set(f)
			f.serve(t, post(c.form))
			if diff := cmp.Diff([]audit.Event{c.want}, f.events, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if last := f.order[len(f.order)-1]; last != "audit" {
				t.Errorf("the last step before the answer is %s", last)
			}
		})
	}
}

func TestAFloodOfAnonymousRefusalsIsSampled(t *testing.T) {
	f := newFakes()
	f.tokens, f.refused = grant.Tokens{}, oauth.Errorf(oauth.InvalidGrant, reason.GrantUnknown, "no")
	c := clock.NewFake(time.Unix(1e9, 0))
	h := f.handler(t, io.Discard, c)
	for range 1000 {
		h.do(post(refreshForm))
	}
	if len(f.events) != 1 {
		t.Errorf("%d events in one second, want 1", len(f.events))
	}
	f.refused.Reason = reason.GrantWrongClient
	h.do(post(refreshForm))
	c.Advance(time.Second)
	h.do(post(refreshForm))
	if len(f.events) != 3 {
		t.Fatalf("%d events, want one for another reason and one for the next second", len(f.events))
	}
	if first, last := f.events[0].Count, f.events[2].Count; first != 0 || last != 0 {
		t.Errorf("counts %d and %d, want those of the reason itself", first, last)
	}
	f.refused.Reason = reason.GrantUnknown
	h.do(post(refreshForm))
	if held := f.events[3].Count; held != 999 {
		t.Errorf("the next event counts %d that were held back, want 999", held)
	}
}

func TestAFloodOfRefusalsIsSampledByGrantAndReason(t *testing.T) {
	f := newFakes()
	revoked := grant.Tokens{Family: issued.Family, User: issued.User}
	another := revoked
	another.Family.ID = "another"
	c := clock.NewFake(time.Unix(1e9, 0))
	h := f.handler(t, io.Discard, c)
	refuse := func(times int, tokens grant.Tokens, why reason.Reason) {
		f.tokens, f.refused = tokens, oauth.Errorf(oauth.InvalidGrant, why, "no")
		for range times {
			if resp := h.do(post(refreshForm)); resp.StatusCode != http.StatusBadRequest {
				t.Fatalf("got %d, want the refusal", resp.StatusCode)
			}
		}
	}
	refuse(150, revoked, reason.GrantRevoked)
	refuse(150, revoked, reason.GrantWrongClient)
	refuse(150, another, reason.GrantRevoked)
	c.Advance(time.Second)
	refuse(1, revoked, reason.GrantRevoked)
	refuse(3, revoked, reason.GrantWrongVerifier) // counted: each of them

	type line struct {
		Grant   string
		Reason  reason.Reason
		Count   int
		Durable bool
	}
	var got []line
	for _, e := range f.events {
		got = append(got, line{e.GrantID, e.Reason, e.Count, e.Durable})
	}
	guess := line{"family", reason.GrantWrongVerifier, 0, true}
	want := []line{
		{"family", reason.GrantRevoked, 0, false},
		{"family", reason.GrantWrongClient, 0, false},
		{"another", reason.GrantRevoked, 0, false},
		{"family", reason.GrantRevoked, 149, false},
		guess, guess, guess,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalsOfManyClientsCrowdOutNoneOfAGrant(t *testing.T) {
	f := newFakes()
	h := f.handler(t, io.Discard, clock.NewFake(time.Unix(1e9, 0)))
	f.tokens, f.refused = grant.Tokens{}, oauth.Errorf(oauth.InvalidGrant, reason.GrantUnknown, "no")
	for i := range 1000 {
		f.client.ID = fmt.Sprint("client-", i)
		h.do(post(refreshForm))
		h.do(post(refreshForm))
	}
	if n := len(f.events); n < 2 || n >= 1000 {
		t.Errorf("%d events of 1000 clients, want one of each up to a bound", n)
	}
	if f.events[0].ClientID != "client-0" || f.events[1].ClientID != "client-1" {
		t.Errorf("clients %q and %q share a sample", f.events[0].ClientID, f.events[1].ClientID)
	}
	f.events, f.client.ID = nil, "client"
	f.tokens, f.refused = grant.Tokens{Family: issued.Family}, oauth.Errorf(oauth.InvalidGrant, reason.GrantRevoked, "no")
	h.do(post(refreshForm))
	if len(f.events) != 1 || f.events[0].GrantID != "family" {
		t.Errorf("events %+v, want that of the grant", f.events)
	}
}

func TestATheftWhoseFirstRecordFailedIsToldAtTheNextUse(t *testing.T) {
	f := newFakes()
	f.tokens = grant.Tokens{Family: issued.Family, User: issued.User, Reused: true}
	f.refused, f.audit = oauth.Errorf(oauth.InvalidGrant, reason.GrantReused, "no"), errors.New("disk on fire")
	c := clock.NewFake(time.Unix(1e9, 0))
	var log strings.Builder
	h := f.handler(t, &log, c)
	if resp := h.do(post(refreshForm)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d, want the refusal to stand", resp.StatusCode)
	}
	if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "refresh_reuse_detected") {
		t.Errorf("the fault is not logged: %s", log.String())
	}

	f.tokens.Reused, f.audit = false, nil // the family has ended
	for range 1000 {
		h.do(post(refreshForm))
	}
	c.Advance(time.Second)
	h.do(post(refreshForm))
	if len(f.events) != 2 || f.events[0].Name != audit.RefreshReuse || !f.events[0].Durable || f.events[0].GrantID != "family" {
		t.Fatalf("events %+v, want the theft told once per second", f.events)
	}
	if f.events[1].Count != 999 {
		t.Errorf("the second counts %d, want 999", f.events[1].Count)
	}
}

func TestACodeWhoseRedemptionCannotBeAuditedEndsItsGrant(t *testing.T) {
	down := errors.New("disk on fire")
	t.Run("for a cause of its own, also when the client has gone away", func(t *testing.T) {
		f := newFakes()
		f.audit = down
		r := post(codeForm)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		if resp := f.serve(t, r.WithContext(ctx)); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %d, want 503", resp.StatusCode)
		}
		if diff := cmp.Diff([][2]string{{"family", string(reason.GrantNotAudited)}}, f.ended); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"authenticate", "redeem", "audit", "revoke"}, f.order); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("and says so in the log if it cannot", func(t *testing.T) {
		f := newFakes()
		f.audit, f.revoke = down, errors.New("store gone")
		var log strings.Builder
		f.handler(t, &log, clock.System).do(post(codeForm))
		if !strings.Contains(log.String(), "store gone") || !strings.Contains(log.String(), "grant_id=family") {
			t.Errorf("log: %s", log.String())
		}
	})
	t.Run("while a refresh is tried again inside the grace", func(t *testing.T) {
		f := newFakes()
		f.audit = down
		if resp := f.serve(t, post(refreshForm)); resp.StatusCode != http.StatusServiceUnavailable || len(f.ended) != 0 {
			t.Errorf("got %d, ended %v; want 503 and nothing ended", resp.StatusCode, f.ended)
		}
	})
}

func TestAClientThatWentAwayDoesNotStopTheAudit(t *testing.T) {
	f := newFakes()
	r := post(codeForm)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	f.serve(t, r.WithContext(ctx))
	if len(f.events) != 1 {
		t.Errorf("%d events, want 1", len(f.events))
	}
}

func TestAFaultIsLoggedWithItsCauseAndWithoutSecrets(t *testing.T) {
	f := newFakes()
	f.refused = oauth.Unavailable(errors.New("disk on fire"))
	var log strings.Builder
	f.handler(t, &log, clock.System).do(post(refreshForm))
	for _, want := range []string{"disk on fire", "request-1", "endpoint=token"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), secretRefresh) {
		t.Error("the log holds the token")
	}
	if len(f.events) != 0 {
		t.Error("a fault of ours is audited as a refusal")
	}
}
