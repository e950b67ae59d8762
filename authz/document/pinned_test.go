package document_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestPinnedCopiesOfTheProduct(t *testing.T) {
	pinned, err := document.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"https://claude.ai/oauth/mcp-oauth-client-metadata":   {"https://claude.ai/api/mcp/auth_callback"},
		"https://claude.ai/oauth/claude-code-client-metadata": {"http://localhost/callback", "http://127.0.0.1/callback"},
		"https://chatgpt.com/oauth/client.json":               {"https://chatgpt.com/connector_platform_oauth_redirect"},
		"https://chatgpt.com/oauth/codex/client.json":         {"http://127.0.0.1/callback", "http://localhost/callback"},
		"https://vscode.dev/oauth/client-metadata.json":       {"http://127.0.0.1:33418/", "https://vscode.dev/redirect"},
	}
	got := map[string][]string{}
	f := newFixture(t)
	for id := range want {
		f.cfg.Profiles.(profiles)[id] = [2]string{"some-profile", "Some Name"}
	}
	f.cfg.Pinned = nil // the default: those of the product
	s := f.restart(t)
	for id := range want {
		r, err := s.ForConsent(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		got[id] = r.RedirectURIs
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(pinned) != len(want) {
		t.Errorf("%d pinned copies, want %d", len(pinned), len(want))
	}
	for _, p := range pinned {
		if p.Source == "" || p.Read.IsZero() {
			t.Errorf("without source or date: %s", p.Body)
		}
	}
}

// pin ships a copy of the fixture's document with this redirect URI.
func pin(redirect string, read time.Time) func(*fixture) {
	return func(f *fixture) {
		f.cfg.Pinned = []document.Pinned{{Source: "a test", Read: read, Body: []byte(f.text(redirect))}}
	}
}

const pinnedURI = "https://agent.example/pinned"

var readAt = start.Add(-30 * 24 * time.Hour)

func TestPinnedCopyIsUsedAtOnceAndNeverFetchedWhileSomebodyWaits(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt))
	f.host.publish(f.text(callback))
	for range 3 {
		f.clock.Advance(document.MaxAge)
		if r := f.consent(t); !slices.Equal(r.RedirectURIs, []string{pinnedURI}) {
			t.Errorf("got %v", r.RedirectURIs)
		}
	}
	if n := f.host.asked.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
	if n := len(f.audit.Named(audit.ClientRegistered)); n != 1 {
		t.Errorf("registered %d times", n)
	}
}

func TestRefreshReplacesAPinnedCopyAndRaisesAnAlarm(t *testing.T) {
	for name, used := range map[string]bool{"a client that was used": true, "a client that nobody used yet": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, pin(pinnedURI, readAt))
			f.host.publish(f.text(callback))
			if used {
				f.client(t)
			}
			f.Refresh(t.Context())
			if events := f.audit.Named(audit.ClientUpdated); len(events) != 1 || events[0].Detail != "changed redirect_uris" || events[0].ClientName != "Acme Agent" {
				t.Errorf("events: %+v", events)
			}
			if f.log.count("changed; consent is asked again") != 1 {
				t.Error("no alarm in the log")
			}
			row, err := f.store.Client(t.Context(), f.host.id())
			if used && (err != nil || !slices.Equal(row.RedirectURIs, []string{callback})) {
				t.Errorf("the row is %+v, %v", row, err)
			}
			if !used && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a row that nobody needs: %+v, %v", row, err)
			}
			if c := f.client(t); !slices.Equal(c.RedirectURIs, []string{callback}) {
				t.Errorf("got %v", c.RedirectURIs)
			}
			// Also after a restart, and without another alarm.
			c, err := f.restart(t).Client(t.Context(), f.host.id())
			if err != nil || !slices.Equal(c.RedirectURIs, []string{callback}) {
				t.Errorf("after a restart: %v, %v", c.RedirectURIs, err)
			}
			f.clock.Advance(document.MinAge)
			f.Refresh(t.Context())
			if n := len(f.audit.Named(audit.ClientUpdated)); n != 1 {
				t.Errorf("%d alarms for one change", n)
			}
		})
	}
}

func TestRefreshOfAnEqualDocumentIsQuiet(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt))
	f.host.publish(f.text(pinnedURI))
	before := f.consent(t)
	f.Refresh(t.Context())
	if after := f.consent(t); after.MetadataHash != before.MetadataHash {
		t.Error("consent would be asked again")
	}
	if n := len(f.audit.Events()); n != 1 || f.log.count("level=WARN") != 0 {
		t.Errorf("%d events and a log that says %s", n, f.log.buf.String())
	}
}

func TestPinnedCopyStaysWhenTheHostRefusesMachines(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt))
	f.host.fail(http.StatusForbidden)
	for range 3 {
		f.Refresh(t.Context())
		f.Refresh(t.Context()) // within a minute: not tried again
		f.clock.Advance(document.RetryAfter)
	}
	if n := f.host.asked.Load(); n != 3 {
		t.Errorf("%d fetches", n)
	}
	if r := f.consent(t); !slices.Equal(r.RedirectURIs, []string{pinnedURI}) {
		t.Errorf("got %v", r.RedirectURIs)
	}
	if n := f.log.count("could not be fetched"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestPinnedCopyStaysWhenTheDocumentTurnsHostile(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt))
	f.host.publish(strings.Replace(f.text("https://evil.example/cb"), "{", `{"client_secret":"x",`, 1))
	f.Refresh(t.Context())
	if r := f.consent(t); !slices.Equal(r.RedirectURIs, []string{pinnedURI}) {
		t.Errorf("got %v", r.RedirectURIs)
	}
	if n := len(f.audit.Named(audit.ClientRejected)); n != 1 {
		t.Errorf("%d alarms", n)
	}
}

func TestCopyThatWasReadLastCounts(t *testing.T) {
	for name, c := range map[string]struct {
		fetched time.Time
		want    string
	}{
		"a copy fetched after the pinned one was read":  {readAt.Add(time.Hour), callback},
		"a copy fetched before the pinned one was read": {readAt.Add(-time.Hour), pinnedURI},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, pin(pinnedURI, readAt))
			f.store.do(func(m *memory) {
				m.copies[f.host.id()] = store.Document{URL: f.host.id(), Body: []byte(f.text(callback)), FetchedAt: c.fetched, ExpiresAt: c.fetched}
			})
			if r := f.consent(t); !slices.Equal(r.RedirectURIs, []string{c.want}) {
				t.Errorf("got %v", r.RedirectURIs)
			}
		})
	}
}

func TestPinnedCopyThatNoProfileListsIsWithoutEffect(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt), func(f *fixture) { f.cfg.Profiles = profiles{} })
	f.host.publish(f.text(callback))
	f.Refresh(t.Context())
	if _, err := f.Client(t.Context(), f.host.id()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if n := f.host.asked.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestRefreshAlsoWatchesDocumentsThatAreInUse(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	f.client(t)
	f.Refresh(t.Context())
	if n := f.host.asked.Load(); n != 1 {
		t.Fatalf("%d fetches of a fresh copy", n)
	}
	f.host.publish(f.text("https://evil.example/cb"))
	f.clock.Advance(document.MinAge)
	f.Refresh(t.Context())
	if n := len(f.audit.Named(audit.ClientUpdated)); n != 1 {
		t.Errorf("%d alarms", n)
	}
}

func TestRefreshSaysWhenOurOwnStoreIsAtFault(t *testing.T) {
	f := newFixture(t, pin(pinnedURI, readAt))
	f.host.publish(f.text(callback))
	f.store.do(func(m *memory) { m.failing = store.ErrUnavailable })
	f.Refresh(t.Context())
	if f.log.count("could not be refreshed") != 1 {
		t.Error("nobody is told")
	}
}
