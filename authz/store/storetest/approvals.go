package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var approvalCases = []testCase{
	{"an approval is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleApproval("a", "session", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, want) })
		same(t, "approval", read(t, s.Approval, "a"), want)
		absent(t, "approval", s.Approval, "b")
	}},
	{"an approval is created once", func(t *testing.T, s store.Store) {
		seed(t, s)
		a := sampleApproval("a", "session", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, a) })
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, a) })
		fails(t, "second approval", err, store.ErrConflict)
	}},
	{"an approval needs a session that is still there", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteSession(ctx, hash("session")) })
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateApproval(ctx, sampleApproval("a", "session", "user", "client"))
		})
		fails(t, "approval after sign-out", err, store.ErrNotFound)
	}},
	{"showing the page again replaces the form token and nothing else", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleApproval("a", "session", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, want) })
		want.CSRFHash = hash("new form")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SetApprovalCSRF(ctx, "a", want.CSRFHash) })
		same(t, "approval", read(t, s.Approval, "a"), want)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SetApprovalCSRF(ctx, "b", want.CSRFHash)
		})
		fails(t, "form token of no approval", err, store.ErrNotFound)
	}},
	{"an approval is answered once", func(t *testing.T, s store.Store) {
		seed(t, s)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateApproval(ctx, sampleApproval("a", "session", "user", "client"))
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteApproval(ctx, "a") })
		absent(t, "approval", s.Approval, "a")
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteApproval(ctx, "a") })
		fails(t, "second answer", err, store.ErrNotFound)
	}},
}

var codeCases = []testCase{
	{"a code is read as it was created", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleCode("code", "user", "client")
		want.ConsumedAt, want.Failures, want.RevokedAt = base.Add(time.Second), 2, base.Add(2*time.Second)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateCode(ctx, want) })
		same(t, "code", read(t, s.Code, want.Hash), want)
		absent(t, "code", s.Code, hash("other"))
	}},
	{"a code is created once, for a person who exists", func(t *testing.T, s store.Store) {
		seed(t, s)
		code := sampleCode("code", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateCode(ctx, code) })
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateCode(ctx, code) })
		fails(t, "second code", err, store.ErrConflict)
		err = attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.CreateCode(ctx, sampleCode("other", "nobody", "client"))
		})
		fails(t, "code of nobody", err, store.ErrNotFound)
	}},
	{"a save stores consumption, failures and revocation only", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleCode("code", "user", "client")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateCode(ctx, want) })
		changed := sampleCode("code", "another", "another")
		changed.RedirectURI, changed.Challenge, changed.ExpiresAt = "https://evil.example", "another", base.Add(time.Hour)
		changed.ConsumedAt, changed.Failures, changed.RevokedAt = base.Add(time.Second), 3, base.Add(2*time.Second)
		want.ConsumedAt, want.Failures, want.RevokedAt = changed.ConsumedAt, changed.Failures, changed.RevokedAt
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveCode(ctx, changed) })
		same(t, "code", read(t, s.Code, want.Hash), want)
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveCode(ctx, sampleCode("other", "user", "client"))
		})
		fails(t, "save of no code", err, store.ErrNotFound)
	}},
	{"revoking a person's codes meets the unredeemed ones of that person only", func(t *testing.T, s store.Store) {
		checkRevokedCodes(t, s, "", map[string]bool{"open": true, "open at other client": true})
	}},
	{"revoking a person's codes at a client spares the other clients", func(t *testing.T, s store.Store) {
		checkRevokedCodes(t, s, "client", map[string]bool{"open": true})
	}},
}

// checkRevokedCodes revokes the codes of "user" and wants those named in
// revoked, and no others, to be changed.
func checkRevokedCodes(t *testing.T, s store.Store, clientID string, revoked map[string]bool) {
	seed(t, s)
	at := base.Add(time.Minute)
	codes := map[string]store.Code{
		"open":                 sampleCode("open", "user", "client"),
		"open at other client": sampleCode("open at other client", "user", "other client"),
		"consumed":             sampleCode("consumed", "user", "client"),
		"revoked before":       sampleCode("revoked before", "user", "client"),
		"of another":           sampleCode("of another", "another", "client"),
	}
	consumed, before := codes["consumed"], codes["revoked before"]
	consumed.ConsumedAt, before.RevokedAt = base.Add(time.Second), base.Add(time.Second)
	codes["consumed"], codes["revoked before"] = consumed, before
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.UpsertUser(ctx, sampleUser("another")); err != nil {
			return err
		}
		for _, c := range codes {
			if err := tx.CreateCode(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if err := tx.RevokeCodesOfUser(ctx, "nobody", clientID, at); err != nil {
			return err
		}
		return tx.RevokeCodesOfUser(ctx, "user", clientID, at)
	})
	for name, want := range codes {
		if revoked[name] {
			want.RevokedAt = at
		}
		same(t, name, read(t, s.Code, hash(name)), want)
	}
}
