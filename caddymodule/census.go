package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// codeSettling is how long after its expiry a code is counted as never redeemed:
// a redemption that was decided in time may still wait for its commit.
const codeSettling = 10 * time.Second

// census counts what the store keeps and what the sweeper deletes. A scrape must
// cost the store nothing, so that it runs with the sweeper. Its methods do
// nothing on a nil census; only one of them runs at a time.
type census struct {
	counter store.Counter // nil where the engine cannot count
	metrics *metrics
	clock   clock.Clock
	log     *slog.Logger
	// codes that expired from here on are not counted yet
	from time.Time
}

// newCensus begins to count. Codes that expire from now on are counted, each
// once; those that expired while nothing ran are not.
func newCensus(s store.Store, m *metrics, now clock.Clock, log *slog.Logger) *census {
	counter, _ := s.(store.Counter)
	return &census{counter: counter, metrics: m, clock: now, log: log, from: now.Now()}
}

// take counts what is there now. What cannot be counted keeps its last figure,
// and the codes are made up for the next time.
func (c *census) take(ctx context.Context) {
	if c == nil || c.counter == nil {
		return
	}
	step, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	now := c.clock.Now()
	err := errors.Join(c.takeRows(step, now), c.takeCodes(step, now))
	if err != nil && ctx.Err() == nil {
		c.log.WarnContext(ctx, "counting rows for metrics; trying again in a minute", "error", err)
	}
}

func (c *census) takeRows(ctx context.Context, now time.Time) error {
	rows, err := c.counter.CountRows(ctx, now)
	if err != nil {
		return err
	}
	for _, kind := range rowKinds(rows) {
		c.metrics.rows.WithLabelValues(kind.name).Set(float64(kind.count))
	}
	c.metrics.liveGrants.Set(float64(rows.LiveFamilies))
	c.metrics.counted.Set(seconds(now))
	return nil
}

func (c *census) takeCodes(ctx context.Context, now time.Time) error {
	before := now.Add(-codeSettling)
	if !before.After(c.from) {
		return nil
	}
	ended, err := c.counter.EndedCodes(ctx, c.from, before)
	if err != nil {
		return err
	}
	c.from = before
	for _, e := range ended {
		profile := c.metrics.profileLabel(e.Profile)
		c.metrics.codes.WithLabelValues(profile, codeRedeemed).Add(float64(e.Redeemed))
		c.metrics.codes.WithLabelValues(profile, codeUnredeemed).Add(float64(e.Unredeemed))
	}
	return nil
}

// swept counts what one step of the sweeper deleted.
func (c *census) swept(deleted store.Swept) {
	if c == nil {
		return
	}
	for _, kind := range sweptKinds(deleted) {
		c.metrics.deleted.WithLabelValues(kind.name).Add(float64(kind.count))
	}
}

// kindCount is one value of the label "kind".
type kindCount struct {
	name  string
	count int
}

func rowKinds(r store.Rows) []kindCount {
	return []kindCount{
		{"clients", r.Clients}, {"documents", r.Documents}, {"people", r.Users}, {"sessions", r.Sessions}, {"approvals", r.Approvals},
		{"codes", r.Codes}, {"access_tokens", r.AccessTokens}, {"families", r.Families}, {"generations", r.Generations},
		{"sealed_answers", r.SealedAnswers}, {"registrations", r.Registrations}, {"removals", r.Removals},
		{"rejections", r.Rejections}, {"consents", r.Consents}, {"idempotent_writes", r.IdempotentWrites},
		{"logout_tokens", r.LogoutTokens},
	}
}

func sweptKinds(s store.Swept) []kindCount {
	return []kindCount{
		{"clients", s.Clients}, {"sessions", s.Sessions}, {"approvals", s.Approvals}, {"codes", s.Codes},
		{"access_tokens", s.AccessTokens}, {"families", s.Families}, {"sealed_answers", s.SealedAnswers},
		{"registrations", s.Registrations}, {"removals", s.Removals}, {"rejections", s.Rejections}, {"consents", s.Consents},
		{"idempotent_writes", s.IdempotentWrites},
		{"logout_tokens", s.LogoutTokens},
	}
}
