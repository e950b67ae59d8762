package appstore

import (
	"slices"

	"github.com/teamlumos/mcp-edge/mcpbridge"
)

// The scopes of this toolset.
const (
	ScopeRead    = "appstore:read"
	ScopeRequest = "appstore:request"
)

// The permissions of this toolset.
const (
	PermissionViewApps       = "appstore.apps.view"
	PermissionViewRequests   = "appstore.requests.view"
	PermissionCreateRequests = "appstore.requests.create"
	PermissionCancelRequests = "appstore.requests.cancel"
)

// ScopeInfo is one scope, as policy and the consent page need it.
type ScopeInfo struct {
	Name        string
	Title       string   // the words of the consent page
	Permissions []string // that it can reach
}

// Scopes returns the scopes of this toolset, the least first.
func Scopes() []ScopeInfo {
	return []ScopeInfo{
		{
			Name:        ScopeRead,
			Title:       "View apps and your access requests in the App Store",
			Permissions: []string{PermissionViewApps, PermissionViewRequests},
		},
		{
			Name:        ScopeRequest,
			Title:       "Submit access requests on your behalf",
			Permissions: []string{PermissionCreateRequests, PermissionCancelRequests},
		},
	}
}

// Permissions returns every permission that a tool here can need, sorted.
func Permissions() []string {
	var all []string
	for _, s := range Scopes() {
		all = append(all, s.Permissions...)
	}
	slices.Sort(all)
	return all
}

// InitialScopes returns what a client is told to ask for at its first connect:
// all, since the person sees each on the consent page and the role bounds them.
// To ask for the least and step up later would be narrower, but version 1 of the
// TypeScript SDK, which many assistants are built on, answers a challenge for
// more by refreshing what it has, and would never be able to write.
func InitialScopes() []string { return []string{ScopeRead, ScopeRequest} }

// What tools need.
var (
	needApps     = mcpbridge.Need{Scope: ScopeRead, Permission: PermissionViewApps}
	needRequests = mcpbridge.Need{Scope: ScopeRead, Permission: PermissionViewRequests}
	needCreate   = mcpbridge.Need{Scope: ScopeRequest, Permission: PermissionCreateRequests, Write: true}
	needCancel   = mcpbridge.Need{Scope: ScopeRequest, Permission: PermissionCancelRequests, Write: true}
)
