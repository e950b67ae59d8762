package revoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/revoke"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

type fakes struct {
	revoked grant.Revoked
	refused *oauth.Error
	auth    *oauth.Error
	audit   error

	tokens []string
	events []audit.Event
}

func (f *fakes) Revoke(_ context.Context, token string, _ store.Client) (grant.Revoked, *oauth.Error) {
	f.tokens = append(f.tokens, token)
	return f.revoked, f.refused
}

func (f *fakes) Authenticate(context.Context, *http.Request, oauth.Params) (store.Client, *oauth.Error) {
	return store.Client{ID: "client", Name: "Claude Code"}, f.auth
}

func (f *fakes) Record(_ context.Context, e audit.Event) error {
	if f.audit == nil {
		f.events = append(f.events, e)
	}
	return f.audit
}

func (f *fakes) serve(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	h, err := revoke.New(revoke.Config{
		Grants: f, Clients: f, Audit: f, Clock: clock.NewFake(time.Unix(1e9, 0)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func post(form string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/revoke", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

var found = grant.Revoked{
	Found: true, Whole: true, User: store.User{Email: "ada@example.com"},
	Family: store.Family{ID: "family", Domain: "example.com", UserID: "internal", Subject: "user", Resource: "https://r.example"},
}

func TestARevocationIsAnsweredEmptyAfterItWasAudited(t *testing.T) {
	f := &fakes{revoked: found}
	resp, body := f.serve(t, post("token=lmr_x&token_type_hint=access_token&client_id=client"))
	if resp.StatusCode != http.StatusOK || body != "" || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	want := []audit.Event{{
		Name: audit.TokenRevoked, DomainID: "example.com", UserID: "user", UserEmail: "ada@example.com", ClientID: "client",
		ClientName: "Claude Code", GrantID: "family", Resource: "https://r.example", Durable: true,
	}}
	if diff := cmp.Diff(want, f.events); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"lmr_x"}, f.tokens); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnknownTokenIsASuccessThatLeavesNoTrace(t *testing.T) {
	f := &fakes{}
	resp, body := f.serve(t, post("token=anything&client_id=client"))
	if resp.StatusCode != http.StatusOK || body != "" || len(f.events) != 0 {
		t.Errorf("%d %q, %d events", resp.StatusCode, body, len(f.events))
	}
}

func TestRefusals(t *testing.T) {
	unauthorized := &oauth.Error{Code: oauth.InvalidClient, Reason: reason.ClientUnknown, Status: 401, Description: "no"}
	for _, c := range []struct {
		name   string
		req    *http.Request
		fakes  fakes
		status int
		code   string
		header map[string]string
		asked  bool // whether the token was looked at
	}{
		{name: "GET is no method for it", req: httptest.NewRequest(http.MethodGet, "/revoke?token=x", nil), status: 405, code: "invalid_request", header: map[string]string{"Allow": "POST"}},
		{name: "a token in the query only", req: func() *http.Request { r := post(""); r.URL.RawQuery = "token=x"; return r }(), status: 400, code: "invalid_request"},
		{name: "no token", req: post("client_id=client"), status: 400, code: "invalid_request"},
		{name: "a repeated token", req: post("token=a&token=b"), status: 400, code: "invalid_request"},
		{name: "a repeated hint", req: post("token=a&token_type_hint=a&token_type_hint=b"), status: 400, code: "invalid_request"},
		{name: "a body of a megabyte", req: post(strings.Repeat("a", 1<<20)), status: 413, code: "invalid_request"},
		{name: "an unknown client", req: post("token=a"), fakes: fakes{auth: unauthorized}, status: 401, code: "invalid_client"},
		{name: "the token of another client", req: post("token=a"), fakes: fakes{refused: oauth.Errorf(oauth.InvalidRequest, reason.GrantWrongClient, "no")}, status: 400, code: "invalid_request", asked: true},
		{name: "a refusal that cannot be audited", req: post("token=a"), fakes: fakes{refused: oauth.Errorf(oauth.InvalidRequest, reason.GrantWrongClient, "no"), audit: errors.New("disk")}, status: 400, code: "invalid_request", asked: true},
		{name: "an unknown client that cannot be audited", req: post("token=a"), fakes: fakes{auth: unauthorized, audit: errors.New("disk")}, status: 401, code: "invalid_client"},
		{name: "a store that is down", req: post("token=a"), fakes: fakes{refused: oauth.Unavailable(errors.New("disk"))}, status: 503, code: "temporarily_unavailable", header: map[string]string{"Retry-After": "1"}, asked: true},
		{name: "an audit trail that is down", req: post("token=a"), fakes: fakes{revoked: found, audit: errors.New("disk")}, status: 503, code: "temporarily_unavailable", header: map[string]string{"Retry-After": "1"}, asked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := c.fakes.serve(t, c.req)
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %q", err, body)
			}
			if resp.StatusCode != c.status || got["error"] != c.code {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, c.status, c.code)
			}
			for name, want := range c.header {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if (len(c.fakes.tokens) > 0) != c.asked {
				t.Errorf("looked at %q, want looked = %v", c.fakes.tokens, c.asked)
			}
		})
	}
}

func TestNewRefusesAConfigurationWithAGap(t *testing.T) {
	f := &fakes{}
	for name, cfg := range map[string]revoke.Config{
		"no grants":  {Clients: f, Audit: f},
		"no clients": {Grants: f, Audit: f},
		"no audit":   {Grants: f, Clients: f},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := revoke.New(cfg); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}
