package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// figures reads the value of every series of m; of a histogram, the number and
// the sum of what was observed.
func figures(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := m.register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, series := range f.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				if l.GetValue() != "" {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			name := strings.TrimPrefix(f.GetName(), "mcp_edge_")
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case series.GetHistogram() != nil:
				found[name+" count"] = float64(series.GetHistogram().GetSampleCount())
				found[name+" sum"] = series.GetHistogram().GetSampleSum()
			case series.GetGauge() != nil:
				found[name] = series.GetGauge().GetValue()
			default:
				found[name] = series.GetCounter().GetValue()
			}
		}
	}
	return found
}

// changed is what differs from the figures of metrics that nothing was told.
func changed(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	now, before := figures(t, m), figures(t, newMetrics())
	for name, value := range before {
		if now[name] == value {
			delete(now, name)
		}
	}
	return now
}

func TestEachObservationIsCountedInItsSeries(t *testing.T) {
	m := newMetrics()
	o := m.observers()
	for _, why := range []reason.Reason{reason.None, reason.None, reason.GrantExpired, reason.StoreUnavailable} {
		o.Grants.Verified(why)
	}
	o.Grants.StoreRead()
	o.Grants.Reused(grant.Reuse{Age: 1500 * time.Millisecond, AgeKnown: true})
	o.Grants.Reused(grant.Reuse{Age: 2 * time.Hour, AgeKnown: true, Revoked: true})
	o.Grants.Reused(grant.Reuse{Revoked: true})
	o.Token(token.Outcome{GrantType: token.RefreshToken, Result: token.Replayed})
	o.Token(token.Outcome{GrantType: token.OtherGrant, Result: token.Refused, Reason: reason.ClientBadRequest})
	o.Registration(reason.None)
	o.Registration(reason.ClientNoProfile)
	o.SignIn(reason.BackendIDPUnavailable)
	o.Consent(reason.None)
	o.Consent(reason.UserDenied)
	o.Consent(reason.UserNotAllowed)
	o.Document(document.Changed)
	want := map[string]float64{
		"access_token_checks_total{result=ok}":                                            2,
		"access_token_checks_total{reason=grant/expired,result=refused}":                  1,
		"access_token_checks_total{reason=grant/store_unavailable,result=unavailable}":    1,
		"access_token_store_reads_total":                                                  1,
		"refresh_reuse_age_seconds{outcome=answered} count":                               1,
		"refresh_reuse_age_seconds{outcome=answered} sum":                                 1.5,
		"refresh_reuse_age_seconds{outcome=revoked} count":                                1,
		"refresh_reuse_age_seconds{outcome=revoked} sum":                                  7200,
		"refresh_reuse_unknown_age_total":                                                 1,
		"token_requests_total{grant_type=refresh_token,result=replay_in_grace}":           1,
		"token_requests_total{grant_type=other,reason=client/bad_request,result=refused}": 1,
		"registrations_total{result=ok}":                                                  1,
		"registrations_total{reason=client/no_profile,result=refused}":                    1,
		"sign_ins_total{reason=backend/idp_unavailable,result=unavailable}":               1,
		"consents_total{result=approved}":                                                 1,
		"consents_total{reason=user/denied,result=denied}":                                1,
		"consents_total{reason=user/not_allowed,result=refused}":                          1,
		"metadata_document_fetches_total{result=changed}":                                 1,
	}
	if diff := cmp.Diff(want, changed(t, m)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestNoLabelSaysWhatIsNotOfAClosedSet(t *testing.T) {
	const personal = "client/ada@acme.com 192.0.2.7 lma_secret"
	m := newMetrics()
	m.setProfiles([]string{"claude"})
	o := m.observers()
	o.Grants.Verified(personal)
	o.Token(token.Outcome{GrantType: personal, Result: personal, Reason: personal})
	o.Registration(personal)
	o.SignIn(personal)
	o.Consent(personal)
	o.Document(personal)
	books := newCensus(&countingStore{ended: []store.EndedCodes{{Profile: personal, Unredeemed: 1}, {Profile: "claude", Redeemed: 2}, {Redeemed: 4}}}, m, &clock.Fake{}, slog.New(slog.DiscardHandler))
	books.clock.(*clock.Fake).Advance(time.Minute)
	books.take(t.Context())
	got := figures(t, m)
	for series := range got {
		if strings.Contains(series, "ada@") || strings.Contains(series, "192.0.2") || strings.Contains(series, "lma_") {
			t.Errorf("there is a series %s", series)
		}
	}
	for series, want := range map[string]float64{
		"access_token_checks_total{reason=other,result=refused}":           1,
		"token_requests_total{grant_type=other,reason=other,result=other}": 1,
		"registrations_total{reason=other,result=refused}":                 1,
		"sign_ins_total{reason=other,result=refused}":                      1,
		"consents_total{reason=other,result=refused}":                      1,
		"metadata_document_fetches_total{result=other}":                    1,
		"codes_ended_total{profile=other,result=unredeemed}":               1,
		"codes_ended_total{profile=other,result=redeemed}":                 4,
		"codes_ended_total{profile=claude,result=redeemed}":                2,
	} {
		if got[series] != want {
			t.Errorf("%s is %v, want %v", series, got[series], want)
		}
	}
}

func TestTheHotPathAllocatesNothingForItsFigures(t *testing.T) {
	m := newMetrics()
	for _, why := range []reason.Reason{reason.None, reason.GrantUnknown, reason.GrantRevoked, reason.StoreUnavailable} {
		m.Verified(why) // the first makes the series
		if n := testing.AllocsPerRun(100, func() { m.Verified(why); m.StoreRead() }); n > 0 {
			t.Errorf("%q: %v allocations", why, n)
		}
	}
}

func BenchmarkACheckOfATokenIsCounted(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Verified(reason.None)
		}
	})
}

func TestTheBucketsAreFineWhereAGraceCanBeSet(t *testing.T) {
	if !slices.IsSorted(reuseBuckets) || reuseBuckets[0] != 0.1 || reuseBuckets[len(reuseBuckets)-1] != (7*24*time.Hour).Seconds() {
		t.Errorf("buckets are %v", reuseBuckets)
	}
	for _, edge := range []time.Duration{time.Minute, grant.MaxGrace} {
		if !slices.Contains(reuseBuckets, edge.Seconds()) {
			t.Errorf("no bucket ends at %v", edge)
		}
	}
	for i, edge := range reuseBuckets[1:] {
		if edge <= grant.MaxGrace.Seconds() && edge > 2.5*reuseBuckets[i] {
			t.Errorf("the bucket up to %v s is too wide", edge)
		}
	}
}

// countingStore is a store of which only the counts are used.
type countingStore struct {
	store.Store
	rows  store.Rows
	ended []store.EndedCodes
	spans [][2]time.Time
	err   error
}

func (s *countingStore) CountRows(context.Context, time.Time) (store.Rows, error) {
	return s.rows, s.err
}

func (s *countingStore) EndedCodes(_ context.Context, from, before time.Time) ([]store.EndedCodes, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.spans = append(s.spans, [2]time.Time{from, before})
	return s.ended, nil
}

func TestEveryMomentOfExpiryIsCountedOnceAlsoAfterAFault(t *testing.T) {
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	now := clock.NewFake(begin)
	s := &countingStore{ended: []store.EndedCodes{{Profile: "glean", Redeemed: 3, Unredeemed: 1}}}
	m := newMetrics()
	m.setProfiles([]string{"glean"})
	books := newCensus(s, m, now, slog.New(slog.DiscardHandler))
	take := func(later time.Duration, err error) {
		now.Advance(later)
		s.err = err
		books.take(t.Context())
	}
	take(0, nil) // at the start nothing has expired yet
	take(time.Minute, nil)
	take(time.Minute, store.ErrUnavailable)
	take(time.Minute, nil)
	take(-time.Hour, nil) // a clock that was set back
	take(time.Hour+time.Second, nil)
	at := func(d time.Duration) time.Time { return begin.Add(d - codeSettling) }
	want := [][2]time.Time{{begin, at(time.Minute)}, {at(time.Minute), at(3 * time.Minute)}, {at(3 * time.Minute), at(3*time.Minute + time.Second)}}
	if diff := cmp.Diff(want, s.spans); diff != "" {
		t.Errorf("spans, want (-), got (+):\n%s", diff)
	}
	if got := figures(t, m)["codes_ended_total{profile=glean,result=unredeemed}"]; got != 3 {
		t.Errorf("%v unredeemed codes, want 3", got)
	}
}

func TestAFaultKeepsTheLastCount(t *testing.T) {
	now := clock.NewFake(time.Unix(1_800_000_000, 0))
	s := &countingStore{rows: store.Rows{Clients: 7, Families: 3, LiveFamilies: 2}}
	m := newMetrics()
	books := newCensus(s, m, now, slog.New(slog.DiscardHandler))
	books.take(t.Context())
	now.Advance(time.Minute)
	s.rows, s.err = store.Rows{}, errors.New("locked")
	books.take(t.Context())
	got := figures(t, m)
	if got["store_rows{kind=clients}"] != 7 || got["store_rows{kind=families}"] != 3 || got["grants_live"] != 2 {
		t.Errorf("%v", got)
	}
	if counted := got["store_rows_counted_timestamp_seconds"]; counted != 1_800_000_000 {
		t.Errorf("the count claims to be of %v", counted)
	}
}

func TestAnEngineThatCannotCountHasNoCounts(t *testing.T) {
	m := newMetrics()
	books := newCensus(struct{ store.Store }{}, m, clock.System, slog.New(slog.DiscardHandler))
	books.take(t.Context())
	for series := range changed(t, m) {
		t.Errorf("there is a series %s", series)
	}
	var none *census
	none.take(t.Context())
	none.swept(store.Swept{Codes: 1})
}

func TestEveryKindOfRowIsTold(t *testing.T) {
	var swept store.Swept
	fill(reflect.ValueOf(&swept).Elem())
	wantAll(t, sweptKinds(swept), reflect.TypeFor[store.Swept]().NumField())
	var rows store.Rows
	fill(reflect.ValueOf(&rows).Elem())
	wantAll(t, rowKinds(rows), reflect.TypeFor[store.Rows]().NumField()-1) // LiveFamilies are families
}

// fill gives every field another number.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		v.Field(i).SetInt(int64(i + 1))
	}
}

func wantAll(t *testing.T, kinds []kindCount, fields int) {
	t.Helper()
	names, counts := map[string]bool{}, map[int]bool{}
	for _, k := range kinds {
		names[k.name], counts[k.count] = true, true
	}
	if len(kinds) != fields || len(names) != fields || len(counts) != fields {
		t.Errorf("%d kinds with %d names and %d counts for %d fields", len(kinds), len(names), len(counts), fields)
	}
}

func TestWhatTheSweeperDeletesIsCounted(t *testing.T) {
	m := newMetrics()
	table := &rows{left: sweepLimit + 5}
	books := newCensus(struct{ store.Store }{}, m, clock.System, slog.New(slog.DiscardHandler))
	sweepAll(t.Context(), table, clock.System, slog.New(slog.DiscardHandler), books)
	if got := figures(t, m)["store_rows_deleted_total{kind=codes}"]; got != sweepLimit+5 {
		t.Errorf("%v deleted codes are counted", got)
	}
}
