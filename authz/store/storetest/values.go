package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var valueCases = []testCase{
	{"times are kept to the microsecond and read in UTC", func(t *testing.T, s store.Store) {
		seed(t, s)
		for name, at := range map[string]time.Time{
			"a microsecond":   time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC),
			"nanoseconds":     time.Date(2026, 1, 1, 0, 0, 0, 999999999, time.UTC),
			"east":            time.Date(2026, 7, 1, 1, 0, 0, 0, time.FixedZone("", 13*3600)),
			"west":            time.Date(2026, 7, 1, 1, 0, 0, 0, time.FixedZone("", -11*3600-1800)),
			"a leap day":      time.Date(2028, 2, 29, 23, 59, 59, 999999000, time.UTC),
			"after int32":     time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC),
			"a distant year":  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
			"monotonic clock": time.Now(),
		} {
			sess := sampleSession(name, "user")
			sess.ExpiresAt = at
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateSession(ctx, sess) })
			got := read(t, s.Session, sess.Hash).ExpiresAt
			if want := at.Truncate(time.Microsecond); !got.Equal(want) {
				t.Errorf("%s: read %v, stored %v", name, got, want)
			}
			if got.Location() != time.UTC {
				t.Errorf("%s: read in %v, want UTC", name, got.Location())
			}
		}
	}},
	{"the zero time stays the zero time", func(t *testing.T, s store.Store) {
		seed(t, s)
		f := read(t, s.Family, "family")
		if !f.RevokedAt.IsZero() {
			t.Errorf("a live family was revoked at %v", f.RevokedAt)
		}
		f.RevokedAt, f.RevokedWhy = base, "user"
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveFamily(ctx, f) })
		if got := read(t, s.Family, "family").RevokedAt; got.IsZero() {
			t.Error("a revoked family is live")
		}
	}},
	{"text is kept byte for byte", func(t *testing.T, s store.Store) {
		for i, text := range awkwardTexts {
			u := sampleUser(strings.Repeat("u", i+1))
			u.Name, u.Email, u.Subject, u.Groups = text, text, text, []string{text, "plain", text}
			same(t, text, upsert(t, s, u), u)
		}
	}},
	{"composed and decomposed letters are two people", func(t *testing.T, s store.Store) {
		u := sampleUser("composed")
		u.Subject = "ren\u00e9"
		other := u
		other.ID, other.Subject = "decomposed", "rene\u0301"
		upsert(t, s, u)
		same(t, "other", upsert(t, s, other), other)
	}},
	{"keys differ in case and in trailing blanks", func(t *testing.T, s store.Store) {
		for _, id := range []string{"a", "A", "a ", " a"} {
			c := sampleClient("client")
			c.ID, c.Name = id, "client <"+id+">"
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
		}
		for _, id := range []string{"a", "A", "a ", " a"} {
			if got := read(t, s.Client, id).Name; got != "client <"+id+">" {
				t.Errorf("client %q is %s", id, got)
			}
		}
	}},
	{"a nil and an empty list are the same", func(t *testing.T, s store.Store) {
		for id, l := range map[string][]string{"nil": nil, "empty": {}} {
			c := sampleClient(id)
			c.RedirectURIs, c.GrantTypes = l, l
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
			if got := read(t, s.Client, id); len(got.RedirectURIs) != 0 || len(got.GrantTypes) != 0 {
				t.Errorf("%s list is read as %q", id, got.RedirectURIs)
			}
		}
	}},
	{"a list keeps its order, doubles and empty entries", func(t *testing.T, s store.Store) {
		c := sampleClient("c")
		c.RedirectURIs = []string{"b", "a", "", "b", ",", `"`, "[]"}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateClient(ctx, c) })
		if got := read(t, s.Client, "c").RedirectURIs; !slices.Equal(got, c.RedirectURIs) {
			t.Errorf("read %q, stored %q", got, c.RedirectURIs)
		}
	}},
	{"a long value is not cut", func(t *testing.T, s store.Store) {
		seed(t, s)
		a := sampleApproval("a", "session", "user", "client")
		a.State = strings.Repeat("s", 8192)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.CreateApproval(ctx, a) })
		same(t, "approval", read(t, s.Approval, "a"), a)
	}},
}

// awkwardTexts are what a hostile or an international directory may send.
var awkwardTexts = []string{
	"",
	" leading and trailing ",
	`'; DROP TABLE users; --`,
	`"quoted" \ back\slash`,
	"<script>&amp;\u2028\u2029",
	"Ünïcödé 中文 العربية",
	"👩\u200d👩\u200d👧 \U0010ffff",
	"tab\tline\nreturn\r\x01\x7f",
	"\ufeffmarked",
}
