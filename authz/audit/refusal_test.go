package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestOfAFloodOfRefusalsASampleIsStoredThatCountsTheRest(t *testing.T) {
	var trail audittest.Memory
	now := clock.NewFake(at)
	refusals := audit.NewRefusals(&trail, now, nil)
	for range 1000 {
		refusals.Sample(t.Context(), audit.Event{Name: audit.ClientRejected, Reason: reason.ClientUnknown})
	}
	now.Advance(time.Second)
	if !refusals.Sample(t.Context(), audit.Event{Name: audit.ClientRejected, Reason: reason.ClientUnknown}) {
		t.Error("the next second is held back too")
	}
	want := []audit.Event{
		{Name: audit.ClientRejected, Reason: reason.ClientUnknown},
		{Name: audit.ClientRejected, Reason: reason.ClientUnknown, Count: 999},
	}
	if diff := cmp.Diff(want, trail.Events()); diff != "" {
		t.Error(diff)
	}
}

func TestAFloodOfOneKindHidesNoOther(t *testing.T) {
	flood := audit.Event{Name: audit.TokenRefused, Reason: reason.GrantUnknown}
	for name, other := range map[string]audit.Event{
		"another reason": {Name: audit.TokenRefused, Reason: reason.ClientUnknown},
		"another event":  {Name: audit.SignInFailed, Reason: reason.GrantUnknown},
		"a known grant":  {Name: audit.TokenRefused, Reason: reason.GrantUnknown, GrantID: "family"},
	} {
		t.Run(name, func(t *testing.T) {
			var trail audittest.Memory
			refusals := audit.NewRefusals(&trail, clock.NewFake(at), nil)
			refusals.Sample(t.Context(), flood)
			if refusals.Sample(t.Context(), flood) {
				t.Fatal("there is no flood to hide anything")
			}
			if !refusals.Sample(t.Context(), other) {
				t.Error("held back")
			}
		})
	}
}

func TestTheRefusalOfAKnownPersonIsAlwaysStored(t *testing.T) {
	var trail audittest.Memory
	refusals := audit.NewRefusals(&trail, clock.NewFake(at), nil)
	for range 3 {
		refusals.Record(t.Context(), audit.Event{Name: audit.SignInFailed, UserEmail: "ann@acme.com"})
	}
	if n := len(trail.Events()); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// alive records only what comes with a context that has not ended.
type alive struct{ audittest.Memory }

func (a *alive) Record(ctx context.Context, e audit.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.Memory.Record(ctx, e)
}

func TestARefusalIsStoredAlsoWhenTheClientHasGoneAway(t *testing.T) {
	var trail alive
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	audit.NewRefusals(&trail, nil, nil).Record(ctx, audit.Event{Name: audit.SignInFailed})
	if n := len(trail.Events()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestARefusalThatCannotBeStoredIsLogged(t *testing.T) {
	var (
		trail audittest.Memory
		log   strings.Builder
	)
	trail.Fail(errors.New("disk on fire"))
	refusals := audit.NewRefusals(&trail, nil, slog.New(slog.NewTextHandler(&log, nil)))
	refusals.Record(t.Context(), audit.Event{Name: audit.SignInFailed, Reason: reason.DomainOff, RequestID: "req-1"})
	for _, want := range []string{"level=ERROR", "disk on fire", "sign_in_failed", "domain/off", "req-1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}
