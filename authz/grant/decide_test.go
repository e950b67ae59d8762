package grant_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// TestDecide is the table of refresh token rotation: each case changes a good
// request for the current token, of generation 5, in the way its name says.
func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	hash := store.Hash{1}
	rotated := func(f *grant.Facts, ago time.Duration) {
		f.Presented.Gen, f.Generation.Gen = 4, 4
		f.Generation.RotatedAt, f.Generation.Sealed = now.Add(-ago), []byte("sealed")
	}
	invalidGrant := func(why reason.Reason) grant.Verdict {
		return grant.Verdict{Action: grant.Refuse, Code: oauth.InvalidGrant, Reason: why}
	}
	theft := grant.Verdict{Action: grant.RevokeFamily, Code: oauth.InvalidGrant, Reason: reason.GrantReused}
	all := []string{"a", "b"}

	for _, c := range []struct {
		name   string
		change func(f *grant.Facts)
		want   grant.Verdict
	}{
		{"the current token rotates", func(*grant.Facts) {}, grant.Verdict{Action: grant.Rotate, Scopes: all}},
		{"the current token rotates just before the family ends", func(f *grant.Facts) {
			f.Family.IdleEnd = now.Add(time.Microsecond)
		}, grant.Verdict{Action: grant.Rotate, Scopes: all}},
		{"a narrower scope narrows the access token", func(f *grant.Facts) { f.Scopes = []string{"b"} }, grant.Verdict{Action: grant.Rotate, Scopes: []string{"b"}}},
		{"the family's own resource may be repeated", func(f *grant.Facts) { f.Resource = "https://r.example" }, grant.Verdict{Action: grant.Rotate, Scopes: all}},

		{"a family that is not stored is refused", func(f *grant.Facts) { f.Family = store.Family{} }, invalidGrant(reason.GrantUnknown)},
		{"a revoked family is refused", func(f *grant.Facts) { f.Family.RevokedAt = now.Add(-time.Hour) }, invalidGrant(reason.GrantRevoked)},
		{"a family that was revoked for reuse stays a theft", func(f *grant.Facts) {
			f.Family.RevokedAt, f.Family.RevokedWhy = now.Add(-time.Hour), string(reason.GrantReused)
		}, invalidGrant(reason.GrantReused)},
		{"a family that was revoked for another cause is no theft", func(f *grant.Facts) {
			rotated(f, time.Hour)
			f.Family.RevokedAt, f.Family.RevokedWhy = now.Add(-time.Hour), string(reason.GrantNotAudited)
		}, invalidGrant(reason.GrantRevoked)},
		{"another client does not hear of a theft", func(f *grant.Facts) {
			f.ClientID = "other"
			f.Family.RevokedAt, f.Family.RevokedWhy = now.Add(-time.Hour), string(reason.GrantReused)
		}, invalidGrant(reason.GrantRevoked)},
		{"a family past its absolute end is refused", func(f *grant.Facts) { f.Family.AbsoluteEnd = now }, invalidGrant(reason.GrantExpired)},
		{"a family past its idle end is refused", func(f *grant.Facts) { f.Family.IdleEnd = now }, invalidGrant(reason.GrantExpired)},
		{"a person or client that the policy no longer admits is refused", func(f *grant.Facts) { f.Admission = reason.DomainOff }, invalidGrant(reason.DomainOff)},
		{"a replay into an ended family is expiry, not theft", func(f *grant.Facts) { rotated(f, time.Hour); f.Family.IdleEnd = now }, invalidGrant(reason.GrantExpired)},

		{"another client's token is refused", func(f *grant.Facts) { f.ClientID = "other" }, invalidGrant(reason.GrantWrongClient)},
		{"a replay by another client does not revoke", func(f *grant.Facts) { rotated(f, time.Hour); f.ClientID = "other" }, invalidGrant(reason.GrantWrongClient)},

		{"a scope that was not granted is refused", func(f *grant.Facts) { f.Scopes = []string{"a", "c"} }, grant.Verdict{Action: grant.Refuse, Code: oauth.InvalidScope, Reason: reason.ScopeInvalid}},
		{"another resource is refused", func(f *grant.Facts) { f.Resource = "https://other.example" }, grant.Verdict{Action: grant.Refuse, Code: oauth.InvalidTarget, Reason: reason.ResourceWrong}},
		{"a wider scope cannot hide a replay", func(f *grant.Facts) { rotated(f, time.Hour); f.Scopes = []string{"c"} }, theft},
		{"another resource cannot hide a replay", func(f *grant.Facts) { rotated(f, time.Hour); f.Resource = "https://other.example" }, theft},

		{"a predecessor inside the grace is answered its successor", func(f *grant.Facts) { rotated(f, 59*time.Second) }, grant.Verdict{Action: grant.Replay}},
		{"the last moment of the grace belongs to it", func(f *grant.Facts) { rotated(f, time.Minute) }, grant.Verdict{Action: grant.Replay}},
		{"an older predecessor inside the grace is answered too", func(f *grant.Facts) {
			rotated(f, 10*time.Second)
			f.Presented.Gen, f.Generation.Gen = 2, 2
		}, grant.Verdict{Action: grant.Replay}},
		{"a clock that went back makes no thief", func(f *grant.Facts) { rotated(f, -time.Hour) }, grant.Verdict{Action: grant.Replay}},
		{"a retry with a wider scope is refused", func(f *grant.Facts) { rotated(f, time.Second); f.Scopes = []string{"c"} }, grant.Verdict{Action: grant.Refuse, Code: oauth.InvalidScope, Reason: reason.ScopeInvalid}},

		{"a predecessor after the grace is theft", func(f *grant.Facts) { rotated(f, time.Minute+time.Microsecond) }, theft},
		{"a longer grace of the client's profile is respected", func(f *grant.Facts) {
			rotated(f, 90*time.Second)
			f.Grace = 2 * time.Minute
		}, grant.Verdict{Action: grant.Replay}},
		{"the current generation with another hash is theft", func(f *grant.Facts) { f.Generation.Hash = store.Hash{2} }, theft},
		{"a predecessor with another hash is theft", func(f *grant.Facts) { rotated(f, time.Second); f.Generation.Hash = store.Hash{2} }, theft},
		{"a predecessor that is no longer stored is theft", func(f *grant.Facts) { f.Presented.Gen = 1; f.Generation = store.Generation{} }, theft},
		{"a predecessor without a sealed successor is theft", func(f *grant.Facts) { rotated(f, time.Second); f.Generation.Sealed = nil }, theft},

		{"a token newer than the family says that the store went back", func(f *grant.Facts) { f.Presented.Gen = 6; f.Generation = store.Generation{} }, invalidGrant(reason.GrantStoreRolledBack)},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts := grant.Facts{
				Presented: opaque.Parsed{Family: "f", Gen: 5, Hash: hash}, ClientID: "client",
				Family: store.Family{
					ID: "f", ClientID: "client", Resource: "https://r.example", Scopes: all, Gen: 5,
					AbsoluteEnd: now.Add(24 * time.Hour), IdleEnd: now.Add(time.Hour),
				},
				Generation: store.Generation{FamilyID: "f", Gen: 5, Hash: hash},
				Now:        now, Grace: time.Minute,
			}
			c.change(&facts)
			if diff := cmp.Diff(c.want, grant.Decide(facts)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}
