package caddymodule

import (
	"context"
	"log/slog"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/limit/redis"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// Names of the app and of the namespaces of its guest modules.
const (
	appName        = "mcp_edge"
	storeNamespace = appName + ".store"
	idpNamespace   = appName + ".idp"
	auditNamespace = appName + ".audit"

	limiterNamespace = appName + ".limiter"
)

// StoreEngine is a guest module "mcp_edge.store.*". Its Provision reads the
// configuration and opens nothing.
type StoreEngine interface {
	// Identity names the store, the same for every configuration that means the
	// same store, whatever its other settings are.
	Identity() string
	// Open connects to the store. It is called once as long as any
	// configuration uses the store.
	Open(ctx context.Context, log *slog.Logger) (store.Store, error)
}

// LimiterEngine is a guest module "mcp_edge.limiter.*".
type LimiterEngine interface {
	// Identity names where the limits are counted, as StoreEngine.Identity does. It
	// holds no secret.
	Identity() string
	// CheckSecrets refuses secrets that stand in the configuration itself, unless
	// literal ones are allowed. It reads none.
	CheckSecrets(allowLiteral bool) error
	// Open begins to count. It is called once as long as any configuration uses
	// store and limiter together.
	Open(context.Context, LimiterContext) (limit.Engine, error)
}

// LimiterContext is what a limiter learns from the rest.
type LimiterContext struct {
	Log *slog.Logger
	// Observer is told whether what several nodes share can be reached.
	Observer redis.Observer
}

// IdentityProvider is a guest module "mcp_edge.idp.*".
type IdentityProvider interface {
	// CheckSecrets refuses secrets that stand in the configuration itself,
	// unless literal ones are allowed. It reads none.
	CheckSecrets(allowLiteral bool) error
	// Configure resolves secrets and returns the provider. It touches no network.
	Configure(IDPContext) (idp.Provider, error)
}

// IDPContext is what an identity provider learns from the rest of the configuration.
type IDPContext struct {
	// RedirectURI is where the provider sends people back to.
	RedirectURI string
	// AllowLiteralSecrets is set only while the issuer is on this computer.
	AllowLiteralSecrets bool
}

// AuditSink is a guest module "mcp_edge.audit.*".
type AuditSink interface {
	// Identity names what is written to, as StoreEngine.Identity does.
	Identity() string
	// Open begins to write. It is called once as long as any configuration uses
	// the sink.
	Open(log *slog.Logger) (RecordCloser, error)
}

// RecordCloser is an open audit sink.
type RecordCloser interface {
	audit.Recorder
	// Close writes what is queued and ends. Nothing may be recorded after it.
	Close() error
}
