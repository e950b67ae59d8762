package client

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Budgets. Assistants that run in a cloud register for all their people from a
// handful of addresses, and some register anew at each connection; what they send
// then is plain, equal to what is known, and costs a read.
var (
	// perAddress bounds requests of one address.
	perAddress = limit.Rate{Events: 600, Per: time.Minute, Burst: 1200}
	// newPerAddress bounds the new rows of one address.
	newPerAddress = limit.Rate{Events: 60, Per: time.Hour, Burst: 60}
	// newPerOrigin bounds the new rows of one profile and origin. With the time for
	// which a row is kept it bounds their number: 200 + 48 × 60.
	newPerOrigin = limit.Rate{Events: 60, Per: time.Hour, Burst: 200}
	// newPlain bounds the new plain rows of one profile: 2,000 + 48 × 600. There is
	// a number of them, and what honest assistants send is among the first.
	newPlain = limit.Rate{Events: 600, Per: time.Hour, Burst: 2000}
)

// takeRequest charges a request to its address.
func (h *Registration) takeRequest(ctx context.Context) *oauth.Error {
	return h.take("registration from "+limit.Address(httpx.ClientIP(ctx)), perAddress)
}

// takeNew charges a row that a request would make. Plain ones have a budget of
// their own also by address, which no flood under other names can spend.
func (h *Registration) takeNew(ctx context.Context, from origin, profile string) *oauth.Error {
	kind, perOrigin := "new registration from ", newPerOrigin
	if from == plain {
		kind, perOrigin = "new plain registration from ", newPlain
	}
	if e := h.take(kind+limit.Address(httpx.ClientIP(ctx)), newPerAddress); e != nil {
		return e
	}
	return h.take(from.budget(profile), perOrigin)
}

func (h *Registration) take(key string, r limit.Rate) *oauth.Error {
	v := h.cfg.Limiter.Take(key, r, h.cfg.Clock.Now())
	if v.OK {
		return nil
	}
	return oauth.TooMany(reason.LimitRegistrations, v.RetryAfter, "too many registrations, try again later")
}
