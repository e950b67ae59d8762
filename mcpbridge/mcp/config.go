package mcp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// DefaultMaxBody is the limit of a request body in bytes unless Config sets one.
const DefaultMaxBody = 1 << 20

// ErrConfig is the cause of every error of New.
var ErrConfig = errors.New("mcp configuration")

// ServerInfo names this server to clients. It is shown to people and steers
// nothing (MCP 2026-07-28, basic).
type ServerInfo struct {
	Name    string // required
	Title   string // optional, for people
	Version string // required
}

// Config is what a Handler needs.
type Config struct {
	// Gate is required. An error of its Authenticate may have a method
	// Reason() reason.Reason, which then is in the answer and in the audit trail.
	Gate    mcpbridge.Gate
	Auditor mcpbridge.Auditor // required
	Tools   toolset.Set       // required; its list is read once
	// Limiter counts what people ask. Default: nothing is limited.
	Limiter mcpbridge.Limiter
	// ServerInfo is required.
	ServerInfo ServerInfo
	// Instructions tell a model how to use the tools; optional.
	Instructions string
	// MetadataURL is the address of the protected resource metadata
	// (RFC 9728 §5.1), for challenges; required.
	MetadataURL string
	// ChallengeScopes are named to clients that come without a usable token.
	ChallengeScopes []string
	// AllowedOrigins are web origins ("https://app.example.com") whose pages may
	// call; any other Origin is refused. Default: none. Programs send no Origin.
	AllowedOrigins []string
	// States seals what a client keeps between a question to the person and the
	// retry of its call, on all nodes with the same keys. Without one no person is
	// asked, and a missing choice is a tool error for every client.
	States Sealer
	// MaxBody limits request bodies, in bytes. Default: DefaultMaxBody.
	MaxBody int64
	Clock   clock.Clock  // default: clock.System
	Log     *slog.Logger // default: slog.Default
}

// New returns the handler of one MCP endpoint, or an error that is ErrConfig.
func New(c Config) (http.Handler, error) {
	if c.Gate == nil || c.Auditor == nil || c.Tools == nil {
		return nil, fmt.Errorf("%w: a gate, an auditor and tools are required", ErrConfig)
	}
	if c.ServerInfo.Name == "" || c.ServerInfo.Version == "" {
		return nil, fmt.Errorf("%w: the server needs a name and a version", ErrConfig)
	}
	if c.MaxBody < 0 {
		return nil, fmt.Errorf("%w: the body limit is negative", ErrConfig)
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	challenges, err := newChallenger(c.MetadataURL, c.ChallengeScopes)
	if err != nil {
		return nil, err
	}
	origins, err := parseOrigins(c.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	catalog, err := newCatalog(c.Tools.List(), c.ServerInfo, c.Instructions)
	if err != nil {
		return nil, err
	}
	return &handler{
		gate: c.Gate, limiter: c.Limiter, tools: c.Tools, catalog: catalog, challenges: challenges,
		origins: origins, maxBody: c.MaxBody, clock: c.Clock, log: c.Log,
		states: c.States, trail: &trail{auditor: c.Auditor, clock: c.Clock, log: c.Log},
	}, nil
}

func parseOrigins(list []string) (map[string]bool, error) {
	origins := make(map[string]bool, len(list))
	for _, s := range list {
		u, err := url.Parse(s)
		// Compared as a string later, so only the form that browsers send is any use.
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != s {
			return nil, fmt.Errorf("%w: %q is not an origin like https://app.example.com", ErrConfig, s)
		}
		origins[s] = true
	}
	return origins, nil
}
