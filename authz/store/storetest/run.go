package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Run runs the suite. open returns an empty store; the suite migrates and
// closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"clients", clientCases},
		{"registrations", registrationCases},
		{"rejections", rejectionCases},
		{"documents", documentCases},
		{"people", peopleCases},
		{"approvals", approvalCases},
		{"consents", consentCases},
		{"codes", codeCases},
		{"finding people", personCases},
		{"grants", grantCases},
		{"values", valueCases},
		{"transactions", transactionCases},
		{"concurrency", concurrencyCases},
		{"sweeper", sweepCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel() // they mostly wait for the disk
					c.run(t, start(t, open))
				})
			}
		})
	}
	t.Run("a random sequence of operations agrees with the model", func(t *testing.T) { random(t, open) })
}

// testCase is one sentence about the behaviour of an empty store.
type testCase struct {
	name string
	run  func(t *testing.T, s store.Store)
}

func start(t *testing.T, open func(t *testing.T) store.Store) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return s
}

// update runs fn in a transaction that must commit.
func update(t *testing.T, s store.Store, fn func(ctx context.Context, tx store.Tx) error) {
	t.Helper()
	ctx := t.Context()
	if err := s.Update(ctx, func(tx store.Tx) error { return fn(ctx, tx) }); err != nil {
		t.Fatalf("update: %v", err)
	}
}

// attempt runs fn in a transaction and returns its error.
func attempt(t *testing.T, s store.Store, fn func(ctx context.Context, tx store.Tx) error) error {
	t.Helper()
	ctx := t.Context()
	return s.Update(ctx, func(tx store.Tx) error { return fn(ctx, tx) })
}

// same compares records: times as moments, nil lists as empty ones.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// fails wants err to be exactly one of the errors of package store.
func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	for _, e := range []error{store.ErrNotFound, store.ErrConflict, store.ErrUnavailable} {
		if errors.Is(err, e) != errors.Is(want, e) {
			t.Errorf("%s: error is %v, want %v", what, err, want)
			return
		}
	}
}

// read returns what get finds, and fails the test if it finds nothing.
func read[K, V any](t *testing.T, get func(context.Context, K) (V, error), key K) V {
	t.Helper()
	v, err := get(t.Context(), key)
	if err != nil {
		t.Errorf("read %v: %v", key, err)
	}
	return v
}

// absent wants get to find nothing, and to return nothing with its error.
func absent[K, V any](t *testing.T, what string, get func(context.Context, K) (V, error), key K) {
	t.Helper()
	v, err := get(t.Context(), key)
	fails(t, what, err, store.ErrNotFound)
	var zero V
	same(t, what+" beside its error", v, zero)
}
