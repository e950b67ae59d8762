package authz

import (
	"context"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// How much anyone may ask of the server. None of it is meant to be reached by
// honest use: a hosted assistant calls for all its users from a few addresses, a
// company of thousands signs in through one, and where a proxy in front is not
// declared as trusted, everybody has the same. What is bounded is the share of
// the server that one address can take.
var (
	// Codes and refresh tokens, by address. A refresh is a write, of which the
	// embedded store does some hundreds in a second.
	tokenRate = limit.Rate{Events: 100, Per: time.Second, Burst: 10_000}
	// Revocations, by address. They are writes too, but nobody's assistant makes
	// them in numbers; those of a whole fleet that is turned off must pass.
	revokeRate = limit.Rate{Events: 50, Per: time.Second, Burst: 5_000}
	// Authorization requests and steps of the sign-in, by address: ten thousand
	// people who connect in the same ten minutes make 17 a second.
	authorizeRate = limit.Rate{Events: 50, Per: time.Second, Burst: 5_000}
	signInRate    = limit.Rate{Events: 50, Per: time.Second, Burst: 5_000}
	// Returns from the identity provider, by address. Each one makes the server
	// call the provider.
	callbackRate = limit.Rate{Events: 25, Per: time.Second, Burst: 2_500}
	// Logouts, by address. A provider that ends the sessions of a whole company at
	// once calls from a few addresses; each one that is good is a write.
	logoutRate = limit.Rate{Events: 50, Per: time.Second, Burst: 10_000}
	// Wrong client secrets, by address and client (RFC 6749 §2.3.1). A secret has
	// 256 random bits, so that no rate makes guessing worth while; a client whose
	// secret was changed meanwhile has room for its retries.
	failureRate = limit.Rate{Events: 6, Per: time.Minute, Burst: 30}
	// Rotations, by family. One process needs one in an hour, when its access token
	// ends. But assistants run as many processes that share one stored token, and
	// each may renew it when it starts: three hundred that start together pass, and
	// as many again in each hour after it.
	rotationRate = limit.Rate{Events: 6, Per: time.Minute, Burst: 300}
)

// Limits are what the server remembers of how often something was asked of it.
// They outlive a configuration: a reload forgives nobody. What could be flooded
// by strangers has a memory of its own, so that it pushes nothing else out.
type Limits struct {
	requests  *limit.Memory // by endpoint and address
	failures  *limit.Memory // by address and client; only clients that exist
	rotations *limit.Memory // by family; only tokens that are good

	registrations *limit.Memory // by address, and by profile
	rejections    *limit.Memory // by address
}

// NewLimits returns Limits that remember nothing yet.
func NewLimits() (*Limits, error) {
	var l Limits
	for _, m := range []**limit.Memory{&l.requests, &l.failures, &l.rotations, &l.registrations, &l.rejections} {
		var err error
		if *m, err = limit.NewMemory(limit.DefaultSize); err != nil {
			return nil, err
		}
	}
	return &l, nil
}

// requestCounter counts requests; *limit.Memory is one.
type requestCounter interface {
	Take(key string, r limit.Rate, now time.Time) limit.Verdict
}

// door stands before the endpoints that anyone can call.
type door struct {
	requests requestCounter
	refusals *audit.Refusals
	clock    clock.Clock
}

func newDoor(cfg Config) *door {
	return &door{requests: cfg.Limits.requests, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log), clock: cfg.Clock}
}

// tooMany writes the answer to a request over the limit, in the form that the
// callers of the endpoint read.
type tooMany func(w http.ResponseWriter, r *http.Request, why reason.Reason, wait time.Duration)

// bound lets pass what an address may ask of an endpoint. Preflights are left
// alone: they cost nothing, and a browser would tell a page nothing of a 429.
func (d *door) bound(name string, rate limit.Rate, why reason.Reason, refuse tooMany, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			ctx := r.Context()
			v := d.requests.Take(name+" "+limit.Address(httpx.ClientIP(ctx)), rate, d.clock.Now())
			if !v.OK {
				d.refusals.Sample(ctx, overLimit(ctx, name, why))
				refuse(w, r, why, v.RetryAfter)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func overLimit(ctx context.Context, endpoint string, why reason.Reason) audit.Event {
	return audit.Event{
		Name: audit.LimitHit, Reason: why, Detail: endpoint,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}

// toClient answers a program.
func toClient(w http.ResponseWriter, _ *http.Request, why reason.Reason, wait time.Duration) {
	oauth.AllowAnyOrigin(w.Header())
	oauth.WriteError(w, oauth.TooMany(why, wait, "too many requests from this address, try again later"))
}
