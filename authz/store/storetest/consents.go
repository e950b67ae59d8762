package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var consentCases = []testCase{
	{"a consent is read as it was saved", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleConsent("user", "client")
		saveConsents(t, s, want)
		same(t, "consent", read(t, s.Consent, want.Key()), want)
	}},
	{"every part of the key counts", func(t *testing.T, s store.Store) {
		seed(t, s)
		c := sampleConsent("user", "client")
		saveConsents(t, s, c)
		for _, change := range []func(*store.ConsentKey){
			func(k *store.ConsentKey) { k.UserID = "other" },
			func(k *store.ConsentKey) { k.ClientID = "other" },
			func(k *store.ConsentKey) { k.RedirectHost = "other" },
			func(k *store.ConsentKey) { k.Resource = "other" },
		} {
			key := c.Key()
			change(&key)
			absent(t, "consent", s.Consent, key)
		}
	}},
	{"a later consent replaces the one before", func(t *testing.T, s store.Store) {
		seed(t, s)
		want := sampleConsent("user", "client")
		saveConsents(t, s, want)
		want.Scopes, want.MetadataHash, want.GrantedAt = []string{"apps:read"}, store.Hash{}, base.Add(time.Hour)
		saveConsents(t, s, want)
		same(t, "consent", read(t, s.Consent, want.Key()), want)
	}},
	{"nobody unknown consents", func(t *testing.T, s store.Store) {
		err := attempt(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveConsent(ctx, sampleConsent("nobody", "client"))
		})
		fails(t, "consent", err, store.ErrNotFound)
	}},
	{"consents are forgotten of one person at one client, of a person, or of a client", func(t *testing.T, s store.Store) {
		for _, tt := range []struct {
			name, user, client string
			left               []string // user + client
		}{
			{"one", "user", "client", []string{"user other", "second client", "second other"}},
			{"of a person", "user", "", []string{"second client", "second other"}},
			{"of a client", "", "client", []string{"user other", "second other"}},
		} {
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				_, err := tx.UpsertUser(ctx, sampleUser("user"))
				_, err2 := tx.UpsertUser(ctx, sampleUser("second"))
				return errors.Join(err, err2)
			})
			for _, user := range []string{"user", "second"} {
				saveConsents(t, s, sampleConsent(user, "client"), sampleConsent(user, "other"))
			}
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteConsents(ctx, tt.user, tt.client) })
			var left []string
			for _, user := range []string{"user", "second"} {
				for _, client := range []string{"client", "other"} {
					if _, err := s.Consent(t.Context(), sampleConsent(user, client).Key()); err == nil {
						left = append(left, user+" "+client)
					}
				}
			}
			same(t, tt.name, left, tt.left)
		}
	}},
}

func saveConsents(t *testing.T, s store.Store, consents ...store.Consent) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, c := range consents {
			if err := tx.SaveConsent(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}
