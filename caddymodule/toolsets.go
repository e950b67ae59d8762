package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/appstore"
)

// tools is a toolset: what it is called, how it is granted, and what runs it.
type tools struct {
	title        string // shown to people
	instructions string // read by models
	scopes       []policy.Scope
	initial      []string // scopes that are asked for first
	permissions  []string
	build        func(toolDeps) (toolset.Set, error)
}

// toolDeps is what a toolset is built on.
type toolDeps struct {
	backend *backend.Client
	ledger  mcpbridge.Ledger
	locks   *keylock.Locks
	log     *slog.Logger
}

// toolsets are those that are compiled in, by the name that `toolset` takes.
var toolsets = map[string]tools{"appstore": appStore()}

// openAPIToolset is the name of toolsets that are made of a document.
const openAPIToolset = "openapi"

// tools returns the toolset of a bridge whose configuration was checked.
func (b *Bridge) tools() tools {
	if b.declared != nil {
		return b.declared.tools
	}
	return toolsets[b.Toolset]
}

func appStore() tools {
	var scopes []policy.Scope
	for _, s := range appstore.Scopes() {
		scopes = append(scopes, policy.Scope{Name: s.Name, Title: s.Title, Permissions: s.Permissions})
	}
	return tools{
		title:        "Lumos App Store",
		instructions: "Search the company's App Store and request access to apps on behalf of the signed-in person. Look an app up before requesting it.",
		scopes:       scopes,
		initial:      appstore.InitialScopes(),
		permissions:  appstore.Permissions(),
		build: func(d toolDeps) (toolset.Set, error) {
			return appstore.New(appstore.Config{Backend: d.backend, Ledger: d.ledger, Locks: d.locks, Clock: clock.System, Log: d.log})
		},
	}
}

// checkToolset accepts the name of a toolset.
func checkToolset(name string) error {
	if name == openAPIToolset {
		return errors.New("toolset openapi needs a file and a block of tools: write toolset openapi FILE { scope …, tool … }")
	}
	if _, ok := toolsets[name]; !ok {
		return fmt.Errorf("unknown toolset %q: %s", name, suggest(name, append(slices.Sorted(maps.Keys(toolsets)), openAPIToolset+" FILE")))
	}
	return nil
}

// checkInitialScopes accepts scopes of the bridge's toolset.
func (b *Bridge) checkInitialScopes() error {
	var known []string
	for _, scope := range b.tools().scopes {
		known = append(known, scope.Name)
	}
	for _, name := range b.InitialScopes {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown scope %q of toolset %s: %s", name, b.Toolset, suggest(name, known))
		}
	}
	return nil
}

// initialScopes are what assistants are told to ask for first.
func (b *Bridge) initialScopes() []string {
	if len(b.InitialScopes) > 0 {
		return b.InitialScopes
	}
	return b.tools().initial
}

// builtInPermissions lists the permissions of the toolsets that are compiled in.
func builtInPermissions() []string {
	var known []string
	for _, t := range toolsets {
		known = append(known, t.permissions...)
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// checkPermission refuses what is no permission of a built-in toolset and can be
// none of another: a word of another form, or a slip of the pen. Whether a
// toolset that stands elsewhere declares it is seen when all of the
// configuration is there; see checkPermissions.
func checkPermission(name string) error {
	builtIn := builtInPermissions()
	if name == "*" || slices.Contains(builtIn, name) {
		return nil
	}
	if near := nearest(name, builtIn); near != "" || checkPermissionName(name) != nil {
		return unknownPermission(name, builtIn)
	}
	return nil
}

func unknownPermission(name string, known []string) error {
	return fmt.Errorf("unknown permission %q: %s, or * for all", name, suggest(name, known))
}

// algorithms are the JOSE names (RFC 8037 §3.1, RFC 7518 §3.1) of what `alg` takes.
var algorithms = map[string]string{"": assertion.EdDSA, "eddsa": assertion.EdDSA, "es256": assertion.ES256}

// checkAlg accepts the name of a signature algorithm.
func checkAlg(name string) error {
	if _, ok := algorithms[name]; !ok || name == "" {
		return fmt.Errorf("unknown alg %q: allowed are: eddsa, es256", name)
	}
	return nil
}

// messageSignature is what `signature` and `require_signature` take.
const messageSignature = "rfc9421"

// checkSignature accepts the name of a signature beside the assertion.
func checkSignature(name string) error {
	if name != messageSignature {
		return fmt.Errorf("unknown signature %q: allowed is: %s", name, messageSignature)
	}
	return nil
}

// complete refuses a bridge that lacks a line.
func (b *Bridge) complete() error {
	var missing []string
	for _, line := range []struct {
		missing bool
		remedy  string
	}{
		{b.Resource == "", "resource https://… (the public URL of this path)"},
		{b.Toolset == "", "toolset appstore"},
		{b.Audience == "", "audience https://… (the backend's public origin)"},
		{b.UpstreamRaw == nil, "upstream ADDRESS"},
	} {
		if line.missing {
			missing = append(missing, line.remedy)
		}
	}
	if len(missing) > 0 {
		return errors.New("mcp_bridge " + b.Path + " lacks: " + strings.Join(missing, ", "))
	}
	return nil
}
