package token

import (
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// OtherGrant stands for every grant type that is not served, and for none.
const OtherGrant = "other"

// Result is how a token request ended.
type Result string

// The results.
const (
	// Issued is a code that was exchanged.
	Issued Result = "issued"
	// Refreshed is a refresh token that was rotated.
	Refreshed Result = "refreshed"
	// Replayed is a retry inside the rotation grace, answered with the pair that
	// was issued before.
	Replayed Result = "replay_in_grace"
	// Refused is a judgement: the request, the client or the grant is not good.
	Refused Result = "refused"
	// Unavailable is a fault of ours; the client may try again.
	Unavailable Result = "unavailable"
)

// Outcome is what an observer is told of a token request. All its values are of
// closed sets.
type Outcome struct {
	// GrantType is AuthorizationCode, RefreshToken or OtherGrant.
	GrantType string
	Result    Result
	// Reason is set for Refused and Unavailable.
	Reason reason.Reason
}

func servedOutcome(req request, tokens grant.Tokens) Outcome {
	o := Outcome{GrantType: req.grantType, Result: Refreshed}
	switch {
	case req.grantType == AuthorizationCode:
		o.Result = Issued
	case tokens.Replay:
		o.Result = Replayed
	}
	return o
}

func refusedOutcome(p oauth.Params, e *oauth.Error) Outcome {
	o := Outcome{GrantType: OtherGrant, Result: Refused, Reason: e.Reason}
	if asked := p.Get("grant_type"); asked == AuthorizationCode || asked == RefreshToken {
		o.GrantType = asked
	}
	if e.Status >= http.StatusInternalServerError {
		o.Result = Unavailable
	}
	return o
}
