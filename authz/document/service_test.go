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
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
)

const callback = "https://agent.example/cb"

func TestListedDocumentBecomesAClientWithARow(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback, "acme://cb"))
	d, err := document.Parse(f.host.id(), []byte(f.text(callback, "acme://cb")))
	if err != nil {
		t.Fatal(err)
	}
	want := store.Client{
		ID: f.host.id(), Kind: document.Kind, Profile: "acme-agent", Name: "Acme Agent", RedirectURIs: []string{callback},
		GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethod: "none", ApplicationType: "web",
		CreatedAt: start, UpdatedAt: start, MetadataHash: document.Hash(d),
	}
	if diff := cmp.Diff(want, f.client(t)); diff != "" {
		t.Error(diff)
	}
	row, err := f.store.Client(t.Context(), f.host.id())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Error(diff)
	}
	if row.MetadataHash == (store.Hash{}) {
		t.Error("no change would ever be noticed")
	}
	events := f.audit.Events()
	if len(events) != 1 || events[0].Name != audit.ClientRegistered || events[0].ClientID != f.host.id() || !events[0].Durable {
		t.Errorf("events: %+v", events)
	}
	f.client(t)
	if n := f.store.written(); n != 1 {
		t.Errorf("the row was written %d times", n)
	}
}

func TestPeopleSeeTheNameOfTheProfile(t *testing.T) {
	f := newFixture(t)
	f.host.publish(strings.Replace(f.text(callback), "Acme Agent", "Claude", 1))
	if got := f.client(t).Name; got != "Acme Agent" {
		t.Errorf("the document chose the name %q", got)
	}
}

func TestOtherURLsAreUnknownAndNoPacketIsSent(t *testing.T) {
	f := newFixture(t)
	base := f.host.URL
	f.host.publish(f.text(callback))
	f.cfg.Profiles = profiles{f.host.id(): {"a", "A"}, f.host.id() + "?x": {"a", "A"}, base + "/a/../client.json": {"a", "A"}, base + "/": {"a", "A"}}
	s := f.restart(t)
	for _, c := range []struct{ name, id string }{
		{"another path of a listed host", base + "/other.json"},
		{"the listed URL with a slash", f.host.id() + "/"},
		{"the listed URL with a query", f.host.id() + "?a=b"},
		{"a listed URL with a query", f.host.id() + "?x"},
		{"a listed URL with dot segments", base + "/a/../client.json"},
		{"a listed URL without a path", base + "/"},
		{"the listed URL in capitals", strings.ToUpper(f.host.id())},
		{"nothing", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := s.Client(t.Context(), c.id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			if _, err := s.ForConsent(t.Context(), c.id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("for consent: %v", err)
			}
		})
	}
	if n := f.host.asked.Load(); n != 0 {
		t.Errorf("%d packets", n)
	}
}

func TestDocumentThatIsNotListedAnyMoreIsUnknown(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	f.client(t)
	f.cfg.Profiles = profiles{}
	if _, err := f.restart(t).Client(t.Context(), f.host.id()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestFreshCopyIsUsedWithoutAFetch(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=3600")
	f.client(t)
	f.clock.Advance(time.Hour - time.Second)
	f.client(t)
	if n := f.host.asked.Load(); n != 1 {
		t.Fatalf("%d fetches while the copy is fresh", n)
	}
	f.clock.Advance(time.Second)
	f.client(t)
	if n := f.host.asked.Load(); n != 2 {
		t.Errorf("%d fetches after the copy aged", n)
	}
}

func TestCopySurvivesARestart(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=3600")
	f.client(t)
	if _, err := f.restart(t).ForConsent(t.Context(), f.host.id()); err != nil {
		t.Fatal(err)
	}
	if n := f.host.asked.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Rules of the draft and of the hostile cases: nothing of these answers is used
// or kept, and the requester is told the same as for any other address.
func TestDocumentThatCannotBeHadIsNoClient(t *testing.T) {
	const secret = "s3cr3t-of-the-host"
	answer := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte(body))
		}
	}
	for _, c := range []struct {
		name    string
		want    error
		handler func(f *fixture) http.HandlerFunc
	}{
		{"a redirect", document.ErrFetch, func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/client.json" {
					http.Redirect(w, r, "/moved.json", http.StatusFound)
					return
				}
				answer("application/json", f.text(callback))(w, r)
			}
		}},
		{"a challenge for browsers", document.ErrFetch, func(*fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
		}},
		{"a web page", document.ErrFetch, func(f *fixture) http.HandlerFunc { return answer("text/html", f.text(callback)) }},
		{"10 MB", document.ErrFetch, func(*fixture) http.HandlerFunc { return answer("application/json", strings.Repeat(" ", 10<<20)) }},
		{"a drip", document.ErrFetch, func(*fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				answer("application/json", "{")(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		}},
		{"the client_id of another", document.ErrInvalid, func(*fixture) http.HandlerFunc {
			return answer("application/json", text("https://claude.ai/oauth/mcp-oauth-client-metadata", callback))
		}},
		{"a secret of an inner service that looks like JSON", document.ErrInvalid, func(*fixture) http.HandlerFunc {
			return answer("application/json", `{"AccessKeyId":"`+secret+`"}`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(f *fixture) { f.cfg.Fetcher = f.host.fetcher(t, 2*time.Second) })
			f.host.serve(c.handler(f))
			_, err := f.Client(t.Context(), f.host.id())
			if !errors.Is(err, store.ErrNotFound) || !errors.Is(err, c.want) {
				t.Fatalf("got %v", err)
			}
			if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, secret) {
				t.Errorf("the requester is told %q", text)
			}
			if f.log.count(secret) != 0 {
				t.Error("the answer is in the log")
			}
			if f.log.count("level=WARN") != 1 {
				t.Error("operators are told nothing, or more than once")
			}
			if len(f.store.rows)+len(f.store.copies) != 0 {
				t.Errorf("something was kept: %v, %v", f.store.rows, f.store.copies)
			}
		})
	}
}

func TestFailureIsRememberedForAMinute(t *testing.T) {
	f := newFixture(t)
	f.host.fail(http.StatusInternalServerError)
	for range 3 {
		if _, err := f.Client(t.Context(), f.host.id()); !errors.Is(err, document.ErrFetch) {
			t.Fatalf("got %v", err)
		}
	}
	f.clock.Advance(document.RetryAfter - time.Second)
	_, _ = f.Client(t.Context(), f.host.id())
	if n := f.host.asked.Load(); n != 1 {
		t.Fatalf("%d fetches in a minute", n)
	}
	f.host.publish(f.text(callback))
	f.clock.Advance(time.Second)
	f.client(t)
	if n := f.host.asked.Load(); n != 2 {
		t.Errorf("%d fetches after it", n)
	}
}

func TestHostThatIsDownKeepsGrantsAliveAndStartsNone(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=3600")
	f.consent(t)
	f.host.fail(http.StatusBadGateway)
	f.clock.Advance(2 * time.Hour)
	for name, s := range map[string]*document.Service{"the same process": f.Service, "after a restart": f.restart(t)} {
		c, err := s.Client(t.Context(), f.host.id())
		if err != nil || !slices.Equal(c.RedirectURIs, []string{callback}) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if _, err := s.ForConsent(t.Context(), f.host.id()); !errors.Is(err, store.ErrNotFound) || !errors.Is(err, document.ErrFetch) {
			t.Errorf("%s: consent from an old copy: %v", name, err)
		}
	}
	f.host.publish(f.text(callback))
	f.clock.Advance(document.RetryAfter)
	f.consent(t)
}

func TestChangeAfterConsentIsSeenAndAsksAgain(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	before := f.consent(t)
	approved := start.Add(time.Minute)
	f.store.do(func(m *memory) {
		row := m.rows[f.host.id()]
		row.AuthorizedAt = approved
		m.rows[f.host.id()] = row
	})
	f.audit.Reset()

	f.host.publish(f.text("https://evil.example/cb"))
	f.clock.Advance(document.MinAge)
	after := f.consent(t)
	if before.MetadataHash == after.MetadataHash {
		t.Error("consent would not be asked again")
	}
	if !slices.Equal(after.RedirectURIs, []string{"https://evil.example/cb"}) {
		t.Errorf("the old redirect URI stays: %v", after.RedirectURIs)
	}
	if !after.CreatedAt.Equal(start) || !after.AuthorizedAt.Equal(approved) {
		t.Errorf("the answer forgot its past: %+v", after)
	}
	row := f.store.rows[f.host.id()]
	if row.MetadataHash != after.MetadataHash || !row.UpdatedAt.Equal(f.clock.Now()) {
		t.Errorf("the row is %+v", row)
	}
	if !row.CreatedAt.Equal(start) || !row.AuthorizedAt.Equal(approved) {
		t.Errorf("the row forgot its past: %+v", row)
	}
	events := f.audit.Events()
	if len(events) != 1 || events[0].Name != "client_updated" || events[0].Detail != "changed redirect_uris" || events[0].ClientID != f.host.id() {
		t.Errorf("events: %+v", events)
	}
	if f.log.count("changed; consent is asked again") != 1 {
		t.Error("no alarm in the log, or more than one")
	}
}

func TestSameDocumentInOtherWordsRaisesNoAlarm(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback, "http://127.0.0.1/cb"))
	before := f.consent(t)
	f.host.publish(strings.Replace(f.text("http://127.0.0.1/cb", callback), "{", `{"logo_uri":"https://agent.example/new.png",`, 1))
	f.clock.Advance(document.MinAge)
	if after := f.consent(t); after.MetadataHash != before.MetadataHash {
		t.Error("consent would be asked again")
	}
	if n := len(f.audit.Named(audit.ClientUpdated)); n != 0 {
		t.Errorf("%d alarms", n)
	}
	f.clock.Advance(document.MinAge)
	writes := f.store.written()
	f.consent(t)
	if n := f.host.asked.Load(); n != 3 || f.store.written() != writes {
		t.Errorf("%d fetches, and a row that says the same was written", n)
	}
}

func TestDocumentThatTurnsToASharedSecretIsRefusedAndTheLastGoodCopyStays(t *testing.T) {
	for _, hostile := range []string{`"client_secret":"x",`, `"token_endpoint_auth_methods_supported":["client_secret_basic"],`} {
		f := newFixture(t)
		f.host.publish(f.text(callback))
		before := f.consent(t)
		kept := f.store.copies[f.host.id()]
		f.audit.Reset()

		f.host.publish(strings.Replace(f.text("https://evil.example/cb"), "{", "{"+hostile, 1))
		for range 3 {
			f.clock.Advance(document.MinAge)
			if diff := cmp.Diff(before, f.client(t)); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := f.ForConsent(t.Context(), f.host.id()); !errors.Is(err, store.ErrNotFound) || !errors.Is(err, document.ErrInvalid) {
			t.Errorf("for consent: %v", err)
		}
		if diff := cmp.Diff(kept, f.store.copies[f.host.id()]); diff != "" {
			t.Errorf("the kept copy changed: %s", diff)
		}
		events := f.audit.Events()
		if len(events) != 1 || events[0].Name != audit.ClientRejected || events[0].Reason != "client/bad_metadata" {
			t.Errorf("want one alarm, got %+v", events)
		}
		if f.log.count("is refused; the last good copy stays in use") != 1 {
			t.Error("no alarm in the log, or more than one")
		}
	}
}

func TestLoopbackDocumentMatchesAnyPort(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text("http://localhost/callback", "http://127.0.0.1/callback"))
	registered := f.client(t).RedirectURIs
	for uri, want := range map[string]bool{
		"http://localhost:58135/callback": true, "http://127.0.0.1:58135/callback": true, "http://127.0.0.1:58135/other": false, "http://[::1]:58135/callback": false,
	} {
		got := slices.ContainsFunc(registered, func(r string) bool { return oauth.MatchRedirectURI(r, uri) })
		if got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	f := newFixture(t)
	for name, spoil := range map[string]func(*document.Config){
		"no profiles": func(c *document.Config) { c.Profiles = nil }, "no fetcher": func(c *document.Config) { c.Fetcher = nil },
		"no clients": func(c *document.Config) { c.Clients = nil }, "no audit": func(c *document.Config) { c.Audit = nil },
		"a pinned copy that is no document": func(c *document.Config) { c.Pinned = []document.Pinned{{Body: []byte("{}"), Read: start}} },
		"a pinned copy that is no JSON":     func(c *document.Config) { c.Pinned = []document.Pinned{{Body: []byte("<"), Read: start}} },
	} {
		cfg := f.cfg
		spoil(&cfg)
		if _, err := document.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
