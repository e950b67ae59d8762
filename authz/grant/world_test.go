package grant_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	resource  = "https://api.example.com/mcp/appstore"
	redirect  = "http://localhost:1234/callback"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

var granted = []string{"appstore:read", "appstore:request"}

// world is a service over a real store with a clock that the test moves.
type world struct {
	*grant.Service
	t      testing.TB
	clock  *clock.Fake
	store  *faulty
	policy *gate
	minter *opaque.Minter
	epochs *grant.Epochs
	cache  *grant.Cache
	config grant.Config
	user   store.User
	client store.Client
	other  store.Client
}

func newWorld(t testing.TB, change ...func(*grant.Config)) *world {
	t.Helper()
	ctx := context.Background()
	engine, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	cache, err := grant.NewCache(1000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k1", Key: make([]byte, 32)}}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, minter: minter, cache: cache, epochs: grant.NewEpochs(), policy: &gate{},
		clock: clock.NewFake(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)),
		store: &faulty{Store: engine},
	}
	w.user = w.newUser("ada")
	w.client, w.other = w.newClient("client-1"), w.newClient("client-2")
	w.config = grant.Config{
		Store: w.store, Minter: minter, Policy: w.policy, Clock: w.clock, Epochs: w.epochs, Cache: cache,
		Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		KnownScope: func(r, s string) bool { return r == resource && strings.HasPrefix(s, "appstore:") },
	}
	for _, f := range change {
		f(&w.config)
	}
	w.Service = w.newService(w.config)
	return w
}

func (w *world) newService(cfg grant.Config) *grant.Service {
	w.t.Helper()
	s, err := grant.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) newUser(name string) store.User {
	w.t.Helper()
	var user store.User
	w.update(func(tx store.Tx) (err error) {
		user, err = tx.UpsertUser(context.Background(), store.User{
			ID: opaque.NewID(rand.Reader), Domain: "example.com", Issuer: "https://idp.example", Subject: name,
			Email: name + "@example.com", Groups: []string{"staff"}, CreatedAt: w.clock.Now(), SignedIn: w.clock.Now(),
		})
		return err
	})
	return user
}

func (w *world) newClient(id string) store.Client {
	w.t.Helper()
	c := store.Client{
		ID: id, Profile: "claude-code", Name: "Claude Code", RedirectURIs: []string{redirect}, AuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, CreatedAt: w.clock.Now(), AuthorizedAt: w.clock.Now(),
	}
	w.update(func(tx store.Tx) error { return tx.CreateClient(context.Background(), c) })
	return c
}

func (w *world) update(fn func(tx store.Tx) error) {
	w.t.Helper()
	if err := w.store.Store.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// approve is what consent does: a code for the person at the client.
func (w *world) approve() string {
	w.t.Helper()
	var code string
	w.update(func(tx store.Tx) (err error) {
		code, err = w.IssueCode(context.Background(), tx, store.Approval{
			UserID: w.user.ID, Subject: "backend-1", ClientID: w.client.ID, RedirectURI: redirect, Resource: resource,
			Scopes: granted, Challenge: challenge, AuthTime: w.clock.Now(),
		}, w.user)
		return err
	})
	return code
}

func (w *world) redeemRequest(code string) grant.RedeemRequest {
	return grant.RedeemRequest{Code: code, Client: w.client, RedirectURI: redirect, Verifier: verifier, Resource: resource}
}

// connect is a whole connection: approval and redemption.
func (w *world) connect() grant.Tokens {
	w.t.Helper()
	tokens, refused := w.Redeem(context.Background(), w.redeemRequest(w.approve()))
	if refused != nil {
		w.t.Fatalf("redeem: %v", refused)
	}
	return tokens
}

func (w *world) refresh(token string) (grant.Tokens, *oauth.Error) {
	return w.Refresh(context.Background(), grant.RefreshRequest{Token: token, Client: w.client})
}

func (w *world) mustRefresh(token string) grant.Tokens {
	w.t.Helper()
	tokens, refused := w.refresh(token)
	if refused != nil {
		w.t.Fatalf("refresh: %v (%s)", refused, refused.Reason)
	}
	return tokens
}

func (w *world) wantLive(token string) *grant.Session {
	w.t.Helper()
	session, err := w.Verify(context.Background(), token, resource)
	if err != nil {
		w.t.Fatalf("a live access token is refused: %v", err)
	}
	return session
}

func (w *world) wantDead(token string, why reason.Reason) {
	w.t.Helper()
	_, err := w.Verify(context.Background(), token, resource)
	wantInvalid(w.t, err, why)
}

func wantInvalid(t testing.TB, err error, why reason.Reason) {
	t.Helper()
	var invalid *grant.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, grant.ErrInvalid) || invalid.Reason != why {
		t.Fatalf("got %v, want ErrInvalid with reason %s", err, why)
	}
}

// wantRefused checks code and reason; every invalid_grant must read the same.
func wantRefused(t testing.TB, refused *oauth.Error, code oauth.Code, why reason.Reason) {
	t.Helper()
	if refused == nil {
		t.Fatalf("accepted, want %s (%s)", code, why)
	}
	if refused.Code != code || refused.Reason != why {
		t.Fatalf("got %s (%s): %v, want %s (%s)", refused.Code, refused.Reason, refused, code, why)
	}
	if code == oauth.InvalidGrant && refused.Description != deadGrant {
		t.Fatalf("a dead code or token is told apart by %q", refused.Description)
	}
}

const deadGrant = "the code or refresh token is invalid, expired, revoked or was issued to another client"

// gate is a policy that the test opens and shuts.
type gate struct {
	why   atomic.Value // reason.Reason
	asked atomic.Value // policy.Subject

	revision uint64
}

func (g *gate) Admit(s policy.Subject) reason.Reason {
	g.asked.Store(s)
	why, _ := g.why.Load().(reason.Reason)
	return why
}

func (g *gate) Revision() uint64 { return g.revision }

// faulty is a store that can fail. Its counters count what reaches the engine.
type faulty struct {
	*sqlite.Store
	down        atomic.Bool // nothing works
	failUpdates atomic.Bool // only reads work
	lostCommit  atomic.Bool // an update commits and then answers an error
	reads       atomic.Int64
	updates     atomic.Int64
	// afterAccess runs between a read of an access token and its answer.
	afterAccess func()
}

var errDown = errors.New("disk on fire")

func (f *faulty) Update(ctx context.Context, fn func(store.Tx) error) error {
	if f.down.Load() || f.failUpdates.Load() {
		return errDown
	}
	f.updates.Add(1)
	if err := f.Store.Update(ctx, fn); err != nil {
		return err
	}
	if f.lostCommit.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func (f *faulty) Access(ctx context.Context, h store.Hash) (store.Access, error) {
	f.reads.Add(1)
	if f.down.Load() {
		return store.Access{}, errDown
	}
	access, err := f.Store.Access(ctx, h)
	if f.afterAccess != nil {
		f.afterAccess()
	}
	return access, err
}

func (f *faulty) Code(ctx context.Context, h store.Hash) (store.Code, error) {
	f.reads.Add(1)
	if f.down.Load() {
		return store.Code{}, errDown
	}
	return f.Store.Code(ctx, h)
}

func (f *faulty) Family(ctx context.Context, id string) (store.Family, error) {
	f.reads.Add(1)
	if f.down.Load() {
		return store.Family{}, errDown
	}
	return f.Store.Family(ctx, id)
}

func (f *faulty) Generation(ctx context.Context, id string, gen uint32) (store.Generation, error) {
	f.reads.Add(1)
	if f.down.Load() {
		return store.Generation{}, errDown
	}
	return f.Store.Generation(ctx, id, gen)
}
