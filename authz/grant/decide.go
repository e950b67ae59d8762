package grant

import (
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Action is what a presented refresh token leads to.
type Action int

// The actions.
const (
	// Refuse answers an error and changes nothing.
	Refuse Action = iota
	// Rotate makes the next generation.
	Rotate
	// Replay answers the successor that exists already and changes nothing.
	Replay
	// RevokeFamily ends the family, which must be committed although the answer
	// is an error (RFC 9700 §4.14.2).
	RevokeFamily
)

// Facts are everything that the decision about a refresh token depends on.
type Facts struct {
	// Presented is what the token says about itself; its MAC is checked.
	Presented opaque.Parsed
	// ClientID is the authenticated client.
	ClientID string
	// Scopes are those asked for that exist at the resource; none asks for all.
	Scopes []string
	// Resource is the canonical resource asked for, or "".
	Resource string

	// Family is zero when there is none.
	Family store.Family
	// Generation is the stored one with the presented number, zero when there is
	// none.
	Generation store.Generation
	// Admission is the policy's answer about the person at this client.
	Admission reason.Reason

	Now   time.Time
	Grace time.Duration
}

// Verdict is the decision about a refresh token.
type Verdict struct {
	Action Action
	// Code and Reason are set when the answer is an error.
	Code   oauth.Code
	Reason reason.Reason
	// Scopes of the access token, set for Rotate.
	Scopes []string
}

// Decide applies the rules of refresh token rotation (OAuth 2.1 §4.3.1,
// RFC 9700 §4.14.2) and depends on nothing but f.
//
// The order is part of the rules. What a client asks for is looked at only
// after reuse, so that an odd scope or resource cannot hide a replay. Another
// client's attempt never counts as reuse: hosts that register anew mix up
// their client ids, and a client must not be able to end a foreign grant.
func Decide(f Facts) Verdict {
	if v, live := decideFamily(f); !live {
		return v
	}
	if f.Family.ClientID != f.ClientID {
		return refuse(oauth.InvalidGrant, reason.GrantWrongClient)
	}
	current := f.Family.Gen
	if f.Presented.Gen > current {
		// Minted by us, yet unknown: the store went back in time.
		return refuse(oauth.InvalidGrant, reason.GrantStoreRolledBack)
	}
	if f.reused() {
		return Verdict{Action: RevokeFamily, Code: oauth.InvalidGrant, Reason: reason.GrantReused}
	}
	if f.Resource != "" && f.Resource != f.Family.Resource {
		return refuse(oauth.InvalidTarget, reason.ResourceWrong)
	}
	if !oauth.Covers(f.Family.Scopes, f.Scopes) {
		return refuse(oauth.InvalidScope, reason.ScopeInvalid)
	}
	if f.Presented.Gen < current {
		return Verdict{Action: Replay}
	}
	if len(f.Scopes) == 0 {
		return Verdict{Action: Rotate, Scopes: f.Family.Scopes}
	}
	return Verdict{Action: Rotate, Scopes: f.Scopes}
}

// decideFamily says whether the grant as a whole is still good.
func decideFamily(f Facts) (v Verdict, live bool) {
	switch {
	case f.Family.ID == "":
		return refuse(oauth.InvalidGrant, reason.GrantUnknown), false
	case !f.Family.RevokedAt.IsZero():
		why := whyRevoked(f.Family)
		if f.Family.ClientID != f.ClientID { // nor does it count as reuse here
			why = reason.GrantRevoked
		}
		return refuse(oauth.InvalidGrant, why), false
	case !f.Now.Before(f.Family.AbsoluteEnd), !f.Now.Before(f.Family.IdleEnd):
		return refuse(oauth.InvalidGrant, reason.GrantExpired), false
	case f.Admission != reason.None:
		return refuse(oauth.InvalidGrant, f.Admission), false
	}
	return Verdict{}, true
}

// whyRevoked is why nothing of a revoked family is accepted. Theft stays theft
// at every later use: the event that told it first may not have been stored.
func whyRevoked(f store.Family) reason.Reason {
	if f.RevokedWhy == string(reason.GrantReused) {
		return reason.GrantReused
	}
	return reason.GrantRevoked
}

// reused says whether a token of this or an earlier generation is neither the
// current one nor a predecessor inside its grace.
func (f Facts) reused() bool {
	if f.Generation.Hash != f.Presented.Hash {
		return true
	}
	if f.Presented.Gen == f.Family.Gen {
		return false
	}
	return f.Generation.RotatedAt.IsZero() || len(f.Generation.Sealed) == 0 ||
		f.Now.Sub(f.Generation.RotatedAt) > f.Grace
}

func refuse(code oauth.Code, why reason.Reason) Verdict {
	return Verdict{Action: Refuse, Code: code, Reason: why}
}
