package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/discovery"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// documentInterval is how often metadata documents are looked at for changes.
const documentInterval = time.Hour

// build makes the handlers of a configuration: first the clients of the
// backends, which sign-in asks about people; then the authorization server;
// then the MCP endpoints, which ask it about tokens.
func (a *App) build(run *running) error {
	backends := make(map[string]*backend.Client, len(a.bridges))
	people := make(directory, len(a.bridges))
	for _, b := range a.bridges {
		c, err := b.newBackend(a.Issuer, run.runtime)
		if err != nil {
			return fmt.Errorf("mcp_bridge %s: %w", b.Path, err)
		}
		backends[b.Resource], people[b.Resource] = c, nil
		if b.hasDirectory() {
			people[b.Resource] = c
		}
	}
	var documents document.Fetcher
	if a.Registration.metadataDocuments() {
		var own []string
		for _, address := range append(a.resources(), a.Issuer) {
			if u, err := url.Parse(address); err == nil {
				own = append(own, u.Hostname())
			}
		}
		fetcher, err := safehttp.New(safehttp.Config{OwnHosts: own})
		if err != nil {
			return fmt.Errorf("fetching metadata documents: %w", err)
		}
		documents = fetcher
	}
	tokens := a.Tokens.withDefaults()
	server, err := authz.New(authz.Config{
		Issuer:    a.Issuer,
		Policy:    run.policy,
		Profiles:  a.profiles,
		Providers: a.providers,
		Directory: people,
		Audit:     run.recorder,
		Store:     run.runtime.store,
		Keys:      run.runtime.keys,
		Epochs:    run.runtime.epochs,
		Cache:     run.runtime.cache,
		People:    run.runtime.people,
		Limits:    run.runtime.limits,
		Lifetimes: grant.Lifetimes{
			Code:          time.Duration(tokens.Code),
			Access:        time.Duration(tokens.Access),
			Refresh:       time.Duration(tokens.Refresh),
			RefreshIdle:   time.Duration(tokens.RefreshIdle),
			RotationGrace: time.Duration(tokens.RotationGrace),
		},
		DynamicRegistration: a.Registration.dynamic(),
		Documents:           documents,
		Observers:           run.runtime.metrics.observers(),
		ResourceServers:     a.introspectors,
		Clock:               clock.System,
		Log:                 a.log,
	})
	if err != nil {
		return fmt.Errorf("building the authorization server: %w", err)
	}
	refreshing, stop := context.WithCancel(context.Background())
	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		server.RefreshDocuments(refreshing, documentInterval)
	}()
	a.held = append(a.held, func() error {
		stop()
		server.Close()
		<-refreshed
		return nil
	})
	run.auth, run.operator = server, server.Operator()
	run.endpoints = make(map[string]http.Handler, len(a.bridges))
	run.tools = make(map[string]toolset.Set, len(a.bridges))
	for _, b := range a.bridges {
		endpoint, err := a.newEndpoint(run, b, server, backends[b.Resource])
		if err != nil {
			return fmt.Errorf("mcp_bridge %s: %w", b.Path, err)
		}
		run.endpoints[b.Resource] = endpoint
	}
	if run.sites, err = a.newSites(server.Metadata(), run.policy); err != nil {
		return fmt.Errorf("publishing the resources: %w", err)
	}
	return nil
}

// newBackend makes what sends signed requests to the backend of b.
func (b *Bridge) newBackend(issuer string, rt *runtime) (*backend.Client, error) {
	base, err := url.Parse(b.Audience)
	if err != nil {
		return nil, fmt.Errorf("audience: %w", err)
	}
	signer, err := assertion.New(assertion.Config{
		Issuer: issuer, Audience: b.Audience, Keys: rt.keys, Alg: algorithms[b.Alg], Clock: clock.System,
	})
	if err != nil {
		return nil, err
	}
	var credential backend.Credential = backend.Assertion{Signer: signer}
	if b.Signature != "" {
		credential = backend.SignedMessage{Issuer: signer, Keys: rt.keys, Alg: algorithms[b.Alg]}
	}
	return backend.New(backend.Config{
		Base: base, Transport: b.upstream, Credential: credential, Clock: clock.System, Version: version(),
	})
}

// newEndpoint makes the MCP endpoint of b.
func (a *App) newEndpoint(run *running, b *Bridge, server *authz.Server, c *backend.Client) (http.Handler, error) {
	kind := b.tools()
	set, err := kind.build(toolDeps{backend: c, ledger: run.runtime.ledger, locks: &run.runtime.writing, log: a.log})
	if err != nil {
		return nil, err
	}
	run.tools[b.Resource] = set
	metadata, err := discovery.MetadataURL(b.Resource)
	if err != nil {
		return nil, err
	}
	endpoint, err := mcp.New(mcp.Config{
		Gate:            &gate{resource: b.Resource, grants: server, policy: run.policy},
		Auditor:         &auditor{resource: b.Resource, recorder: run.recorder},
		Limiter:         &peopleLimiter{engine: run.limiter, policy: run.policy, hit: run.runtime.metrics.limitHit},
		Tools:           set,
		ServerInfo:      mcp.ServerInfo{Name: "mcp-edge-" + b.Toolset, Title: kind.title, Version: version()},
		Instructions:    kind.instructions,
		MetadataURL:     metadata,
		ChallengeScopes: b.initialScopes(),
		AllowedOrigins:  a.AllowOrigin,
		States:          run.runtime.sealer,
		Clock:           clock.System,
		Log:             a.log,
	})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endpoint.ServeHTTP(w, r.WithContext(withCaller(r.Context())))
	}), nil
}
