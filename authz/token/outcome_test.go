package token_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestEveryRequestIsToldOnceWithHowItEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		req  *http.Request
		set  func(f *fakes)
		want token.Outcome
	}{
		{name: "a code is exchanged", req: post(codeForm), want: token.Outcome{GrantType: "authorization_code", Result: token.Issued}},
		{name: "a refresh token is rotated", req: post(refreshForm), want: token.Outcome{GrantType: "refresh_token", Result: token.Refreshed}},
		{
			name: "a retry inside the grace", req: post(refreshForm), set: func(f *fakes) { f.tokens.Replay = true },
			want: token.Outcome{GrantType: "refresh_token", Result: token.Replayed},
		},
		{
			name: "a theft", req: post(refreshForm), set: func(f *fakes) {
				f.tokens, f.refused = grant.Tokens{Reused: true}, oauth.Errorf(oauth.InvalidGrant, reason.GrantReused, "no")
			},
			want: token.Outcome{GrantType: "refresh_token", Result: token.Refused, Reason: reason.GrantReused},
		},
		{
			name: "an unknown client", req: post(codeForm), set: func(f *fakes) {
				f.auth = oauth.Errorf(oauth.InvalidClient, reason.ClientUnknown, "no such client")
			},
			want: token.Outcome{GrantType: "authorization_code", Result: token.Refused, Reason: reason.ClientUnknown},
		},
		{
			name: "a grant type that is not served", req: post("grant_type=ada@example.com&client_id=client"),
			want: token.Outcome{GrantType: "other", Result: token.Refused, Reason: reason.ClientBadRequest},
		},
		{
			name: "a body that cannot be read", req: post("grant_type=%zz"),
			want: token.Outcome{GrantType: "other", Result: token.Refused, Reason: reason.ClientBadRequest},
		},
		{
			name: "another method", req: httptest.NewRequest(http.MethodGet, "/token?"+refreshForm, nil),
			want: token.Outcome{GrantType: "other", Result: token.Refused, Reason: reason.ClientBadRequest},
		},
		{
			name: "the store cannot answer", req: post(refreshForm), set: func(f *fakes) { f.refused = oauth.Unavailable(errors.New("disk")) },
			want: token.Outcome{GrantType: "refresh_token", Result: token.Unavailable, Reason: reason.StoreUnavailable},
		},
		{
			name: "what was issued cannot be audited", req: post(codeForm), set: func(f *fakes) { f.audit = errors.New("disk") },
			want: token.Outcome{GrantType: "authorization_code", Result: token.Unavailable, Reason: reason.AuditUnavailable},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakes()
			if c.set != nil {
				c.set(f)
			}
			var told []token.Outcome
			h, err := token.New(token.Config{
				Grants: f, Clients: f, Audit: f, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Observe: func(o token.Outcome) { told = append(told, o) },
			})
			if err != nil {
				t.Fatal(err)
			}
			handler{h}.do(c.req)
			if diff := cmp.Diff([]token.Outcome{c.want}, told); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestAPreflightIsNoTokenRequest(t *testing.T) {
	f := newFakes()
	h, err := token.New(token.Config{Grants: f, Clients: f, Audit: f, Observe: func(o token.Outcome) { t.Errorf("told %+v", o) }})
	if err != nil {
		t.Fatal(err)
	}
	if status := (handler{h}).do(httptest.NewRequest(http.MethodOptions, "/token", nil)).StatusCode; status != http.StatusNoContent {
		t.Errorf("answered %d", status)
	}
}
