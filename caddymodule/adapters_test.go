package caddymodule

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

// oneEvent is a recorder that keeps the last event, or fails.
type oneEvent struct {
	event audit.Event
	err   error
}

func (o *oneEvent) Record(_ context.Context, e audit.Event) error {
	o.event = e
	return o.err
}

func TestAnEventOfTheBridgeIsAuditedWithWhoAndWhere(t *testing.T) {
	recorder := new(oneEvent)
	a := &auditor{resource: testResource, recorder: recorder}
	err := a.Record(t.Context(), mcpbridge.Event{
		Name: mcpbridge.EventToolInvoked, Tool: "search_apps", RequestID: "r-1", Scope: "appstore:read", Permission: "appstore.apps.view",
		TargetResourceID: "app-1", WriteOutcome: "created", Intent: "why", Reason: reason.RoleNoPermission, ErrorCode: "denied", ClientIP: "192.0.2.1",
		Duration: time.Second, Durable: true,
		Principal: &mcpbridge.Principal{
			UserID: "u-1", Email: "ada@acme.com", DomainID: "acme.com", ClientID: "c-1", ClientName: "Claude", GrantID: "f-1",
			Scopes: []string{"appstore:read", "appstore:request"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Event{
		Name: "tool_invoked", DomainID: "acme.com", UserID: "u-1", UserEmail: "ada@acme.com", ClientID: "c-1", ClientName: "Claude", GrantID: "f-1",
		Resource: testResource, ToolName: "search_apps", Scopes: []string{"appstore:read"}, Permissions: []string{"appstore.apps.view"}, RequestID: "r-1",
		TargetResourceID: "app-1", WriteOutcome: "created", Intent: "why", Reason: reason.RoleNoPermission, ErrorCode: "denied", ClientIP: "192.0.2.1",
		Duration: time.Second, Durable: true,
	}
	if diff := cmp.Diff(want, recorder.event); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestAnEventWithoutAPersonOrThatIsNotStoredIsReported(t *testing.T) {
	full := errors.New("disk full")
	a := &auditor{resource: testResource, recorder: &oneEvent{err: full}}
	if err := a.Record(t.Context(), mcpbridge.Event{Name: mcpbridge.EventAuthorizationFailed}); !errors.Is(err, full) {
		t.Errorf("error is %v", err)
	}
}

// users is a backend with one person.
type users struct {
	asked backend.Person
	user  backend.User
	err   error
}

func (u *users) CurrentUser(_ context.Context, p backend.Person) (backend.User, error) {
	u.asked = p
	return u.user, u.err
}

func TestTheBackendIsAskedWhoSomebodyIs(t *testing.T) {
	for name, test := range map[string]struct {
		user    backend.User
		err     error
		want    authorize.Entry
		unknown bool
		fault   bool
	}{
		"an active person":                     {user: backend.User{ID: "u-1", Status: "ACTIVE"}, want: authorize.Entry{ID: "u-1", Active: true}},
		"a suspended one":                      {user: backend.User{ID: "u-1", Status: "SUSPENDED"}, want: authorize.Entry{ID: "u-1"}},
		"one whose status was not said":        {user: backend.User{ID: "u-1"}, want: authorize.Entry{ID: "u-1"}},
		"one who is refused everything":        {err: &backend.Error{Kind: backend.Forbidden}},
		"one whom it does not know":            {err: &backend.Error{Kind: backend.NotFound}, unknown: true},
		"it does not trust the gateway":        {err: &backend.Error{Kind: backend.RefusedGateway}, fault: true},
		"it cannot be reached":                 {err: &backend.Error{Kind: backend.Unavailable}, fault: true},
		"it answers something else altogether": {err: errors.New("odd"), fault: true},
	} {
		t.Run(name, func(t *testing.T) {
			people := &users{user: test.user, err: test.err}
			ctx := httpx.WithRequestID(t.Context(), "r-1")
			got, err := directory{testResource: people}.Lookup(ctx, testResource, authorize.Person{UserID: "ours", Email: "ada@acme.com", Domain: "acme.com", ClientID: "c-1"})
			if (err != nil) != (test.unknown || test.fault) || errors.Is(err, authorize.ErrUnknownPerson) != test.unknown {
				t.Errorf("error is %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			// Asked by address: the id at the backend is what is to be found out.
			if diff := cmp.Diff(backend.Person{Email: "ada@acme.com", Domain: "acme.com", ClientID: "c-1", TXN: "r-1"}, people.asked); diff != "" {
				t.Errorf("asked for, want (-), got (+):\n%s", diff)
			}
		})
	}
	if _, err := (directory{}).Lookup(t.Context(), testResource, authorize.Person{}); err == nil || errors.Is(err, authorize.ErrUnknownPerson) {
		t.Errorf("a resource without a backend: %v", err)
	}
}

func TestOnlyABackendsOwnWordsSayThatAPersonWhoHasGrantsIsGone(t *testing.T) {
	for name, test := range map[string]struct {
		err            *backend.Error
		unknown, fault bool
	}{
		"it knows nobody by that id":      {&backend.Error{Kind: backend.NotFound, Detail: "no such user"}, true, false},
		"it refuses them everything":      {&backend.Error{Kind: backend.Forbidden, Detail: "suspended"}, false, false},
		"a 404 of something in front":     {&backend.Error{Kind: backend.NotFound}, false, true},
		"a 403 of something in front":     {&backend.Error{Kind: backend.Forbidden}, false, true},
		"it does not trust the gateway":   {&backend.Error{Kind: backend.RefusedGateway}, false, true},
		"it has too much to do":           {&backend.Error{Kind: backend.RateLimited}, false, true},
		"its answer is about another one": {&backend.Error{Kind: backend.BadAnswer}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			people := &users{err: test.err}
			got, err := directory{testResource: people}.Lookup(t.Context(), testResource, authorize.Person{UserID: "ours", Subject: "u-1", Email: "ada@acme.com", Domain: "acme.com"})
			if (err != nil) != (test.unknown || test.fault) || errors.Is(err, authorize.ErrUnknownPerson) != test.unknown || got.Active {
				t.Errorf("%+v, %v", got, err)
			}
			if people.asked.Subject != "u-1" {
				t.Errorf("asked as %+v", people.asked)
			}
		})
	}
}
