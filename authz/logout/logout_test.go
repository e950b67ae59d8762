package logout_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/logout"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// provider reads logout tokens, as it is told.
type provider struct {
	idp.Provider
	logout idp.Logout
	err    error
	read   []string
}

func (p *provider) ReadLogout(_ context.Context, token string) (idp.Logout, error) {
	p.read = append(p.read, token)
	return p.logout, p.err
}

// plain signs people in and tells of no logouts.
type plain struct{ idp.Provider }

// fake is the endpoint with what stands behind it.
type fake struct {
	http.Handler
	provider *provider
	trail    audittest.Memory
	ended    []grant.Ended
	err      error
	done     []grant.Logout
	ctx      error // of LogOut's context, when it was called
}

func (f *fake) LogOut(ctx context.Context, l grant.Logout, record grant.Record) ([]grant.Ended, error) {
	f.ctx = ctx.Err()
	if f.err != nil {
		return nil, f.err
	}
	f.done = append(f.done, l)
	for _, e := range f.ended {
		if err := record(ctx, e); err != nil {
			return nil, err
		}
	}
	return f.ended, nil
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		provider: &provider{logout: idp.Logout{Issuer: "https://idp.example", Subject: "ann", Session: "s1", TokenID: "j1", Until: now.Add(time.Minute)}},
		ended: []grant.Ended{{
			User:     store.User{ID: "ours", Domain: "acme.com", Email: "ann@acme.com"},
			Families: []store.Family{{ID: "f1", Subject: "theirs", ClientID: "c", Resource: "https://api.example/mcp"}},
		}},
	}
	var err error
	f.Handler, err = logout.New(logout.Config{
		Providers: map[string]idp.Provider{"acme.com": f.provider, "plain.example": plain{}},
		Grants:    f, Audit: &f.trail, Clock: clock.NewFake(now), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) send(domain, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, logout.Path+domain, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r = r.WithContext(httpx.WithClientIP(httpx.WithRequestID(r.Context(), "r1"), "192.0.2.1"))
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestALogoutIsAcknowledgedWhenItIsDone(t *testing.T) {
	f := newFake(t)
	w := f.send("acme.com", "logout_token=the+token&other=1")
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	want := []grant.Logout{{
		Domain: "acme.com", Issuer: "https://idp.example", Subject: "ann", Session: "s1",
		Token: sha256.Sum256([]byte("acme.com\x00https://idp.example\x00j1")), Until: now.Add(time.Minute),
	}}
	if diff := cmp.Diff(want, f.done); diff != "" || f.provider.read[0] != "the token" {
		t.Errorf("read %q, %s", f.provider.read, diff)
	}
	const detail = "the identity provider signed the person out"
	about := audit.Event{DomainID: "acme.com", UserEmail: "ann@acme.com", Reason: "idp_logout", RequestID: "r1", ClientIP: "192.0.2.1", Time: now}
	person, token := about, about
	person.Name, person.Detail = audit.PersonSignedOut, detail+", with 1 grants"
	token.Name, token.Detail, token.UserID, token.ClientID, token.GrantID, token.Resource, token.Durable = audit.TokenRevoked, detail, "theirs", "c", "f1", "https://api.example/mcp", true
	if diff := cmp.Diff([]audit.Event{person, token}, f.trail.Events()); diff != "" {
		t.Error(diff)
	}
}

func TestTheTrailTellsTheEndOfASessionFromThatOfAPerson(t *testing.T) {
	f := newFake(t)
	f.provider.logout.Subject = ""
	f.send("acme.com", "logout_token=x")
	if e := f.trail.Events()[0]; e.Detail != "the identity provider ended the session of the sign-in, with 1 grants" {
		t.Errorf("%+v", e)
	}
}

func TestALogoutOfNobodyIsDone(t *testing.T) {
	f := newFake(t)
	f.ended = nil
	if w := f.send("acme.com", "logout_token=x"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestABadLogoutIsRefusedAndChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		domain, body string
		arrange      func(*fake)
		change       func(*http.Request)
		status       int
		audited      string
	}{
		"a token that is not valid":      {"acme.com", "logout_token=x", func(f *fake) { f.provider.err = fmt.Errorf("%w: nonce", idp.ErrInvalid) }, nil, 400, "backend/idp_bad_answer not valid"},
		"a token that was used":          {"acme.com", "logout_token=x", func(f *fake) { f.err = fmt.Errorf("log out: %w", grant.ErrLogoutReplayed) }, nil, 400, "backend/idp_bad_answer replayed"},
		"a domain that is not here":      {"other.example", "logout_token=x", nil, nil, 400, "domain/unknown no such identity provider"},
		"a provider that sends none":     {"plain.example", "logout_token=x", nil, nil, 400, "domain/unknown no such identity provider"},
		"more path than a domain":        {"acme.com/x", "logout_token=x", nil, nil, 400, "domain/unknown no such identity provider"},
		"no token":                       {"acme.com", "token=x", nil, nil, 400, ""},
		"two tokens":                     {"acme.com", "logout_token=x&logout_token=y", nil, nil, 400, ""},
		"a token in the address":         {"acme.com?logout_token=x", "", nil, nil, 400, ""},
		"a body that is JSON":            {"acme.com", `{}`, nil, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, ""},
		"a body without end":             {"acme.com", "logout_token=" + strings.Repeat("x", 40000), nil, nil, 413, ""},
		"a GET, as of a link in a mail":  {"acme.com", "", nil, func(r *http.Request) { r.Method = http.MethodGet }, 405, ""},
		"a preflight of another website": {"acme.com", "", nil, func(r *http.Request) { r.Method = http.MethodOptions }, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			if c.arrange != nil {
				c.arrange(f)
			}
			var changes []func(*http.Request)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			w := f.send(c.domain, c.body, changes...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), `"error":"invalid_request"`) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Error("a browser may read it")
			}
			audited := ""
			for _, e := range f.trail.Events() {
				audited = string(e.Reason) + " " + e.Detail
				if e.Name != audit.LogoutRefused {
					t.Errorf("%+v", e)
				}
			}
			if len(f.done) != 0 || audited != c.audited {
				t.Errorf("done %v, audited %q", f.done, audited)
			}
		})
	}
}

func TestAFaultIsNoBadToken(t *testing.T) {
	for name, arrange := range map[string]func(*fake){
		"of the provider": func(f *fake) { f.provider.err = fmt.Errorf("keys: %w", idp.ErrUnavailable) },
		"of the store":    func(f *fake) { f.err = store.ErrUnavailable },
		"of the trail":    func(f *fake) { f.trail.Fail(errors.New("disk full")) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			arrange(f)
			w := f.send("acme.com", url.Values{"logout_token": {"x"}}.Encode())
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

func TestALogoutGoesOnWhenTheProviderGoesAway(t *testing.T) {
	f := newFake(t)
	f.send("acme.com", "logout_token=x", func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	})
	if f.ctx != nil || len(f.done) != 1 {
		t.Errorf("%v, done %d", f.ctx, len(f.done))
	}
}
