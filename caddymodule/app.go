package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/introspect"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is the authorization server and everything that the MCP endpoints of one
// configuration share.
type App struct {
	// The issuer: scheme and host under which the authorization server is
	// reached, exactly as clients compare it. The handler `mcp_auth` belongs
	// into the site of that address. Required.
	Issuer string `json:"issuer,omitempty"`

	// Where clients, people and grants are kept. Required.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=mcp_edge.store inline_key=engine"`

	// Where the limits of people and domains are counted. Default: in the memory of
	// this process.
	LimiterRaw json.RawMessage `json:"limiter,omitempty" caddy:"namespace=mcp_edge.limiter inline_key=engine"`

	// The lifetimes of codes, tokens and grants.
	Tokens *Tokens `json:"tokens,omitempty"`

	// How clients may appear.
	Registration *Registration `json:"registration,omitempty"`

	// Host profiles beside the built-in ones, or more about those.
	Clients []ClientProfile `json:"clients,omitempty"`

	// The customers. Nobody can sign in without one that is enabled.
	Domains []*Domain `json:"domains,omitempty"`

	// The services that may ask about access tokens. Without one there is no
	// introspection endpoint. Default: none.
	ResourceServers []ResourceServer `json:"trusted_resource_servers,omitempty"`

	// Where the audit trail is written. Required: at least one.
	AuditRaw []json.RawMessage `json:"audit,omitempty" caddy:"namespace=mcp_edge.audit inline_key=sink"`

	// Web origins whose pages may call MCP endpoints. Default: none. Assistants
	// that are programs or servers send no origin and need no entry.
	AllowOrigin []string `json:"allow_origin,omitempty"`

	ctx  caddy.Context
	log  *slog.Logger
	host string // of the issuer, as clients send it
	// fingerprint is the SHA-256 of the app's configuration, with placeholders in
	// the place of secrets, by which the audit trail tells configurations apart.
	fingerprint   string
	hsts          bool // tell browsers to come by TLS only; not for localhost, which others use too
	engine        StoreEngine
	limiter       LimiterEngine
	sinks         []AuditSink
	profiles      *client.Registry
	providers     map[string]idp.Provider // by domain
	introspectors []introspect.ResourceServer

	*lifecycle
}

// lifecycle is what an App holds while it is in use.
type lifecycle struct {
	mu      sync.Mutex // guards bridges while handlers are provisioned
	bridges []*Bridge  // in the order of the configuration

	flights *inFlight
	ready   chan struct{} // closed when Start is done
	gone    chan struct{} // closed by Cleanup
	running atomic.Pointer[running]
	stopped atomic.Bool
	cleanup sync.Once
	// held gives back what was acquired in Start, after the last request.
	held []func() error
}

func newLifecycle() *lifecycle {
	return &lifecycle{flights: newInFlight(), ready: make(chan struct{}), gone: make(chan struct{})}
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  appName,
		New: func() caddy.Module { return new(App) },
	}
}

// Provision loads the guest modules and resolves secrets, once. It writes
// nothing and touches no network: `caddy validate` runs it beside a gateway
// that is in service.
func (a *App) Provision(ctx caddy.Context) error {
	a.fingerprint = fingerprintOf(a)
	a.ctx, a.log, a.lifecycle = ctx, ctx.Slogger(), newLifecycle()
	var err error
	if a.Issuer, err = resolve(a.Issuer); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if err := checkIssuer(a.Issuer); err != nil {
		return err
	}
	u, err := url.Parse(a.Issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	a.host, a.hsts = usualHost(u), u.Scheme == "https" && !isLoopbackURL(a.Issuer)
	if a.profiles, err = registryFor(nil, a.Clients); err != nil {
		return err
	}
	if err := a.loadStore(); err != nil {
		return err
	}
	if err := a.loadLimiter(); err != nil {
		return err
	}
	if err := a.loadSinks(); err != nil {
		return err
	}
	if err := a.loadProviders(); err != nil {
		return err
	}
	return a.loadResourceServers()
}

func (a *App) loadStore() error {
	if a.StoreRaw == nil {
		return errors.New("mcp_edge needs a store: add store sqlite PATH")
	}
	module, err := a.ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("loading the store: %w", err)
	}
	engine, ok := module.(StoreEngine)
	if !ok {
		return fmt.Errorf("store module is %T, which is no store engine", module)
	}
	a.engine = engine
	return nil
}

func (a *App) loadLimiter() error {
	a.limiter = new(Memory)
	if a.LimiterRaw == nil {
		return nil
	}
	module, err := a.ctx.LoadModule(a, "LimiterRaw")
	if err != nil {
		return fmt.Errorf("loading the limiter: %w", err)
	}
	engine, ok := module.(LimiterEngine)
	if !ok {
		return fmt.Errorf("limiter module is %T, which is no limiter", module)
	}
	if err := engine.CheckSecrets(isLoopbackURL(a.Issuer)); err != nil {
		return err
	}
	a.limiter = engine
	return nil
}

func (a *App) loadSinks() error {
	if len(a.AuditRaw) == 0 {
		return errors.New("mcp_edge needs an audit trail: add audit { file PATH }")
	}
	modules, err := a.ctx.LoadModule(a, "AuditRaw")
	if err != nil {
		return fmt.Errorf("loading audit sinks: %w", err)
	}
	for _, module := range modules.([]any) {
		sink, ok := module.(AuditSink)
		if !ok {
			return fmt.Errorf("audit module is %T, which is no audit sink", module)
		}
		a.sinks = append(a.sinks, sink)
	}
	return nil
}

// loadProviders makes the identity provider of each domain, also of those that
// are off, so that turning one on finds no surprise.
func (a *App) loadProviders() error {
	a.providers = make(map[string]idp.Provider, len(a.Domains))
	for _, domain := range a.Domains {
		if domain.IDPRaw == nil {
			continue
		}
		module, err := a.ctx.LoadModule(domain, "IDPRaw")
		if err != nil {
			return fmt.Errorf("domain %s: loading the identity provider: %w", domain.Name, err)
		}
		var ok bool
		if domain.idp, ok = module.(IdentityProvider); !ok {
			return fmt.Errorf("domain %s: idp module is %T, which is no identity provider", domain.Name, module)
		}
		provider, err := domain.idp.Configure(IDPContext{
			RedirectURI:         a.Issuer + "/callback/" + domain.Name,
			AllowLiteralSecrets: isLoopbackURL(a.Issuer),
		})
		if err != nil {
			return fmt.Errorf("domain %s: %w", domain.Name, err)
		}
		a.providers[domain.Name] = provider
	}
	return nil
}

// register adds the resource of a handler. Handlers call it while they are
// provisioned, before or after Validate.
func (a *App) register(b *Bridge) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, other := range a.bridges {
		if other.Resource == b.Resource {
			return fmt.Errorf("two mcp_bridge blocks have the resource %s: each needs a URL of its own", b.Resource)
		}
	}
	a.bridges = append(a.bridges, b)
	return nil
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
