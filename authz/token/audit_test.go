package token_test

import (
	"context"
	"errors"
	"io"
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
		{"a refusal of a known grant", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantRevoked, "no")
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.TokenRefused, reason.GrantRevoked, "invalid_grant"
		})},
		{"a theft", refreshForm, func(f *fakes) {
			f.tokens, f.refused = known, oauth.Errorf(oauth.InvalidGrant, reason.GrantReused, "no")
			f.tokens.Reused = true
		}, with(whose, func(e *audit.Event) {
			e.Name, e.Reason, e.ErrorCode = audit.RefreshReuse, reason.GrantReused, "invalid_grant"
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
		t.Errorf("%d events, want one for another reason and one for the next second", len(f.events))
	}
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
