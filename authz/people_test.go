package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// everybody is a directory in which everybody is active, or nobody, or that does
// not answer.
type everybody struct {
	mu     sync.Mutex
	active bool
	err    error
}

func (e *everybody) Lookup(context.Context, string, authorize.Person) (authorize.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return authorize.Entry{ID: "u-17", Active: e.active}, e.err
}

func (e *everybody) set(active bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active, e.err = active, err
}

func (g *grants) refreshed(token string) (status int, body string) {
	g.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {g.client.ID}}
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAPersonWhoIsNotActiveLosesEverythingWhereverTheyAreSeenFirst(t *testing.T) {
	for name, seen := range map[string]func(t *testing.T, g *grants, tokens grant.Tokens){
		"at a call": func(t *testing.T, g *grants, tokens grant.Tokens) {
			_, err := g.Verify(t.Context(), tokens.AccessToken, resource)
			var invalid *grant.InvalidError
			if !errors.As(err, &invalid) || invalid.Reason != reason.UserNotActive {
				t.Errorf("%v", err)
			}
		},
		"at an introspection": func(t *testing.T, g *grants, tokens grant.Tokens) {
			if status, body := g.introspect(tokens.AccessToken); status != http.StatusOK || strings.TrimSpace(body) != `{"active":false}` {
				t.Errorf("%d %s", status, body)
			}
		},
		"at a refresh": func(t *testing.T, g *grants, tokens grant.Tokens) {
			if status, body := g.refreshed(tokens.RefreshToken); status != http.StatusBadRequest || !strings.Contains(body, `"invalid_grant"`) {
				t.Errorf("%d %s", status, body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrants(t)
			tokens, other := g.connect(resource), g.connect(otherResource)
			if _, err := g.Verify(t.Context(), tokens.AccessToken, resource); err != nil {
				t.Fatal(err)
			}
			g.people.set(false, nil)
			if _, err := g.Verify(t.Context(), tokens.AccessToken, resource); err != nil {
				t.Fatalf("inside the minute: %v", err)
			}
			g.clock.Advance(people.Remembered)
			seen(t, g, tokens)
			for at, token := range map[string]string{resource: tokens.AccessToken, otherResource: other.AccessToken} {
				_, err := g.Verify(t.Context(), token, at)
				var invalid *grant.InvalidError
				if !errors.As(err, &invalid) || invalid.Reason != reason.GrantRevoked {
					t.Errorf("afterwards at %s: %v", at, err)
				}
			}
			if status, body := g.refreshed(other.RefreshToken); status != http.StatusBadRequest {
				t.Errorf("a refresh of another grant: %d %s", status, body)
			}
		})
	}
}

func TestABackendThatDoesNotAnswerEndsNothingAndRefusesNoRefresh(t *testing.T) {
	g := newGrants(t)
	tokens := g.connect(resource)
	g.people.set(false, errors.New("down"))
	if _, err := g.Verify(t.Context(), tokens.AccessToken, resource); err != nil {
		t.Fatalf("the first silence: %v", err)
	}
	g.clock.Advance(people.Tolerated + time.Second)
	_, err := g.Verify(t.Context(), tokens.AccessToken, resource)
	if !errors.Is(err, people.ErrUnknown) || errors.Is(err, grant.ErrInvalid) {
		t.Errorf("after five minutes: %v", err)
	}
	if status, body := g.introspect(tokens.AccessToken); status != http.StatusServiceUnavailable {
		t.Errorf("an introspection: %d %s", status, body)
	}
	if status, body := g.refreshed(tokens.RefreshToken); status != http.StatusOK {
		t.Errorf("a refresh: %d %s", status, body)
	}
	g.clock.Advance(time.Minute)
	g.people.set(true, nil)
	if _, err := g.Verify(t.Context(), tokens.AccessToken, resource); err != nil {
		t.Errorf("when it speaks again: %v", err)
	}
}

func TestLogoutsFromOneAddressAreBounded(t *testing.T) {
	now, trail := clock.NewFake(time.Unix(1_800_000_000, 0)), new(audittest.Memory)
	server, _ := newServer(t, func(c *authz.Config) { c.Clock, c.Audit = now, trail })
	for range 10_000 {
		if resp := send(server, http.MethodPost, "/backchannel-logout/acme.com", "{}"); resp.StatusCode != http.StatusBadRequest {
			t.Fatalf("%d", resp.StatusCode)
		}
	}
	resp := send(server, http.MethodPost, "/backchannel-logout/acme.com", "{}")
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
