package operator_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

var now = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// fake is a store, the clients in it and their grants.
type fake struct {
	store.Tx
	known      []store.ClientSummary
	rejections []store.Rejection
	grants     []store.Family
	people     []store.User
	trail      audittest.Memory
	// done are the changes, each with how many lines the trail had by then.
	done map[string]int
	err  error
	live []store.Family // for explanations
}

func (f *fake) LiveFamiliesOfUser(_ context.Context, id string, _ time.Time) ([]store.Family, error) {
	var found []store.Family
	for _, family := range f.live {
		if family.UserID == id {
			found = append(found, family)
		}
	}
	return found, f.err
}

func (f *fake) Client(_ context.Context, id string) (store.Client, error) {
	for _, c := range f.known {
		if c.ID == id {
			return c.Client, f.err
		}
	}
	return store.Client{}, errors.Join(f.err, store.ErrNotFound)
}

func (f *fake) Clients(_ context.Context, after string, limit int, _ time.Time) ([]store.ClientSummary, error) {
	var page []store.ClientSummary
	for _, c := range f.known {
		if c.ID > after && len(page) < limit {
			page = append(page, c)
		}
	}
	return page, f.err
}

func (f *fake) Rejections(_ context.Context, limit int) ([]store.Rejection, error) {
	return f.rejections[:min(limit, len(f.rejections))], f.err
}

func (f *fake) Update(_ context.Context, fn func(store.Tx) error) error {
	before := f.rejections
	err := errors.Join(f.err, fn(f))
	if err != nil {
		f.rejections = before
	}
	return err
}

func (f *fake) DeleteRejection(_ context.Context, id string) error {
	for i, j := range f.rejections {
		if j.ID == id {
			f.rejections = append(append([]store.Rejection{}, f.rejections[:i]...), f.rejections[i+1:]...)
			return nil
		}
	}
	return store.ErrNotFound
}

func (f *fake) RevokeClient(_ context.Context, id, why string, remove bool) ([]store.Family, error) {
	if f.err != nil {
		return nil, f.err
	}
	what := "ended " + id + " by " + why
	if remove {
		what = "removed " + id + " by " + why
	}
	f.done[what] = len(f.trail.Events())
	return f.grants, nil
}

func (f *fake) User(_ context.Context, id string) (store.User, error) {
	for _, u := range f.people {
		if u.ID == id {
			return u, f.err
		}
	}
	return store.User{}, errors.Join(f.err, store.ErrNotFound)
}

func (f *fake) PeopleByEmail(_ context.Context, domain, email string) (found []store.User, err error) {
	for _, u := range f.people {
		if u.Domain == domain && strings.EqualFold(u.Email, email) {
			found = append(found, u)
		}
	}
	return found, f.err
}

func (f *fake) RevokeUser(ctx context.Context, id, why string, record grant.Record) (grant.Ended, error) {
	u, err := f.User(ctx, id)
	if err != nil {
		return grant.Ended{}, err
	}
	e := grant.Ended{User: u, Families: f.grants[:1]}
	if err := record(ctx, e); err != nil {
		return grant.Ended{}, err
	}
	f.done["signed out "+id+" by "+why] = len(f.trail.Events())
	return e, nil
}

func newService(t *testing.T) (*operator.Service, *fake) {
	t.Helper()
	f := &fake{
		known: []store.ClientSummary{{Client: store.Client{ID: "a", Name: "A"}}, {Client: store.Client{ID: "b"}}, {Client: store.Client{ID: "c"}}},
		rejections: []store.Rejection{
			{ID: "r1", RedirectURIs: []string{"https://new.example/cb"}}, {ID: "r2", RedirectURIs: []string{"evil://cb"}},
		},
		grants: []store.Family{{ID: "f1", Domain: "acme.com", UserID: "u1", Resource: "https://api/mcp"}, {ID: "f2", Domain: "beta.com", UserID: "u2"}},
		people: []store.User{
			{ID: "u1", Domain: "acme.com", Email: "Ada@acme.com"}, {ID: "u2", Domain: "acme.com", Email: "ada@acme.com"},
			{ID: "u3", Domain: "beta.com", Email: "ada@acme.com"},
		},
		done: map[string]int{},
	}
	profiles, err := client.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	decides, err := policy.New(config())
	if err != nil {
		t.Fatal(err)
	}
	s, err := operator.New(operator.Config{
		Store: f, Clients: f, Grants: f, Profiles: profiles, Policy: decides, Audit: &f.trail, Clock: clock.NewFake(now), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

func TestClientsComeInPages(t *testing.T) {
	s, _ := newService(t)
	for _, c := range []struct {
		after string
		limit int
		want  string
		more  bool
	}{{"", 2, "ab", true}, {"b", 2, "c", false}, {"", 3, "abc", false}, {"c", 1, "", false}} {
		page, more, err := s.Clients(t.Context(), c.after, c.limit)
		got := ""
		for _, row := range page {
			got += row.ID
		}
		if err != nil || got != c.want || more != c.more {
			t.Errorf("%d after %q: %q, %t, %v", c.limit, c.after, got, more, err)
		}
	}
}

func TestAnEndIsInTheTrailBeforeItHappensAndWhatEndedAfterIt(t *testing.T) {
	s, f := newService(t)
	ctx := httpx.WithClientIP(t.Context(), "127.0.0.1")
	if n, err := s.EndClient(ctx, "a", true); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if diff := gocmp.Diff(map[string]int{"removed a by admin": 1}, f.done); diff != "" {
		t.Error(diff)
	}
	event := func(e audit.Event) audit.Event {
		e.Time, e.ClientIP, e.ClientID, e.ClientName = now, "127.0.0.1", "a", "A"
		return e
	}
	want := []audit.Event{
		event(audit.Event{Name: audit.AdminAction, Detail: "remove a client with its grants", Durable: true}),
		event(audit.Event{Name: audit.TokenRevoked, GrantID: "f1", DomainID: "acme.com", UserID: "u1", Resource: "https://api/mcp", Reason: "admin"}),
		event(audit.Event{Name: audit.TokenRevoked, GrantID: "f2", DomainID: "beta.com", UserID: "u2", Reason: "admin"}),
		event(audit.Event{Name: audit.ClientRemoved, Detail: "by an operator, with 2 grants", Reason: "admin", Durable: true}),
	}
	if diff := gocmp.Diff(want, f.trail.Events()); diff != "" {
		t.Error(diff)
	}
}

func TestAClientMayStayWhenItsGrantsEnd(t *testing.T) {
	s, f := newService(t)
	if n, err := s.EndClient(t.Context(), "a", false); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	revoked := f.trail.Named(audit.TokenRevoked)
	if _, ok := f.done["ended a by admin"]; !ok || len(f.trail.Named(audit.ClientRemoved)) > 0 || len(revoked) != 2 || !revoked[1].Durable {
		t.Errorf("%v %+v", f.done, f.trail.Events())
	}
}

func TestWhatCannotBeAuditedIsNotDone(t *testing.T) {
	s, f := newService(t)
	f.trail.Fail(errors.New("disk full"))
	if _, err := s.EndClient(t.Context(), "a", true); !errors.Is(err, operator.ErrNotAudited) {
		t.Errorf("end: %v", err)
	}
	if err := s.Dismiss(t.Context(), "r1"); !errors.Is(err, operator.ErrNotAudited) {
		t.Errorf("dismiss: %v", err)
	}
	if len(f.done) > 0 || len(f.rejections) != 2 {
		t.Errorf("done: %v, %d rejections left", f.done, len(f.rejections))
	}
}

func TestAFaultOfTheStoreIsNoUnknownClient(t *testing.T) {
	s, f := newService(t)
	f.err = store.ErrUnavailable
	_, endErr := s.EndClient(t.Context(), "a", true)
	_, _, listErr := s.Clients(t.Context(), "", 1)
	_, rejectionsErr := s.Rejections(t.Context(), 1)
	for what, err := range map[string]error{"end": endErr, "clients": listErr, "rejections": rejectionsErr, "dismiss": s.Dismiss(t.Context(), "r1")} {
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnUnknownIDChangesNothing(t *testing.T) {
	s, f := newService(t)
	if _, err := s.EndClient(t.Context(), "x", true); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("end: %v", err)
	}
	if err := s.Dismiss(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dismiss: %v", err)
	}
	if len(f.trail.Events()) > 0 || len(f.done) > 0 {
		t.Errorf("%+v %v", f.trail.Events(), f.done)
	}
}

func TestARejectionIsListedWithItsRemedyUntilItIsDismissed(t *testing.T) {
	s, f := newService(t)
	list, err := s.Rejections(t.Context(), 10)
	if err != nil || len(list) != 2 || list[0].Remedy.Profile != "new-example" || list[0].Hopeless != nil || list[1].Hopeless == nil {
		t.Fatalf("%+v %v", list, err)
	}
	if err := s.Dismiss(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	events := f.trail.Events()
	if len(events) != 1 || events[0].Name != audit.AdminAction || !events[0].Durable || events[0].Detail != "dismiss the refused registration r1" {
		t.Errorf("%+v", events)
	}
	if list, err := s.Rejections(t.Context(), 10); err != nil || len(list) != 1 || list[0].ID != "r2" {
		t.Errorf("%+v %v", list, err)
	}
}
