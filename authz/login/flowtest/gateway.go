package flowtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/consent"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/login"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// What the gateway of the tests is made of.
const (
	Issuer = "https://auth.example"
	// The clients that metadata documents describe: one in a cloud, one on a
	// person's computer.
	DocumentClient      = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	LocalDocumentClient = "https://claude.ai/oauth/claude-code-client-metadata"
	Resource            = "https://api.example/mcp/appstore"
	Domain              = "acme.com"
	ManageURL           = "https://auth.example/agents"

	// ClaudeRedirect is the redirect URI of the client "claude".
	ClaudeRedirect = "https://claude.ai/api/mcp/auth_callback"
	// CodeRedirect is one of those of "claude-code", which also has 127.0.0.1.
	CodeRedirect = "http://localhost:3118/callback"

	// Challenge is a valid S256 challenge.
	Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Gateway is the authorization server as far as a person sees it.
type Gateway struct {
	Handler   http.Handler
	Clock     *clock.Fake
	Store     *Store
	Audit     *audittest.Memory
	Directory *Directory
	// IdPs are the identity providers by domain.
	IdPs map[string]*IdP
	// Changed lists the people who were announced as changed.
	Changed []string
	// SignIns and Consents list what the observers of sign-in and consent were told.
	SignIns, Consents []reason.Reason

	policy  atomic.Pointer[policy.Policy]
	secrets secrets
}

// DefaultPolicy has one domain that is on; it allows claude and claude-code, and
// its members may view but not request.
func DefaultPolicy() policy.Config {
	return policy.Config{
		Domains: []policy.Domain{{
			Name: Domain, Enabled: true, Clients: []string{"claude", "claude-code"}, Everyone: true,
			Roles: []policy.Role{
				{Name: "admin", Groups: []string{"admins"}, Allow: []string{"*"}},
				{Name: "member", Everyone: true, Allow: []string{"apps.view", "requests.view"}},
			},
		}},
		Resources: []policy.Resource{{
			URL: Resource, Name: "Acme App Store",
			Scopes: []policy.Scope{
				{Name: "appstore:read", Title: "View apps and your access requests", Permissions: []string{"apps.view", "requests.view"}},
				{Name: "appstore:request", Title: "Submit access requests on your behalf", Permissions: []string{"requests.create", "requests.cancel"}},
			},
			InitialScopes: []string{"appstore:read"},
			Permissions:   []string{"apps.view", "requests.view", "requests.create", "requests.cancel"},
		}},
	}
}

// TwoDomains is DefaultPolicy with a second domain that is on, globex.com, and a
// third that is off, initech.com.
func TwoDomains() policy.Config {
	cfg := DefaultPolicy()
	globex, initech := cfg.Domains[0], cfg.Domains[0]
	globex.Name = "globex.com"
	initech.Name, initech.Enabled = "initech.com", false
	cfg.Domains = append(cfg.Domains, globex, initech)
	return cfg
}

// New starts a gateway with that policy.
func New(t testing.TB, cfg policy.Config) *Gateway {
	t.Helper()
	g := &Gateway{
		Clock:     clock.NewFake(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)),
		Audit:     &audittest.Memory{},
		Directory: &Directory{people: map[string]authorize.Entry{}},
		IdPs:      map[string]*IdP{},
	}
	g.SetPolicy(t, cfg)
	g.Store = openStore(t)
	log := slog.New(slog.NewTextHandler(&g.secrets, nil))
	t.Cleanup(func() { g.secrets.check(t, g.Audit.Events()) })
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k", Key: bytes.Repeat([]byte("m"), 32)}}, rand.Reader)
	must(t, err)
	sealer, err := opaque.NewSealer([][]byte{bytes.Repeat([]byte("s"), 32)})
	must(t, err)
	pages, err := web.New(web.Config{Product: "Acme Gateway", Log: log})
	must(t, err)
	sessions, err := session.New(session.Config{Store: g.Store, Minter: minter, Clock: g.Clock})
	must(t, err)
	transactions, err := session.NewTransactions(sealer, g.Clock, nil)
	must(t, err)

	providers := map[string]idp.Provider{}
	for _, d := range cfg.Domains {
		g.IdPs[d.Name] = &IdP{Host: "https://idp." + d.Name}
		providers[d.Name] = g.IdPs[d.Name]
	}
	authorization, err := authorize.New(authorize.Config{
		Issuer: Issuer, Pages: pages, Transactions: transactions, Store: g.Store, Policy: g,
		Directory: g.Directory, Audit: g.Audit, Clock: g.Clock, Log: log,
	})
	must(t, err)
	signIn, err := login.New(login.Config{
		Pages: pages, Sessions: sessions, Transactions: transactions, Store: g.Store, Policy: g,
		Providers: providers, Next: authorization, Audit: g.Audit, Clock: g.Clock, Log: log,
		Changed: func(userID string) { g.Changed = append(g.Changed, userID) },
		Observe: func(why reason.Reason) { g.SignIns = append(g.SignIns, why) },
	})
	must(t, err)
	registered, err := client.NewClients(g.Store, minter, g.Clock)
	must(t, err)
	consents, err := consent.New(consent.Config{
		Issuer: Issuer, Pages: pages, Sessions: sessions, Transactions: transactions, Store: g.Store, Clients: registered,
		Policy: g, Codes: codes{minter, g.Clock}, Audit: g.Audit, ManageURL: ManageURL, Clock: g.Clock, Log: log,
		Observe: func(why reason.Reason) { g.Consents = append(g.Consents, why) },
		ProfileName: func(id string) (string, bool) {
			name, ok := map[string]string{"claude": "Claude", "claude-code": "Claude Code"}[id]
			return name, ok
		},
	})
	must(t, err)

	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", authorization.Authorize)
	mux.HandleFunc("/signin", signIn.SignIn)
	mux.HandleFunc("/callback/", signIn.Callback)
	mux.HandleFunc("/signout", signIn.SignOut)
	mux.HandleFunc("/consent", consents.Consent)
	g.Handler = mux
	g.addClients(t)
	return g
}

func (g *Gateway) addClients(t testing.TB) {
	t.Helper()
	for _, c := range []store.Client{
		{ID: "claude", Profile: "claude", Name: "Claude", RedirectURIs: []string{ClaudeRedirect, "https://claude.ai/second?fixed=1"}},
		{ID: "claude-code", Profile: "claude-code", Name: "Claude Code", RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"}},
		{ID: "single", Profile: "claude", Name: "Claude", RedirectURIs: []string{ClaudeRedirect}},
		{ID: "chatgpt", Profile: "chatgpt", Name: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/cb"}},
		{ID: "refresh-only", Profile: "claude", Name: "Odd", RedirectURIs: []string{"https://odd.example/cb"}, GrantTypes: []string{"refresh_token"}},
		{ID: DocumentClient, Kind: store.KindDocument, Profile: "claude", Name: "Claude", RedirectURIs: []string{ClaudeRedirect}, MetadataHash: store.Hash{1}},
		{ID: LocalDocumentClient, Kind: store.KindDocument, Profile: "claude-code", Name: "Claude Code", RedirectURIs: []string{CodeRedirect}, MetadataHash: store.Hash{2}},
	} {
		c.CreatedAt = g.Clock.Now()
		if c.GrantTypes == nil {
			c.GrantTypes = []string{"authorization_code", "refresh_token"}
		}
		c.AuthMethod = "none"
		must(t, g.Store.Update(t.Context(), func(tx store.Tx) error { return tx.CreateClient(t.Context(), c) }))
	}
}

// SetPolicy puts another policy into force, as a reload does.
func (g *Gateway) SetPolicy(t testing.TB, cfg policy.Config) {
	t.Helper()
	p, err := policy.New(cfg)
	must(t, err)
	g.policy.Store(p)
}

// Admit is that of the policy in force.
func (g *Gateway) Admit(s policy.Subject) reason.Reason { return g.policy.Load().Admit(s) }

// EnabledDomains is that of the policy in force.
func (g *Gateway) EnabledDomains() []string { return g.policy.Load().EnabledDomains() }

// Resources is that of the policy in force.
func (g *Gateway) Resources() []policy.Resource { return g.policy.Load().Resources() }

// Resource is that of the policy in force.
func (g *Gateway) Resource(url string) (policy.Resource, bool) { return g.policy.Load().Resource(url) }

// RolePermissions is that of the policy in force.
func (g *Gateway) RolePermissions(domain string, groups []string, resource string) []string {
	return g.policy.Load().RolePermissions(domain, groups, resource)
}

// codes makes authorization codes as the grant service does.
type codes struct {
	minter *opaque.Minter
	clock  clock.Clock
}

// IssueCode stores a code for a.
func (c codes) IssueCode(ctx context.Context, tx store.Tx, a store.Approval, u store.User) (string, error) {
	family := opaque.NewID(rand.Reader)
	code, hash := c.minter.Mint(opaque.Code, family, 0)
	now := c.clock.Now()
	return code, tx.CreateCode(ctx, store.Code{
		Hash: hash, FamilyID: family, UserID: u.ID, Domain: u.Domain, Subject: a.Subject, ClientID: a.ClientID,
		RedirectURI: a.RedirectURI, Resource: a.Resource, Scopes: a.Scopes, Challenge: a.Challenge,
		AuthTime: a.AuthTime, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
	})
}

// Store is the embedded engine; it can be made to fail.
type Store struct {
	*sqlite.Store
	down atomic.Bool
}

// SetDown makes reads and updates fail, or work again.
func (s *Store) SetDown(down bool) { s.down.Store(down) }

// Update fails while the store is down.
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	if s.down.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Update(ctx, fn)
}

// Client fails while the store is down.
func (s *Store) Client(ctx context.Context, id string) (store.Client, error) {
	if s.down.Load() {
		return store.Client{}, store.ErrUnavailable
	}
	return s.Store.Client(ctx, id)
}

// Session fails while the store is down.
func (s *Store) Session(ctx context.Context, h store.Hash) (store.Session, error) {
	if s.down.Load() {
		return store.Session{}, store.ErrUnavailable
	}
	return s.Store.Session(ctx, h)
}

func openStore(t testing.TB) *Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	must(t, err)
	must(t, s.Migrate(t.Context()))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Store{Store: s}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
