package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// decisionsEnv says how many random configurations are tried; ./tests/run sets it
// with -decisions.
const decisionsEnv = "MCP_EDGE_DECISIONS"

// The small world of the model, in which names meet often. It restates the tables
// of the documents and shares nothing with what it is compared to.
var (
	modelDomains = []string{"acme.com", "sub.acme.com", "beta.example"}
	modelClients = []string{"claude", "claude-code", "chatgpt", "own-agent"}
	modelGroups  = []string{"staff", "/it/admins", "two words", "Zoë"}
	modelPaths   = []string{"/mcp/appstore", "/mcp/second"}
	modelOrigin  = "https://api.example.com"
	modelScopes  = map[string][]string{"appstore:read": {"appstore.apps.view", "appstore.requests.view"}, "appstore:request": {"appstore.requests.create", "appstore.requests.cancel"}}
	modelNeeds   = map[string][2]string{
		"search_apps": {"appstore:read", "appstore.apps.view"}, "get_app": {"appstore:read", "appstore.apps.view"},
		"list_requestable_permissions": {"appstore:read", "appstore.apps.view"},
		"list_access_requests":         {"appstore:read", "appstore.requests.view"}, "get_access_request": {"appstore:read", "appstore.requests.view"},
		"submit_access_request": {"appstore:request", "appstore.requests.create"}, "cancel_access_request": {"appstore:request", "appstore.requests.cancel"},
	}
	modelPermissions = []string{"appstore.apps.view", "appstore.requests.view", "appstore.requests.create", "appstore.requests.cancel"}
)

// modelDomain is one domain block, as a person would describe it.
type modelDomain struct {
	name     string
	on       bool
	clients  []string
	everyone bool
	groups   []string
	roles    []modelRole
}

type modelRole struct {
	everyone bool
	groups   []string
	allow    []string
}

// modelGrant is one access token with what hangs on it.
type modelGrant struct {
	token                string
	hash                 store.Hash
	user, domain, client string
	groups, scopes       []string
	resource             string
	revoked, gone        bool
	expires              time.Time
}

// outcome is what a call gets: refused at the door, or an outcome.
type outcome struct {
	door      reason.Reason // 401
	decision  mcpbridge.Outcome
	why       reason.Reason
	challenge string // the scopes of a step-up, sorted
	effective string // what the token may do, sorted
}

// modelAnswer is the rule of the documents in plain words, without looking at the
// code: a token is good or it is not; then the domain, the person, the client,
// the role and the scope are asked.
func modelAnswer(domains []modelDomain, g *modelGrant, now time.Time, resource, tool string) outcome {
	switch {
	case g.gone:
		return outcome{door: "grant/unknown"}
	case g.revoked:
		return outcome{door: "grant/revoked"}
	case !g.expires.After(now):
		return outcome{door: "grant/expired"}
	case g.resource != resource:
		return outcome{door: "resource/wrong"}
	}
	var d *modelDomain
	for i := range domains {
		if domains[i].name == g.domain {
			d = &domains[i]
		}
	}
	if d == nil {
		return outcome{door: "domain/unknown"}
	}
	if !d.on {
		return outcome{door: "domain/off"}
	}
	in := func(groups []string) bool {
		for _, a := range groups {
			for _, b := range g.groups {
				if a == b {
					return true
				}
			}
		}
		return false
	}
	if !d.everyone && !in(d.groups) {
		return outcome{door: "user/not_allowed"}
	}
	allowed := false
	for _, c := range d.clients {
		allowed = allowed || c == g.client
	}
	if !allowed {
		return outcome{door: "client/not_allowed"}
	}
	role := map[string]bool{}
	for _, r := range d.roles {
		if r.everyone || in(r.groups) {
			for _, p := range r.allow {
				for _, each := range modelPermissions {
					if p == "*" || p == each {
						role[each] = true
					}
				}
			}
		}
	}
	consented, effective := map[string]bool{}, []string{}
	for _, s := range g.scopes {
		consented[s] = true
		for _, p := range modelScopes[s] {
			if role[p] && !slices.Contains(effective, p) {
				effective = append(effective, p)
			}
		}
	}
	slices.Sort(effective)
	a := outcome{decision: mcpbridge.Allow, effective: strings.Join(effective, " ")}
	need := modelNeeds[tool]
	switch {
	case !role[need[1]]:
		a.decision, a.why = mcpbridge.Deny, "role/no_permission"
	case !consented[need[0]]:
		wide := append(slices.Clone(g.scopes), need[0])
		slices.Sort(wide)
		a.decision, a.why, a.challenge = mcpbridge.StepUp, "scope/missing", strings.Join(slices.Compact(wide), " ")
	}
	return a
}

// modelWorld makes random configurations and grants.
type modelWorld struct {
	*mathrand.Rand
	random *mathrand.ChaCha8
	store  *modelStore
	minter *opaque.Minter
	clock  *clock.Fake
	grants []*modelGrant
}

func (w *modelWorld) some(of []string) []string {
	var kept []string
	for _, v := range of {
		if w.IntN(3) > 0 {
			kept = append(kept, v)
		}
	}
	return kept
}

func (w *modelWorld) domains() []modelDomain {
	var list []modelDomain
	for _, name := range w.some(modelDomains) {
		d := modelDomain{name: name, on: w.IntN(5) > 0, clients: w.some(modelClients), everyone: w.IntN(2) == 0}
		if !d.everyone {
			d.groups = w.some(modelGroups)
		}
		for range w.IntN(4) {
			r := modelRole{everyone: w.IntN(3) == 0, groups: w.some(modelGroups), allow: w.some(append([]string{"*"}, modelPermissions...))}
			if w.IntN(2) == 0 {
				r.allow = slices.DeleteFunc(r.allow, func(p string) bool { return p == "*" })
			}
			if len(r.allow) > 0 && (r.everyone || len(r.groups) > 0) { // others are refused as mistakes
				d.roles = append(d.roles, r)
			}
		}
		list = append(list, d)
	}
	return list
}

// modelCaddyfile writes the domains down as an operator would.
func modelCaddyfile(domains []modelDomain) string {
	var b strings.Builder
	line := func(word string, values []string) {
		if len(values) == 0 {
			return
		}
		b.WriteString(word)
		for _, v := range values {
			fmt.Fprintf(&b, " %q", v)
		}
		b.WriteByte('\n')
	}
	b.WriteString("{\nmcp_edge {\nissuer https://auth.example.com\nstore sqlite x\naudit {\nfile x\n}\nclient own-agent {\nname Own\nredirect_uri https://own.example/cb\n}\n")
	for _, d := range domains {
		fmt.Fprintf(&b, "domain %s {\n", d.name)
		if d.on {
			b.WriteString("enabled\n")
		}
		fmt.Fprintf(&b, "idp oidc https://idp.%s {\nclient_id x\nclient_secret {env.X}\n}\n", d.name)
		line("clients", d.clients)
		if d.everyone {
			b.WriteString("users everyone\n")
		}
		line("users group", d.groups)
		for i, r := range d.roles {
			fmt.Fprintf(&b, "role r%d {\n", i)
			if r.everyone {
				b.WriteString("everyone\n")
			}
			line("group", r.groups)
			line("allow", r.allow)
			b.WriteString("}\n")
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n}\n" + modelOrigin + " {\n")
	for _, path := range modelPaths {
		fmt.Fprintf(&b, "mcp_bridge %s {\nresource %s%s\ntoolset appstore\naudience https://api.example.com\nupstream 127.0.0.1:1\n}\n", path, modelOrigin, path)
	}
	b.WriteString("}\n")
	return b.String()
}

// modelApp compiles a Caddyfile as a start does, without the store and the network.
func modelApp(t *testing.T, text string) *App {
	t.Helper()
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var whole struct {
		Apps struct {
			Edge json.RawMessage `json:"mcp_edge"`
		} `json:"apps"`
	}
	app := &App{log: slog.New(slog.DiscardHandler), lifecycle: newLifecycle()}
	if err := json.Unmarshal(raw, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(whole.Apps.Edge, app); err != nil {
		t.Fatal(err)
	}
	for _, resource := range resourcesIn(raw) {
		app.bridges = append(app.bridges, &Bridge{Resource: resource, Toolset: "appstore"})
	}
	return app
}

// modelStore keeps the rows of the grants.
type modelStore struct {
	grant.Store
	rows map[store.Hash]*modelGrant
}

// Access implements store.GrantReader.
func (s *modelStore) Access(_ context.Context, h store.Hash) (store.Access, error) {
	g, ok := s.rows[h]
	if !ok || g.gone {
		return store.Access{}, store.ErrNotFound
	}
	a := store.Access{
		Token:  store.AccessToken{Hash: h, Scopes: g.scopes, ExpiresAt: g.expires},
		Family: store.Family{ID: g.user, Domain: g.domain, UserID: g.user, Subject: g.user, Resource: g.resource},
		User:   store.User{ID: g.user, Domain: g.domain, Groups: g.groups},
		Client: store.Client{ID: g.client, Profile: g.client},
	}
	if g.revoked {
		a.Family.RevokedAt = g.expires.Add(-time.Hour)
	}
	return a, nil
}

// newGrant gives somebody a token.
func (w *modelWorld) newGrant() *modelGrant {
	id := opaque.NewID(w.random)
	g := &modelGrant{
		user: id, domain: append(modelDomains, "gamma.example")[w.IntN(4)], client: append(modelClients, "cursor", "")[w.IntN(6)],
		groups: w.some(modelGroups), scopes: w.some([]string{"appstore:read", "appstore:request"}),
		resource: modelOrigin + modelPaths[w.IntN(2)], gone: w.IntN(20) == 0, revoked: w.IntN(20) == 0,
		expires: w.clock.Now().Add(time.Duration(1+w.IntN(200)) * time.Second),
	}
	g.token, g.hash = w.minter.Mint(opaque.Access, id, 0)
	w.store.rows[g.hash] = g
	return g
}

// TestTheGatewayDecidesAsTheModelDoes runs random calls through what a call goes
// through, from the Caddyfile to the decision, over one cache that outlives the
// configurations as it does across reloads.
func TestTheGatewayDecidesAsTheModelDoes(t *testing.T) {
	configurations := 500
	if s := os.Getenv(decisionsEnv); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s=%q is no number", decisionsEnv, s)
		}
		configurations = n
	}
	const callsEach = 10
	seed := uint64(time.Now().UnixNano())
	random := mathrand.NewChaCha8(sha256.Sum256([]byte(strconv.FormatUint(seed, 10))))
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k", Key: bytes.Repeat([]byte("m"), 32)}}, random)
	if err != nil {
		t.Fatal(err)
	}
	w := &modelWorld{
		Rand: mathrand.New(mathrand.NewPCG(seed, 1)), random: random, store: &modelStore{rows: map[store.Hash]*modelGrant{}},
		minter: minter, clock: clock.NewFake(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)),
	}
	cache, err := grant.NewCache(0)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	epochs := grant.NewEpochs()
	tools, err := toolsets["appstore"].build(toolDeps{backend: new(backend.Client), ledger: new(ledger), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	offered := tools.List()
	if len(offered) != len(modelNeeds) {
		t.Fatalf("the toolset has %d tools, the model knows %d", len(offered), len(modelNeeds))
	}
	seen := map[string]int{}
	calls, differences := 0, 0
	for range configurations {
		domains := w.domains()
		app := modelApp(t, modelCaddyfile(domains))
		compiled, err := app.compile()
		if err != nil {
			t.Fatal(err)
		}
		grants, err := grant.New(grant.Config{Store: w.store, Minter: minter, Policy: compiled, Clock: w.clock, Epochs: epochs, Cache: cache, Rand: random, Log: app.log})
		if err != nil {
			t.Fatal(err)
		}
		w.renew(grants)
		for range callsEach {
			g, tool := w.grants[w.IntN(len(w.grants))], offered[w.IntN(len(offered))]
			gate := &gate{resource: g.resource, grants: grants, policy: compiled}
			if w.IntN(8) == 0 {
				gate.resource = modelOrigin + modelPaths[w.IntN(2)]
			}
			want, got := modelAnswer(domains, g, w.clock.Now(), gate.resource, tool.Name), throughGate(t, gate, g.token, tool)
			calls++
			seen[string(want.door)+"|"+string(want.why)]++
			if want != got {
				if differences++; differences <= 5 {
					t.Errorf("seed %d: %+v calls %s at %s:\nwant %+v\ngot  %+v\n%s", seed, g, tool.Name, gate.resource, want, got, modelCaddyfile(domains))
				}
			}
		}
		w.clock.Advance(time.Second)
	}
	t.Logf("%d configurations, %d calls, %d differences; answers: %v", configurations, calls, differences, seen)
	for _, each := range []string{
		"|", "grant/unknown|", "grant/revoked|", "grant/expired|", "resource/wrong|", "domain/unknown|", "domain/off|", "user/not_allowed|",
		"client/not_allowed|", "|role/no_permission", "|scope/missing",
	} {
		if seen[each] == 0 {
			t.Errorf("no call led to %q: nothing is shown about it", each)
		}
	}
}

// renew changes what sign-ins, revocations and time change meanwhile.
func (w *modelWorld) renew(grants *grant.Service) {
	for len(w.grants) < 30 {
		w.grants = append(w.grants, w.newGrant())
	}
	g := w.grants[w.IntN(len(w.grants))]
	switch w.IntN(12) {
	case 0: // signs in again, with other groups
		g.groups = w.some(modelGroups)
		grants.UserChanged(g.user)
	case 1: // what has expired is not revoked any more
		g.revoked = g.revoked || g.expires.After(w.clock.Now())
		grants.UserChanged(g.user)
	case 2:
		w.grants[w.IntN(len(w.grants))] = w.newGrant()
	}
	w.grants = slices.DeleteFunc(w.grants, func(g *modelGrant) bool { return g.expires.Add(20 * time.Second).Before(w.clock.Now()) })
	for len(w.grants) < 30 {
		w.grants = append(w.grants, w.newGrant())
	}
}

// throughGate is one call as the MCP side makes it.
func throughGate(t *testing.T, g *gate, token string, tool toolset.Tool) outcome {
	t.Helper()
	ctx := withCaller(t.Context())
	p, err := g.Authenticate(ctx, token)
	if err != nil {
		var told interface{ Reason() reason.Reason }
		if !errors.As(err, &told) {
			t.Fatal(err)
		}
		return outcome{door: told.Reason()}
	}
	d := g.Authorize(ctx, p, tool.Need)
	challenge := slices.Clone(d.Scopes)
	slices.Sort(challenge)
	return outcome{decision: d.Outcome, why: d.Reason, challenge: strings.Join(challenge, " "), effective: strings.Join(p.Permissions, " ")}
}
