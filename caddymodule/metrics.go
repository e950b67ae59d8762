package caddymodule

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/limit/redis"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// metrics are the figures of one runtime. They live as long as it does, so that
// a reload resets none: each configuration registers the same collectors with
// the registry that Caddy makes for it.
//
// Every label value comes from a closed set: reasons, the constants below, and
// the ids of host profiles. Anything else becomes otherLabel, because a label
// with the name of a person or a client would be personal data on a page that
// has no sign-in, and without bound in number.
type metrics struct {
	tokenRequests *prometheus.CounterVec   // grant_type, result, reason
	reuseAge      *prometheus.HistogramVec // outcome
	reuseUnknown  prometheus.Counter
	checks        *prometheus.CounterVec // result, reason
	storeReads    prometheus.Counter
	registrations *prometheus.CounterVec // result, reason
	signIns       *prometheus.CounterVec // result, reason
	consents      *prometheus.CounterVec // result, reason
	codes         *prometheus.CounterVec // profile, result
	documents     *prometheus.CounterVec // result
	people        *prometheus.CounterVec // result
	rows          *prometheus.GaugeVec   // kind
	liveGrants    prometheus.Gauge
	counted       prometheus.Gauge
	deleted       *prometheus.CounterVec // kind
	limitHits     *prometheus.CounterVec // reason
	limiterAlone  prometheus.Gauge
	countedAlone  prometheus.Counter

	collectors []prometheus.Collector

	profiles atomic.Pointer[map[string]struct{}] // ids of the configuration in service
}

// Label values that are not those of another package.
const (
	otherLabel = "other"

	resultOK          = "ok"
	resultRefused     = "refused"
	resultUnavailable = "unavailable"
	resultApproved    = "approved"
	resultDenied      = "denied"

	reuseAnswered = "answered"
	reuseRevoked  = "revoked"

	codeRedeemed   = "redeemed"
	codeUnredeemed = "unredeemed"
)

// reuseBuckets are seconds. They are close where a rotation grace can be set (up
// to ten minutes) and go on to the longest that an idle client comes back after.
var reuseBuckets = []float64{
	0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600,
	1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600,
}

func newMetrics() *metrics {
	m := new(metrics)
	m.tokenRequests = m.counters("token_requests_total",
		"Requests at the token endpoint by how they ended.", "grant_type", "result", "reason")
	m.reuseAge = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "mcp_edge_refresh_reuse_age_seconds", Buckets: reuseBuckets,
		Help: "Time from the rotation of a refresh token to its next use: answered inside the grace, or ending the grant.",
	}, []string{"outcome"})
	m.collectors = append(m.collectors, m.reuseAge)
	m.reuseUnknown = m.counter("refresh_reuse_unknown_age_total",
		"Grants that ended by the use of a refresh token that was rotated so long ago that its age is not kept.")
	m.checks = m.counters("access_token_checks_total",
		"Access tokens that were checked for a call, by result.", "result", "reason")
	m.storeReads = m.counter("access_token_store_reads_total",
		"Reads of the store for checks of access tokens; the other checks were answered from memory.")
	m.registrations = m.counters("registrations_total",
		"Requests at the client registration endpoint, by result.", "result", "reason")
	m.signIns = m.counters("sign_ins_total",
		"People who came to be signed in by their identity provider, by result.", "result", "reason")
	m.consents = m.counters("consents_total",
		"Answers to the consent page, by result.", "result", "reason")
	m.codes = m.counters("codes_ended_total",
		"Authorization codes whose life is over, by the host profile of their client and by whether they were redeemed.", "profile", "result")
	m.documents = m.counters("metadata_document_fetches_total",
		"Fetches of client metadata documents, by result.", "result")
	m.people = m.counters("people_checks_total",
		"Questions to a backend whether a person with grants is still active, by result; those that were answered from memory are not counted.", "result")
	m.rows = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "mcp_edge_store_rows", Help: "Rows that are kept in the store, by kind, at the last count.",
	}, []string{"kind"})
	m.liveGrants = m.gauge("grants_live", "Grants that are neither revoked nor past their end, at the last count.")
	m.counted = m.gauge("store_rows_counted_timestamp_seconds", "When the rows of the store were last counted, in seconds since 1970.")
	m.deleted = m.counters("store_rows_deleted_total", "Rows that were deleted because they were past their use, by kind.", "kind")
	m.collectors = append(m.collectors, m.rows)
	m.limitHits = m.counters("limit_hits_total", "Requests at the MCP endpoints that were over a limit, by the limit.", "reason")
	m.limiterAlone = m.gauge("limiter_fallback", "1 while the shared limiter cannot be asked and this node holds the limits by itself, else 0.")
	m.countedAlone = m.counter("limiter_fallback_requests_total", "Requests that this node counted by itself because the shared limiter could not be asked.")
	m.begin()
	return m
}

// begin makes the series that an alert would miss if they came into being only
// with their first event.
func (m *metrics) begin() {
	for _, o := range []token.Outcome{
		{GrantType: token.AuthorizationCode, Result: token.Issued},
		{GrantType: token.RefreshToken, Result: token.Refreshed},
		{GrantType: token.RefreshToken, Result: token.Replayed},
		{GrantType: token.RefreshToken, Result: token.Refused, Reason: reason.GrantReused},
		{GrantType: token.RefreshToken, Result: token.Unavailable, Reason: reason.StoreUnavailable},
	} {
		m.tokenRequests.WithLabelValues(o.GrantType, string(o.Result), string(o.Reason))
	}
	for _, outcome := range []string{reuseAnswered, reuseRevoked} {
		m.reuseAge.WithLabelValues(outcome)
	}
	for _, vec := range []*prometheus.CounterVec{m.checks, m.registrations, m.signIns} {
		vec.WithLabelValues(resultOK, "")
	}
	m.checks.WithLabelValues(resultUnavailable, string(reason.StoreUnavailable))
	m.consents.WithLabelValues(resultApproved, "")
	for _, why := range []reason.Reason{reason.LimitUserRead, reason.LimitUserWrite, reason.LimitDomain} {
		m.limitHits.WithLabelValues(string(why))
	}
	for _, o := range document.Outcomes() {
		m.documents.WithLabelValues(string(o))
	}
	for _, r := range people.Results() {
		m.people.WithLabelValues(string(r))
	}
}

// register shows the figures in the registry of a configuration.
func (m *metrics) register(to prometheus.Registerer) error {
	for _, c := range m.collectors {
		if err := to.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// setProfiles says which host profiles there are now.
func (m *metrics) setProfiles(ids []string) {
	known := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		known[id] = struct{}{}
	}
	m.profiles.Store(&known)
}

// observers connects the figures to an authorization server.
func (m *metrics) observers() authz.Observers {
	return authz.Observers{
		Grants:       m,
		Token:        m.tokenRequest,
		Registration: func(why reason.Reason) { m.registrations.WithLabelValues(resultOf(why), reasonLabel(why)).Inc() },
		SignIn:       func(why reason.Reason) { m.signIns.WithLabelValues(resultOf(why), reasonLabel(why)).Inc() },
		Consent:      m.consent,
		Document:     m.documentFetch,
		Person:       m.personCheck,
	}
}

// Verified implements grant.Observer.
func (m *metrics) Verified(why reason.Reason) {
	m.checks.WithLabelValues(resultOf(why), reasonLabel(why)).Inc()
}

// StoreRead implements grant.Observer.
func (m *metrics) StoreRead() { m.storeReads.Inc() }

// Reused implements grant.Observer.
func (m *metrics) Reused(r grant.Reuse) {
	if !r.AgeKnown {
		m.reuseUnknown.Inc()
		return
	}
	outcome := reuseAnswered
	if r.Revoked {
		outcome = reuseRevoked
	}
	m.reuseAge.WithLabelValues(outcome).Observe(r.Age.Seconds())
}

func (m *metrics) tokenRequest(o token.Outcome) {
	grantType := otherLabel
	if o.GrantType == token.AuthorizationCode || o.GrantType == token.RefreshToken {
		grantType = o.GrantType
	}
	result := otherLabel
	switch o.Result {
	case token.Issued, token.Refreshed, token.Replayed, token.Refused, token.Unavailable:
		result = string(o.Result)
	}
	m.tokenRequests.WithLabelValues(grantType, result, reasonLabel(o.Reason)).Inc()
}

func (m *metrics) consent(why reason.Reason) {
	result := resultOf(why)
	switch why {
	case reason.None:
		result = resultApproved
	case reason.UserDenied:
		result = resultDenied
	}
	m.consents.WithLabelValues(result, reasonLabel(why)).Inc()
}

func (m *metrics) documentFetch(o document.Outcome) {
	for _, known := range document.Outcomes() {
		if o == known {
			m.documents.WithLabelValues(string(o)).Inc()
			return
		}
	}
	m.documents.WithLabelValues(otherLabel).Inc()
}

func (m *metrics) personCheck(r people.Result) {
	if !slices.Contains(people.Results(), r) {
		r = otherLabel
	}
	m.people.WithLabelValues(string(r)).Inc()
}

// limitHit counts a request that was over a limit.
func (m *metrics) limitHit(why reason.Reason) { m.limitHits.WithLabelValues(reasonLabel(why)).Inc() }

// Shared implements redis.Observer.
func (m *metrics) Shared(is bool) {
	alone := 1.0
	if is {
		alone = 0
	}
	m.limiterAlone.Set(alone)
}

// CountedHere implements redis.Observer.
func (m *metrics) CountedHere() { m.countedAlone.Inc() }

// profileLabel is the id of a host profile that is configured now.
func (m *metrics) profileLabel(id string) string {
	if known := m.profiles.Load(); known != nil {
		if _, ok := (*known)[id]; ok {
			return id
		}
	}
	return otherLabel
}

// resultOf tells a judgement from a fault.
func resultOf(why reason.Reason) string {
	switch {
	case why == reason.None:
		return resultOK
	case why.Fault():
		return resultUnavailable
	}
	return resultRefused
}

// reasonLabel is why, which is empty where nothing was refused.
func reasonLabel(why reason.Reason) string {
	if why == reason.None || why.Known() {
		return string(why)
	}
	return otherLabel
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mcp_edge_" + name, Help: help})
	m.collectors = append(m.collectors, c)
	return c
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mcp_edge_" + name, Help: help}, labels)
	m.collectors = append(m.collectors, c)
	return c
}

func (m *metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "mcp_edge_" + name, Help: help})
	m.collectors = append(m.collectors, g)
	return g
}

// seconds is a moment as Prometheus writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Interface guards.
var (
	_ grant.Observer = (*metrics)(nil)
	_ redis.Observer = (*metrics)(nil)
)
