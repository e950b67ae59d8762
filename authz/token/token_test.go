package token_test

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
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	secretCode    = "lmc_secret-code"
	secretRefresh = "lmr_secret-refresh"
	secretAccess  = "lma_secret-access"
	verifier      = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

var issued = grant.Tokens{
	AccessToken: secretAccess, RefreshToken: "lmr_next", ExpiresIn: 3600, Scope: "appstore:read appstore:request",
	Family: store.Family{ID: "family", Domain: "example.com", UserID: "internal", Subject: "user", Resource: "https://r.example"},
	User:   store.User{ID: "user", Email: "ada@example.com"},
}

// fakes stand for the grants, the clients and the audit trail.
type fakes struct {
	tokens  grant.Tokens
	refused *oauth.Error
	auth    *oauth.Error
	client  store.Client
	audit   error
	revoke  error // of RevokeFamily

	redeemed  []grant.RedeemRequest
	refreshed []grant.RefreshRequest
	asked     int         // client authentications
	ended     [][2]string // family and cause
	events    []audit.Event
	order     []string
}

func (f *fakes) Redeem(_ context.Context, r grant.RedeemRequest) (grant.Tokens, *oauth.Error) {
	f.redeemed = append(f.redeemed, r)
	f.order = append(f.order, "redeem")
	return f.tokens, f.refused
}

func (f *fakes) Refresh(_ context.Context, r grant.RefreshRequest) (grant.Tokens, *oauth.Error) {
	f.refreshed = append(f.refreshed, r)
	f.order = append(f.order, "refresh")
	return f.tokens, f.refused
}

func (f *fakes) RevokeFamily(ctx context.Context, id, why string) error {
	f.order = append(f.order, "revoke")
	if err := ctx.Err(); err != nil {
		return err
	}
	f.ended = append(f.ended, [2]string{id, why})
	return f.revoke
}

func (f *fakes) Authenticate(context.Context, *http.Request, oauth.Params) (store.Client, *oauth.Error) {
	f.asked++
	f.order = append(f.order, "authenticate")
	return f.client, f.auth
}

func (f *fakes) Record(ctx context.Context, e audit.Event) error {
	f.order = append(f.order, "audit")
	if f.audit != nil {
		return f.audit
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.events = append(f.events, e)
	return nil
}

func newFakes() *fakes {
	return &fakes{tokens: issued, client: store.Client{
		ID: "client", Name: "Claude Code", GrantTypes: []string{"authorization_code", "refresh_token"},
	}}
}

func (f *fakes) serve(t testing.TB, r *http.Request) *http.Response {
	t.Helper()
	return f.handler(t, io.Discard, clock.NewFake(time.Unix(1e9, 0))).do(r)
}

type handler struct{ http.Handler }

func (f *fakes) handler(t testing.TB, log io.Writer, c clock.Clock) handler {
	t.Helper()
	h, err := token.New(token.Config{Grants: f, Clients: f, Audit: f, Clock: c, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return handler{h}
}

func (h handler) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ctx := httpx.WithRequestID(httpx.WithClientIP(r.Context(), "192.0.2.1"), "request-1")
	return r.WithContext(ctx)
}

const (
	codeForm    = "grant_type=authorization_code&client_id=client&code=" + secretCode + "&code_verifier=" + verifier
	refreshForm = "grant_type=refresh_token&client_id=client&refresh_token=" + secretRefresh
)

// TestErrorMatrix pins status and error code of every way to be refused.
func TestErrorMatrix(t *testing.T) {
	refused := func(code oauth.Code, why reason.Reason) func(*fakes) {
		return func(f *fakes) { f.tokens, f.refused = grant.Tokens{}, oauth.Errorf(code, why, "no") }
	}
	badClient := func(f *fakes) {
		f.auth = oauth.Errorf(oauth.InvalidClient, reason.ClientUnknown, "no such client")
		f.auth.Status = http.StatusUnauthorized
	}
	for _, c := range []struct {
		name   string
		req    *http.Request
		set    func(f *fakes)
		status int
		code   string
		header map[string]string
		asked  int // client authentications
	}{
		{name: "GET is no method for it", req: httptest.NewRequest(http.MethodGet, "/token?"+codeForm, nil), status: 405, code: "invalid_request", header: map[string]string{"Allow": "POST"}},
		{name: "PUT is no method for it", req: httptest.NewRequest(http.MethodPut, "/token", nil), status: 405, code: "invalid_request", header: map[string]string{"Allow": "POST"}},
		{name: "HEAD is no method for it", req: httptest.NewRequest(http.MethodHead, "/token", nil), status: 405, code: "invalid_request"},
		{name: "a JSON body", req: withType(post(`{"grant_type":"refresh_token"}`), "application/json"), status: 400, code: "invalid_request"},
		{name: "no content type", req: withType(post(codeForm), ""), status: 400, code: "invalid_request"},
		{name: "parameters in the query only", req: inQuery(codeForm), status: 400, code: "invalid_request", asked: 1},
		{name: "a body of a megabyte", req: post(strings.Repeat("a", 1<<20)), status: 413, code: "invalid_request"},
		{name: "a body that is not form-encoded", req: post("grant_type=%zz"), status: 400, code: "invalid_request"},
		{name: "a hundred parameters too many", req: post(strings.Repeat("a=b&", 200)), status: 400, code: "invalid_request"},
		{name: "a repeated grant_type", req: post(codeForm + "&grant_type=refresh_token"), status: 400, code: "invalid_request"},
		{name: "a repeated code", req: post(codeForm + "&code=x"), status: 400, code: "invalid_request"},
		{name: "a repeated redirect_uri", req: post(codeForm + "&redirect_uri=x&redirect_uri=x"), status: 400, code: "invalid_request"},
		{name: "a repeated code_verifier", req: post(codeForm + "&code_verifier=" + verifier), status: 400, code: "invalid_request"},
		{name: "a repeated client_id", req: post(codeForm + "&client_id=client"), status: 400, code: "invalid_request"},
		{name: "a repeated client_secret", req: post(codeForm + "&client_secret=a&client_secret=b"), status: 400, code: "invalid_request"},
		{name: "a repeated refresh_token", req: post(refreshForm + "&refresh_token=x"), status: 400, code: "invalid_request"},
		{name: "a repeated scope", req: post(refreshForm + "&scope=a&scope=b"), status: 400, code: "invalid_request"},
		{name: "a repeated resource", req: post(refreshForm + "&resource=a&resource=b"), status: 400, code: "invalid_request"},
		{name: "a parameter repeated empty", req: post(codeForm + "&code="), status: 400, code: "invalid_request"},

		{name: "two ways of authentication", req: post(codeForm), set: func(f *fakes) {
			f.auth = oauth.Errorf(oauth.InvalidRequest, reason.ClientBadRequest, "two")
		}, status: 400, code: "invalid_request", asked: 1},
		{name: "an unknown client", req: post(codeForm), set: badClient, status: 401, code: "invalid_client", header: map[string]string{"WWW-Authenticate": ""}, asked: 1},
		{name: "a bad secret by Basic", req: withBasic(post(codeForm)), set: badClient, status: 401, code: "invalid_client", header: map[string]string{"WWW-Authenticate": `Basic realm="mcp-edge"`}, asked: 1},
		{name: "an unknown client with a bad grant type hears of the client", req: post("grant_type=x"), set: badClient, status: 401, code: "invalid_client", asked: 1},
		{name: "clients cannot be read", req: post(codeForm), set: func(f *fakes) { f.auth = oauth.Unavailable(errors.New("disk")) }, status: 503, code: "temporarily_unavailable", header: map[string]string{"Retry-After": "1"}, asked: 1},

		{name: "no grant type", req: post("client_id=client"), status: 400, code: "invalid_request", asked: 1},
		{name: "an empty grant type", req: post("grant_type=&client_id=client"), status: 400, code: "invalid_request", asked: 1},
		{name: "an unknown grant type", req: post("grant_type=password&username=a&password=b"), status: 400, code: "unsupported_grant_type", asked: 1},
		{name: "a grant type that the client is not registered for", req: post(refreshForm), set: func(f *fakes) {
			f.client.GrantTypes = []string{"authorization_code"}
		}, status: 400, code: "unauthorized_client", asked: 1},
		{name: "no code", req: post("grant_type=authorization_code&code_verifier=" + verifier), status: 400, code: "invalid_request", asked: 1},
		{name: "no code verifier", req: post("grant_type=authorization_code&code=x"), status: 400, code: "invalid_request", asked: 1},
		{name: "no refresh token", req: post("grant_type=refresh_token"), status: 400, code: "invalid_request", asked: 1},

		{name: "a dead code", req: post(codeForm), set: refused(oauth.InvalidGrant, reason.GrantExpired), status: 400, code: "invalid_grant", asked: 1},
		{name: "a dead refresh token", req: post(refreshForm), set: refused(oauth.InvalidGrant, reason.GrantRevoked), status: 400, code: "invalid_grant", asked: 1},
		{name: "a scope that is too wide", req: post(refreshForm), set: refused(oauth.InvalidScope, reason.ScopeInvalid), status: 400, code: "invalid_scope", asked: 1},
		{name: "another resource", req: post(refreshForm), set: refused(oauth.InvalidTarget, reason.ResourceWrong), status: 400, code: "invalid_target", asked: 1},
		{name: "a store that is down", req: post(refreshForm), set: func(f *fakes) {
			f.tokens, f.refused = grant.Tokens{}, oauth.Unavailable(errors.New("disk"))
		}, status: 503, code: "temporarily_unavailable", header: map[string]string{"Retry-After": "1"}, asked: 1},
		{name: "an audit trail that is down", req: post(codeForm), set: func(f *fakes) { f.audit = errors.New("disk") }, status: 503, code: "temporarily_unavailable", header: map[string]string{"Retry-After": "1"}, asked: 1},
		{name: "an audit trail that is down for a refusal", req: post(codeForm), set: func(f *fakes) {
			refused(oauth.InvalidGrant, reason.GrantUnknown)(f)
			f.audit = errors.New("disk")
		}, status: 400, code: "invalid_grant", asked: 1},
		{name: "an audit trail that is down for a refusal of a known grant", req: post(refreshForm), set: func(f *fakes) {
			f.refused, f.audit = oauth.Errorf(oauth.InvalidGrant, reason.GrantRevoked, "no"), errors.New("disk")
		}, status: 400, code: "invalid_grant", asked: 1},
		{name: "an audit trail that is down for a bad client", req: post(codeForm), set: func(f *fakes) {
			badClient(f)
			f.audit = errors.New("disk")
		}, status: 401, code: "invalid_client", asked: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakes()
			if c.set != nil {
				c.set(f)
			}
			resp := f.serve(t, c.req)
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
			body := wantJSON(t, resp)
			var got map[string]string
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if got["error"] != c.code || got["error_description"] == "" || len(got) != 2 {
				t.Errorf("body %s, want error %s with a description", body, c.code)
			}
			for name, want := range c.header {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if f.asked != c.asked {
				t.Errorf("the client was authenticated %d times, want %d", f.asked, c.asked)
			}
			for _, secret := range []string{secretCode, secretRefresh, secretAccess, verifier} {
				if strings.Contains(string(body), secret) {
					t.Errorf("the answer holds %s", secret)
				}
			}
		})
	}
}

func wantJSON(t testing.TB, resp *http.Response) []byte {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store",
		"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After",
		"Access-Control-Allow-Credentials": "", "Set-Cookie": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func withType(r *http.Request, contentType string) *http.Request {
	r.Header.Del("Content-Type")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func withBasic(r *http.Request) *http.Request {
	r.SetBasicAuth("client", "wrong")
	return r
}

func inQuery(form string) *http.Request {
	r := post("")
	r.URL.RawQuery = form
	return r
}

func TestASuccessIsTheAnswerOfRFC6749(t *testing.T) {
	for name, form := range map[string]string{"code": codeForm, "refresh token": refreshForm} {
		t.Run(name, func(t *testing.T) {
			resp := newFakes().serve(t, post(form+"&unknown=ignored&unknown=twice"))
			body := wantJSON(t, resp)
			want := `{"access_token":"lma_secret-access","token_type":"Bearer","expires_in":3600,"refresh_token":"lmr_next","scope":"appstore:read appstore:request"}`
			if resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != want {
				t.Errorf("%d %s, want %s", resp.StatusCode, body, want)
			}
		})
	}
}

func TestEveryParameterArrives(t *testing.T) {
	f := newFakes()
	f.serve(t, post(codeForm+"&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&resource=https%3A%2F%2Fr.example"))
	f.serve(t, post(refreshForm+"&scope=a+b&resource=https%3A%2F%2Fr.example"))
	wantCode := []grant.RedeemRequest{{Code: secretCode, Client: f.client, RedirectURI: "http://localhost/cb", Verifier: verifier, Resource: "https://r.example"}}
	wantRefresh := []grant.RefreshRequest{{Token: secretRefresh, Client: f.client, Scope: "a b", Resource: "https://r.example"}}
	if diff := cmp.Diff(wantCode, f.redeemed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantRefresh, f.refreshed); diff != "" {
		t.Error(diff)
	}
}

func TestAClientThatCannotRefreshGetsNoRefreshToken(t *testing.T) {
	f := newFakes()
	f.client.GrantTypes = []string{"authorization_code"}
	body := wantJSON(t, f.serve(t, post(codeForm)))
	if strings.Contains(string(body), "refresh_token") {
		t.Errorf("got %s", body)
	}
}

func TestAPreflightIsAnsweredWithoutTheClient(t *testing.T) {
	f := newFakes()
	r := httptest.NewRequest(http.MethodOptions, "/token", nil)
	r.Header.Set("Origin", "https://inspector.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	resp := f.serve(t, r)
	if resp.StatusCode != http.StatusNoContent || f.asked != 0 {
		t.Errorf("status %d, %d authentications", resp.StatusCode, f.asked)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "Authorization, Content-Type, MCP-Protocol-Version, DPoP", "Access-Control-Allow-Credentials": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNewRefusesAConfigurationWithAGap(t *testing.T) {
	f := newFakes()
	for name, cfg := range map[string]token.Config{
		"no grants":  {Clients: f, Audit: f},
		"no clients": {Grants: f, Audit: f},
		"no audit":   {Grants: f, Clients: f},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := token.New(cfg); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

// FuzzForm looks for a body that panics or is answered outside the matrix.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{codeForm, refreshForm, "", "grant_type=%zz", "a=b&a=c", "grant_type=refresh_token;x", "\x00=\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fakes := newFakes()
		resp := fakes.serve(t, post(body))
		wantJSON(t, resp)
		switch resp.StatusCode {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}
