package token_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// everybody is a policy that admits all.
type everybody struct{}

func (everybody) Admit(policy.Subject) reason.Reason { return reason.None }
func (everybody) Revision() uint64                   { return 1 }

// newCode makes a real grant service over a real store, and a code of it for
// the client of f.
func newCode(t *testing.T, f *fakes, c clock.Clock) (*grant.Service, string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	engine, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	check(err)
	t.Cleanup(func() { check(engine.Close()) })
	check(engine.Migrate(ctx))
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k1", Key: make([]byte, 32)}}, rand.Reader)
	check(err)
	service, err := grant.New(grant.Config{
		Store: engine, Minter: minter, Policy: everybody{}, Clock: c, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	check(err)
	var code string
	check(engine.Update(ctx, func(tx store.Tx) error {
		now := c.Now()
		if err := tx.CreateClient(ctx, store.Client{ID: f.client.ID, AuthMethod: "none", CreatedAt: now}); err != nil {
			return err
		}
		user, err := tx.UpsertUser(ctx, store.User{
			ID: opaque.NewID(rand.Reader), Domain: "example.com", Issuer: "https://idp.example", Subject: "ada",
			Email: "ada@example.com", CreatedAt: now, SignedIn: now,
		})
		if err != nil {
			return err
		}
		code, err = service.IssueCode(ctx, tx, store.Approval{
			UserID: user.ID, Subject: "backend-1", ClientID: f.client.ID, Resource: "https://r.example",
			RedirectURI: "http://localhost/cb", Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", AuthTime: now,
		}, user)
		return err
	}))
	return service, code
}

// TestGuessesAtALivingCodeAreDurableAndRetriesOfADeadOneAreNot holds together
// what the grants say about a refusal and what the endpoint makes of it.
func TestGuessesAtALivingCodeAreDurableAndRetriesOfADeadOneAreNot(t *testing.T) {
	for _, c := range []struct {
		name string
		kill func(redeem func(verifier string), clock *clock.Fake)
		want []string // reasons of the durable events, and of the others with "~"
	}{
		{"burnt by guesses", func(redeem func(string), _ *clock.Fake) {
			for range 5 {
				redeem("")
			}
		}, []string{
			"grant/wrong_verifier", "grant/wrong_verifier", "grant/wrong_verifier", "grant/wrong_verifier", "grant/wrong_verifier",
			"~grant/revoked",
		}},
		{"expired", func(_ func(string), c *clock.Fake) { c.Advance(time.Hour) }, []string{"~grant/wrong_verifier"}},
		{"redeemed", func(redeem func(string), _ *clock.Fake) { redeem(verifier) }, []string{"", "~grant/wrong_verifier"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakes()
			now := clock.NewFake(time.Unix(1e9, 0))
			service, code := newCode(t, f, now)
			h, err := token.New(token.Config{
				Grants: service, Clients: f, Audit: f, Clock: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			redeem := func(proof string) {
				if proof == "" {
					proof = strings.Repeat("x", 43)
				}
				resp := handler{h}.do(post("grant_type=authorization_code&client_id=client&code=" + code + "&code_verifier=" + proof))
				if resp.StatusCode >= http.StatusInternalServerError {
					t.Fatalf("got %d", resp.StatusCode)
				}
			}
			c.kill(redeem, now)
			for range 150 {
				redeem("")
			}
			var got []string
			for _, e := range f.events {
				mark := "~"
				if e.Durable {
					mark = ""
				}
				got = append(got, mark+string(e.Reason))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
