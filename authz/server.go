package authz

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/consent"
	"github.com/teamlumos/mcp-edge/authz/discovery"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/introspect"
	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/authz/login"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/revoke"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Config is what one configuration gives its authorization server. All but the
// last group is required.
type Config struct {
	// Issuer is the issuer identifier (RFC 8414 §2), byte for byte as published.
	Issuer string
	Policy *policy.Policy
	// Profiles are the host profiles, built-in and the operator's own.
	Profiles *client.Registry
	// Providers are the identity providers by domain.
	Providers map[string]idp.Provider
	// Directory knows the people of the backends.
	Directory authorize.Directory
	Audit     audit.Recorder

	// These outlive a configuration and are shared between several.
	Store  store.Store
	Keys   *keys.Set
	Epochs *grant.Epochs
	Cache  *grant.Cache // nil where several processes write to the store
	People *people.Memory
	Limits *Limits

	// Lifetimes have defaults of their own.
	Lifetimes grant.Lifetimes
	// DynamicRegistration offers the registration endpoint (RFC 7591).
	DynamicRegistration bool
	// Documents fetches client id metadata documents; nil refuses such clients.
	Documents document.Fetcher
	// ResourceServers may ask about tokens (RFC 7662); without any there is no
	// introspection endpoint.
	ResourceServers []introspect.ResourceServer
	Clock           clock.Clock  // default clock.System
	Rand            io.Reader    // default crypto/rand
	Log             *slog.Logger // default slog.Default()
	// Observers are told what happens, for metrics.
	Observers Observers
}

// Observers are told how requests end. Any may be nil. They are called while a
// request waits, several at once, so that they must not block. Reasons are
// reason.None where nothing was refused.
type Observers struct {
	// Grants is told about access tokens and about refresh tokens used twice.
	Grants grant.Observer
	// Token is told about requests at the token endpoint.
	Token func(token.Outcome)
	// Registration is told about requests at the registration endpoint.
	Registration func(reason.Reason)
	// SignIn is told about people who came to be signed in.
	SignIn func(reason.Reason)
	// Consent is told about answers to the consent page; reason.UserDenied is a
	// denial.
	Consent func(reason.Reason)
	// Person is told about questions to a backend about a person.
	Person func(people.Result)
	// Document is told about fetches of client metadata documents.
	Document func(document.Outcome)
}

// Server is the authorization server of one configuration. Close it when it is
// not used any more.
type Server struct {
	grants    *grant.Service
	people    *people.Checker
	metadata  *discovery.Document
	documents *document.Service // nil = off
	clients   *client.Clients   // those that registered
	rejected  *client.Rejections
	operator  *operator.Service
	scopes    []string // of all resources
	exact     map[string]http.Handler
	below     map[string]http.Handler // by prefix that ends in a slash
}

// New puts a server together.
func New(cfg Config) (*Server, error) {
	if cfg.Policy == nil || cfg.Profiles == nil || cfg.Store == nil || cfg.Keys == nil || cfg.Audit == nil || cfg.Directory == nil || cfg.Limits == nil {
		return nil, errors.New("authz: policy, profiles, store, keys, audit, directory and limits are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	minter, err := newMinter(cfg)
	if err != nil {
		return nil, fmt.Errorf("opaque tokens: %w", err)
	}
	s := &Server{exact: map[string]http.Handler{}, below: map[string]http.Handler{}}
	if s.people, err = s.newPeople(cfg); err != nil {
		return nil, err
	}
	if s.grants, err = newGrants(cfg, minter, s.people); err != nil {
		return nil, err
	}
	for _, r := range cfg.Policy.Resources() {
		for _, scope := range r.Scopes {
			s.scopes = oauth.Union(s.scopes, []string{scope.Name})
		}
	}
	if s.clients, err = client.NewClients(cfg.Store, minter, cfg.Clock); err != nil {
		return nil, err
	}
	if s.rejected, err = client.NewRejections(cfg.Store, cfg.Limits.rejections, cfg.Clock, cfg.Log); err != nil {
		return nil, err
	}
	s.operator, err = operator.New(operator.Config{
		Store: cfg.Store, Clients: s.clients, Grants: s.grants, Profiles: cfg.Profiles, Policy: cfg.Policy, Audit: cfg.Audit,
		Clock: cfg.Clock, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Documents != nil {
		if s.documents, err = newDocuments(cfg); err != nil {
			return nil, err
		}
	}
	if err := s.mountPages(cfg, minter); err != nil {
		return nil, err
	}
	if err := s.mountEndpoints(cfg, minter); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends fetches of metadata documents and questions about people that are
// under way.
func (s *Server) Close() {
	s.people.Close()
	if s.documents != nil {
		s.documents.Close()
	}
}

// RefreshDocuments fetches metadata documents anew every interval, the first
// time after one, until ctx ends. A start must not depend on other people's
// servers, and the copies that the product brings are good for longer.
func (s *Server) RefreshDocuments(ctx context.Context, interval time.Duration) {
	if s.documents == nil {
		return
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		s.documents.Run(ctx, interval)
	}
}

// Grants returns the grant service, by which resource servers verify tokens.
func (s *Server) Grants() *grant.Service { return s.grants }

// Operator returns what operators see of the server's clients and do about them.
func (s *Server) Operator() *operator.Service { return s.operator }

// Metadata returns the server's metadata document (RFC 8414), which resource
// hosts serve too, for clients that look nowhere else.
func (s *Server) Metadata() *discovery.Document { return s.metadata }

// ServeHTTP answers at the issuer's origin. A path that is none of ours is
// answered as a JSON 404, which is what clients that probe can read.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s.handler(r.URL.Path); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	discovery.NotFound(w, r)
}

func (s *Server) handler(path string) http.Handler {
	if h, ok := s.exact[path]; ok {
		return h
	}
	for prefix, h := range s.below {
		if strings.HasPrefix(path, prefix) {
			return h
		}
	}
	return nil
}

func newMinter(cfg Config) (*opaque.Minter, error) {
	var macKeys []opaque.MACKey
	for _, k := range cfg.Keys.MACKeys() {
		macKeys = append(macKeys, opaque.MACKey{ID: k.ID, Key: k.Key})
	}
	return opaque.NewMinter(macKeys, cfg.Rand)
}

func newGrants(cfg Config, minter *opaque.Minter, asked grant.People) (*grant.Service, error) {
	return grant.New(grant.Config{
		Store: cfg.Store, Minter: minter, Policy: cfg.Policy, Clock: cfg.Clock, Lifetimes: cfg.Lifetimes,
		GraceOf: func(id string) time.Duration {
			profile, _ := cfg.Profiles.Profile(id)
			return profile.RotationGrace
		},
		KnownScope: func(resource, scope string) bool {
			r, _ := cfg.Policy.Resource(resource)
			return slices.ContainsFunc(r.Scopes, func(s policy.Scope) bool { return s.Name == scope })
		},
		Epochs: cfg.Epochs, Cache: cfg.Cache, Rotations: cfg.Limits.rotations, RotationRate: rotationRate, Rand: cfg.Rand, Log: cfg.Log,
		Observer: cfg.Observers.Grants, People: asked,
	})
}

// mountPages wires what people see: authorization, sign-in, consent.
func (s *Server) mountPages(cfg Config, minter *opaque.Minter) error {
	pages, err := web.New(web.Config{Log: cfg.Log})
	if err != nil {
		return err
	}
	sealer, err := opaque.NewSealer(cfg.Keys.SealKeys())
	if err != nil {
		return fmt.Errorf("sealed cookies: %w", err)
	}
	transactions, err := session.NewTransactions(sealer, cfg.Clock, cfg.Rand)
	if err != nil {
		return err
	}
	sessions, err := session.New(session.Config{Store: cfg.Store, Minter: minter, Clock: cfg.Clock, Rand: cfg.Rand})
	if err != nil {
		return err
	}
	authorizing, err := authorize.New(authorize.Config{
		Issuer: cfg.Issuer, Pages: pages, Transactions: transactions, Store: clients{cfg.Store, s.clients, s.documents, cfg.Profiles, s.rejected}, Policy: cfg.Policy,
		Directory: s.people, Audit: cfg.Audit, Clock: cfg.Clock, Rand: cfg.Rand, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	signingIn, err := login.New(login.Config{
		Pages: pages, Sessions: sessions, Transactions: transactions, Store: cfg.Store, Policy: cfg.Policy,
		Providers: cfg.Providers, Next: authorizing, Changed: s.grants.UserChanged, Observe: cfg.Observers.SignIn,
		Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	asking, err := consent.New(consent.Config{
		Issuer: cfg.Issuer, Pages: pages, Sessions: sessions, Transactions: transactions, Store: cfg.Store, Policy: cfg.Policy,
		Clients: s.clients, Codes: s.grants, Observe: cfg.Observers.Consent, Audit: cfg.Audit, Clock: cfg.Clock, Rand: cfg.Rand, Log: cfg.Log,
		ProfileName: func(id string) (string, bool) {
			profile, ok := cfg.Profiles.Profile(id)
			return profile.Name, ok
		},
	})
	if err != nil {
		return err
	}
	door := newDoor(cfg)
	s.exact["/authorize"] = door.bound("authorize", authorizeRate, reason.LimitRequests, pages.TooMany, http.HandlerFunc(authorizing.Authorize))
	s.exact["/signin"] = door.bound("signin", signInRate, reason.LimitSignIns, pages.TooMany, http.HandlerFunc(signingIn.SignIn))
	s.exact["/signout"] = http.HandlerFunc(signingIn.SignOut)
	s.exact["/consent"] = http.HandlerFunc(asking.Consent)
	s.below["/callback/"] = door.bound("callback", callbackRate, reason.LimitSignIns, pages.TooMany, http.HandlerFunc(signingIn.Callback))
	s.below["/assets/"] = pages.Assets()
	return nil
}

// mountEndpoints wires what clients call: registration, tokens, metadata.
func (s *Server) mountEndpoints(cfg Config, minter *opaque.Minter) error {
	authenticator, err := client.NewAuthenticator(client.AuthenticatorConfig{
		Store: s.clients, Failures: cfg.Limits.failures, FailureRate: failureRate, Clock: cfg.Clock,
	})
	if err != nil {
		return err
	}
	tokens, err := token.New(token.Config{
		Grants: s.grants, Clients: authenticator, Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log, Observe: cfg.Observers.Token,
	})
	if err != nil {
		return err
	}
	revoking, err := revoke.New(revoke.Config{Grants: s.grants, Clients: authenticator, Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log})
	if err != nil {
		return err
	}
	door := newDoor(cfg)
	s.exact["/token"] = door.bound("token", tokenRate, reason.LimitRequests, toClient, tokens)
	s.exact["/revoke"] = door.bound("revoke", revokeRate, reason.LimitRequests, toClient, revoking)
	if cfg.DynamicRegistration {
		registering, err := client.NewRegistration(client.RegistrationConfig{
			Issuer: cfg.Issuer, Registry: cfg.Profiles, Gate: cfg.Policy, Store: cfg.Store, Minter: minter, Grants: s.grants,
			Limiter: cfg.Limits.registrations, Rejections: s.rejected, Scopes: s.scopes,
			Audit: cfg.Audit, Clock: cfg.Clock, Rand: cfg.Rand, Log: cfg.Log, Observe: cfg.Observers.Registration,
		})
		if err != nil {
			return err
		}
		s.exact["/register"] = registering
		s.below["/register/"] = http.HandlerFunc(registering.Manage)
	} else {
		off := registrationOff(cfg.Observers.Registration)
		s.exact["/register"], s.below["/register/"] = off, off
	}
	if err := s.mountIntrospection(cfg); err != nil {
		return err
	}
	if err := s.mountLogout(cfg); err != nil {
		return err
	}
	return s.mountDocuments(cfg)
}

// mountIntrospection wires what the operator's resource servers call.
func (s *Server) mountIntrospection(cfg Config) error {
	if len(cfg.ResourceServers) == 0 {
		s.exact["/introspect"] = http.HandlerFunc(introspectionOff)
		return nil
	}
	introspecting, err := introspect.New(introspect.Config{
		Issuer: cfg.Issuer, Servers: cfg.ResourceServers, Grants: s, Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	s.exact["/introspect"] = introspecting
	return nil
}

// introspectionOff answers what is asked where nobody may ask, whatever the
// method.
func introspectionOff(w http.ResponseWriter, _ *http.Request) {
	oauth.WriteError(w, &oauth.Error{
		Code: oauth.InvalidRequest, Status: http.StatusNotFound, Reason: reason.ClientBadRequest,
		Description: "this server answers no introspection; its operator registered no resource server",
	})
}

// registrationOff answers clients that register all the same. RFC 7591 has no
// code for it; a 404 would let them look for the endpoint elsewhere.
func registrationOff(observe func(reason.Reason)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if observe != nil {
			observe(reason.ClientNotAllowed)
		}
		oauth.WriteError(w, &oauth.Error{
			Code: oauth.AccessDenied, Status: http.StatusForbidden, Reason: reason.ClientNotAllowed,
			Description: "this server registers no clients; its operator turned registration off",
		})
	}
}

// mountDocuments wires what is public.
func (s *Server) mountDocuments(cfg Config) error {
	var err error
	s.metadata, err = discovery.NewServer(discovery.ServerConfig{
		Issuer: cfg.Issuer, Scopes: s.scopes, DynamicRegistration: cfg.DynamicRegistration, MetadataDocuments: s.documents != nil,
		Introspection: len(cfg.ResourceServers) > 0,
	})
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	site := discovery.NewServerSite(s.metadata, discovery.NewJWKS(keys.CacheLife, cfg.Keys.JWKS))
	for _, path := range site.Paths() {
		s.exact[path] = site
	}
	return nil
}
