package document_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestRowThatWasSweptComesBack(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=86400")
	f.client(t)
	f.store.do(func(m *memory) { delete(m.rows, f.host.id()) })
	f.client(t)
	if _, err := f.store.Client(t.Context(), f.host.id()); err != nil {
		t.Errorf("grants would refer to nothing: %v", err)
	}
	if n := f.host.asked.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestUnapprovedRowIsRenewedBeforeItIsSwept(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=86400")
	f.client(t)
	f.clock.Advance(document.RenewAfter)
	if c := f.client(t); !c.CreatedAt.Equal(start) {
		t.Errorf("renewed too early: %v", c.CreatedAt)
	}
	f.clock.Advance(time.Second)
	if c := f.client(t); !c.CreatedAt.Equal(f.clock.Now()) || !f.store.rows[c.ID].CreatedAt.Equal(f.clock.Now()) {
		t.Errorf("not renewed: %v", c.CreatedAt)
	}
	f.store.do(func(m *memory) {
		row := m.rows[f.host.id()]
		row.AuthorizedAt = f.clock.Now()
		m.rows[f.host.id()] = row
	})
	renewed := f.clock.Now()
	f.clock.Advance(2 * document.RenewAfter)
	f.host.publish(f.text(callback))
	if c := f.client(t); !c.CreatedAt.Equal(renewed) {
		t.Errorf("an approved one was renewed: %v", c.CreatedAt)
	}
}

func TestAnotherProfileReplacesTheRow(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=86400")
	f.client(t)
	f.cfg.Profiles = profiles{f.host.id(): {"acme-two", "Acme Two"}}
	c, err := f.restart(t).Client(t.Context(), f.host.id())
	if err != nil || c.Profile != "acme-two" || c.Name != "Acme Two" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if !c.CreatedAt.Equal(start) {
		t.Errorf("the row forgot its age: %v", c.CreatedAt)
	}
	if events := f.audit.Named(audit.ClientUpdated); len(events) != 1 || events[0].Detail != "changed profile name" {
		t.Errorf("events: %+v", events)
	}
}

func TestStoreThatCannotAnswerIsNoVerdict(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	down := fmt.Errorf("%w: disk", store.ErrUnavailable)
	f.store.do(func(m *memory) { m.failing = down })
	if _, err := f.Client(t.Context(), f.host.id()); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	f.store.do(func(m *memory) { m.failing = nil })
	f.client(t) // at once: the host did nothing wrong
}

func TestChangeThatCannotBeAuditedDoesNotCount(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	before := f.consent(t)
	f.audit.Fail(errors.New("disk full"))
	f.host.publish(f.text("https://evil.example/cb"))
	f.clock.Advance(document.MinAge)
	if _, err := f.Client(t.Context(), f.host.id()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if row := f.store.rows[f.host.id()]; row.MetadataHash != before.MetadataHash {
		t.Error("the row changed")
	}
	f.audit.Fail(nil)
	if after := f.consent(t); after.MetadataHash == before.MetadataHash {
		t.Error("the change is lost")
	}
	if n := len(f.audit.Named(audit.ClientUpdated)); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestClientThatCannotBeAuditedGetsNoRow(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	f.audit.Fail(errors.New("disk full"))
	if _, err := f.Client(t.Context(), f.host.id()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if len(f.store.rows) != 0 {
		t.Error("there is a row")
	}
}

func TestNodeWithAnOlderCopyDoesNotUndoAChange(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback), "max-age=86400")
	f.client(t)
	other := f.restart(t)
	if _, err := other.Client(t.Context(), f.host.id()); err != nil { // has the first copy in memory
		t.Fatal(err)
	}

	f.clock.Advance(document.MaxAge)
	const moved = "https://agent.example/new"
	f.host.publish(f.text(moved), "max-age=86400")
	f.client(t)
	f.clock.Advance(-time.Hour) // to the other node the first copy is still fresh
	writes := f.store.written()
	for range 2 {
		c, err := other.Client(t.Context(), f.host.id())
		if err != nil || !slices.Equal(c.RedirectURIs, []string{moved}) {
			t.Fatalf("got %v, %v", c.RedirectURIs, err)
		}
	}
	if f.store.written() != writes {
		t.Error("the row was written back and forth")
	}
	if n := len(f.audit.Named(audit.ClientUpdated)); n != 1 {
		t.Errorf("%d alarms for one change", n)
	}
}

func TestChangeThatAnotherNodeReportedIsNotReportedAgain(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	f.client(t)
	other := f.restart(t)
	if _, err := other.Client(t.Context(), f.host.id()); err != nil { // has the first copy in memory
		t.Fatal(err)
	}
	f.host.publish(f.text("https://agent.example/new"))
	f.clock.Advance(document.MinAge)
	f.client(t)
	if _, err := other.Client(t.Context(), f.host.id()); err != nil {
		t.Fatal(err)
	}
	if n := f.host.asked.Load(); n != 3 {
		t.Fatalf("%d fetches, so that this shows nothing", n)
	}
	if n := len(f.audit.Named(audit.ClientUpdated)); n != 1 {
		t.Errorf("%d alarms for one change", n)
	}
}

func TestCopyThatTodaysRulesRefuseIsNone(t *testing.T) {
	f := newFixture(t)
	f.host.publish(f.text(callback))
	f.store.do(func(m *memory) {
		m.copies[f.host.id()] = store.Document{URL: f.host.id(), Body: []byte("{}"), FetchedAt: start, ExpiresAt: start.Add(time.Hour)}
	})
	f.client(t)
	if n := f.host.asked.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestMemoryIsBoundedAndForgettingIsHarmless(t *testing.T) {
	f := newFixture(t, func(f *fixture) {
		f.cfg.Size, f.cfg.Copies = 1, nil
		f.cfg.Profiles = profiles{f.host.id(): {"a", "A"}, f.host.URL + "/b.json": {"b", "B"}}
	})
	for range 3 {
		for _, id := range []string{f.host.id(), f.host.URL + "/b.json"} {
			f.host.publish(text(id, callback))
			c, err := f.Client(t.Context(), id)
			if err != nil || c.ID != id || !slices.Equal(c.RedirectURIs, []string{callback}) {
				t.Fatalf("got %+v, %v", c, err)
			}
		}
	}
	if n := f.host.asked.Load(); n != 6 {
		t.Errorf("%d fetches with room for one", n)
	}
}
