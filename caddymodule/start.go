package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

// drainTimeout bounds how long a replaced configuration waits for its last
// request: the longest tool call, and its audit event.
const drainTimeout = max(appstore.MaxCall, openapi.MaxCall) + 10*time.Second

// running is what serves requests of one configuration.
type running struct {
	runtime    *runtime
	policy     *policy.Policy
	recorder   audit.Recorder
	limiter    limit.Engine
	issuerHost string
	auth       http.Handler            // the authorization server
	operator   *operator.Service       // what operators do with it
	endpoints  map[string]http.Handler // MCP, by resource
	tools      map[string]toolset.Set  // that they offer, by resource
	sites      map[string]http.Handler // what resource hosts publish, by host
}

// Start opens what is shared, or joins it, and builds what serves requests.
// Requests that came earlier wait for it. An error refuses the configuration,
// and the one before stays in service.
func (a *App) Start() error {
	run, err := a.start()
	if err != nil {
		return err // Cleanup follows and gives back what was acquired
	}
	a.running.Store(run)
	close(a.ready)
	a.log.Info("serving", "issuer", a.Issuer, "domains", run.policy.EnabledDomains(), "resources", len(run.endpoints), "version", version())
	return nil
}

func (a *App) start() (*running, error) {
	if err := a.checkIntrospection(); err != nil {
		return nil, err
	}
	run := &running{issuerHost: a.host}
	var err error
	if run.runtime, err = acquireRuntime(a.ctx, a.engine, a.ctx.Storage()); err != nil {
		return nil, err
	}
	a.held = append(a.held, func() error { return releaseRuntime(a.engine) })
	if run.limiter, err = acquireLimiter(a.ctx, a.engine, a.limiter, run.runtime.metrics); err != nil {
		return nil, err
	}
	a.held = append(a.held, func() error { return releaseLimiter(a.engine, a.limiter) })
	if run.recorder, err = a.openSinks(); err != nil {
		return nil, err
	}
	if run.policy, err = a.compile(); err != nil {
		return nil, err
	}
	// Again, now that the resources are known: some profiles are computed from them.
	if a.profiles, err = registryFor(a.resources(), a.Clients); err != nil {
		return nil, err
	}
	if err := a.build(run); err != nil {
		return nil, err
	}
	if err := run.runtime.metrics.register(a.ctx.GetMetricsRegistry()); err != nil {
		return nil, err
	}
	// Written before the first request is served under the new configuration.
	if err := run.runtime.apply(a.ctx, run, a.fingerprintWithTools()); err != nil {
		return nil, fmt.Errorf("auditing the configuration: %w", err)
	}
	run.runtime.metrics.setProfiles(a.profiles.IDs())
	return run, nil
}

// openSinks joins the audit sinks to one recorder.
func (a *App) openSinks() (audit.Recorder, error) {
	var recorders []audit.Recorder
	for _, sink := range a.sinks {
		recorder, err := acquireSink(sink, liveLog(appName+".audit"))
		if err != nil {
			return nil, err
		}
		a.held = append(a.held, func() error { return releaseSink(sink) })
		recorders = append(recorders, recorder)
	}
	if len(recorders) == 1 {
		return recorders[0], nil
	}
	return audit.Multi(recorders...), nil
}

// compile makes the policy, now that all resources are known.
func (a *App) compile() (*policy.Policy, error) {
	if err := a.checkPermissions(a.declaredPermissions()); err != nil {
		return nil, err
	}
	cfg := policy.Config{Domains: a.domains()}
	for _, b := range a.bridges {
		t := b.tools()
		cfg.Resources = append(cfg.Resources, policy.Resource{
			URL: b.Resource, Name: t.title, Scopes: t.scopes, InitialScopes: b.initialScopes(), Permissions: t.permissions,
		})
	}
	if len(cfg.Resources) == 0 {
		a.log.Warn("no mcp_bridge is configured: there is nothing to connect to")
	}
	compiled, err := policy.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("compiling the policy: %w", err)
	}
	return compiled, nil
}

// resources lists the URLs of the MCP endpoints.
func (a *App) resources() []string {
	var urls []string
	for _, b := range a.bridges {
		urls = append(urls, b.Resource)
	}
	return urls
}

// Stop is called once another configuration serves, or none. Nothing is closed
// here: requests are still running.
func (a *App) Stop() error {
	a.stopped.Store(true)
	return nil
}

// Cleanup gives back what was acquired, after the last request. It is called
// once, also after a failed Provision or Start.
func (a *App) Cleanup() error {
	if a.lifecycle == nil { // Provision was never called
		return nil
	}
	var err error
	a.cleanup.Do(func() {
		close(a.gone)
		idle := a.flights.close()
		select {
		case <-idle:
			err = a.release()
		default:
			// Caddy waits for this method with its configuration locked.
			go a.releaseAfter(idle)
		}
	})
	return err
}

func (a *App) releaseAfter(idle <-chan struct{}) {
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		liveLog(appName).Warn("requests of a replaced configuration did not end in time", "waited", drainTimeout)
	}
	if err := a.release(); err != nil {
		liveLog(appName).Error("closing a replaced configuration", "error", err)
	}
}

func (a *App) release() error {
	var errs []error
	for _, giveBack := range slices.Backward(a.held) {
		errs = append(errs, giveBack())
	}
	a.held = nil
	return errors.Join(errs...)
}
