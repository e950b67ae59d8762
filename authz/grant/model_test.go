package grant_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// model is the rules of a family in the words of a person: what each token that
// was ever handed out must still be good for.
type model struct {
	refresh     []modelRefresh // by generation, from the first
	access      []modelAccess
	revoked     bool
	absoluteEnd time.Time
	idleEnd     time.Time
}

type modelRefresh struct {
	token   string
	rotated time.Time // zero = current
	pair    int       // index in access of the token issued with it
}

type modelAccess struct {
	token   string
	end     time.Time
	revoked bool
}

// expectRefresh says what the token of a generation must lead to.
func (m *model) expectRefresh(gen int, now time.Time) string {
	switch last := len(m.refresh) - 1; {
	case m.revoked, !now.Before(m.absoluteEnd), !now.Before(m.idleEnd):
		return "dead"
	case gen == last:
		return "rotate"
	case now.Sub(m.refresh[gen].rotated) <= time.Minute:
		return "retry"
	default:
		return "theft"
	}
}

func TestTheServiceFollowsTheRulesThroughAnyHistory(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		first := w.connect()
		start := w.clock.Now()
		m := &model{
			refresh:     []modelRefresh{{token: first.RefreshToken}},
			access:      []modelAccess{{token: first.AccessToken, end: start.Add(time.Hour)}},
			absoluteEnd: start.Add(30 * 24 * time.Hour), idleEnd: start.Add(7 * 24 * time.Hour),
		}
		t.Repeat(map[string]func(*rapid.T){
			"refresh": func(t *rapid.T) {
				m.doRefresh(t, w, rapid.IntRange(0, len(m.refresh)-1).Draw(t, "generation"))
			},
			"retry the last one": func(t *rapid.T) { m.doRefresh(t, w, max(0, len(m.refresh)-2)) },
			"refresh the newest": func(t *rapid.T) { m.doRefresh(t, w, len(m.refresh)-1) },
			"refresh as another client": func(t *rapid.T) {
				gen := rapid.IntRange(0, len(m.refresh)-1).Draw(t, "generation")
				_, refused := w.Refresh(context.Background(), grant.RefreshRequest{Token: m.refresh[gen].token, Client: w.other})
				if refused == nil || refused.Code != oauth.InvalidGrant {
					t.Fatalf("another client got %v", refused)
				}
			},
			"revoke an access token": func(t *rapid.T) {
				i := rapid.IntRange(0, len(m.access)-1).Draw(t, "access token")
				if _, refused := w.Revoke(context.Background(), m.access[i].token, w.client); refused != nil {
					t.Fatal(refused)
				}
				m.access[i].revoked = true
			},
			"revoke the grant, seldom": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "one in ten") != 0 {
					t.Skip("not now")
				}
				gen := rapid.IntRange(0, len(m.refresh)-1).Draw(t, "generation")
				if _, refused := w.Revoke(context.Background(), m.refresh[gen].token, w.client); refused != nil {
					t.Fatal(refused)
				}
				m.revoked = true
			},
			"a moment passes": func(t *rapid.T) {
				w.clock.Advance(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			},
			"a while passes": func(t *rapid.T) {
				w.clock.Advance(time.Duration(rapid.IntRange(1, 80*60).Draw(t, "minutes")) * time.Minute)
			},
			"": func(t *rapid.T) { m.checkAccess(t, w) },
		})
	})
}

func (m *model) doRefresh(t *rapid.T, w *world, gen int) {
	now := w.clock.Now()
	want := m.expectRefresh(gen, now)
	got, refused := w.refresh(m.refresh[gen].token)
	if seen := outcome(got, refused); seen != want {
		t.Fatalf("generation %d of %d: got %s (%v), want %s", gen+1, len(m.refresh), seen, refused, want)
	}
	switch want {
	case "rotate":
		end := now.Add(time.Hour)
		m.idleEnd = now.Add(7 * 24 * time.Hour)
		if m.absoluteEnd.Before(m.idleEnd) {
			m.idleEnd = m.absoluteEnd
		}
		if m.absoluteEnd.Before(end) {
			end = m.absoluteEnd
		}
		m.refresh[gen].rotated = now
		m.access = append(m.access, modelAccess{token: got.AccessToken, end: end})
		m.refresh = append(m.refresh, modelRefresh{token: got.RefreshToken, pair: len(m.access) - 1})
	case "retry":
		pair := min(gen+8, len(m.refresh)-1)
		if got.RefreshToken != m.refresh[pair].token || got.AccessToken != m.access[m.refresh[pair].pair].token {
			t.Fatalf("the retry of generation %d got another pair than that of generation %d", gen+1, pair+1)
		}
	case "theft":
		m.revoked = true
	}
}

func outcome(got grant.Tokens, refused *oauth.Error) string {
	switch {
	case refused == nil && got.Replay:
		return "retry"
	case refused == nil:
		return "rotate"
	case refused.Code == oauth.InvalidGrant && refused.Reason == reason.GrantReused && got.Reused:
		return "theft"
	case refused.Code == oauth.InvalidGrant && !got.Reused:
		return "dead"
	}
	return fmt.Sprint(refused)
}

func (m *model) checkAccess(t *rapid.T, w *world) {
	now := w.clock.Now()
	for i, a := range m.access {
		want := !m.revoked && !a.revoked && now.Before(a.end)
		_, err := w.Verify(context.Background(), a.token, resource)
		if (err == nil) != want {
			t.Fatalf("access token %d: got %v, want live = %v", i, err, want)
		}
	}
}
