package caddymodule

import (
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Tokens are the lifetimes of what the authorization server issues. A field
// that is zero or absent has its default.
type Tokens struct {
	// How long an authorization code may be redeemed. Default: 60s; at most 10m
	// (RFC 6749 §4.1.2).
	Code caddy.Duration `json:"code,omitempty"`
	// How long an access token is valid. Default: 1h; 1m to 24h.
	Access caddy.Duration `json:"access,omitempty"`
	// How long a grant lives after the person approved it, whatever is
	// refreshed. Default: 30d; at most 365d.
	Refresh caddy.Duration `json:"refresh,omitempty"`
	// How long a grant lives without a refresh. Default: 7d; at most `refresh`.
	RefreshIdle caddy.Duration `json:"refresh_idle,omitempty"`
	// For how long a repeated refresh gets the same answer again instead of
	// being taken for theft. Default: 60s; at most 10m.
	RotationGrace caddy.Duration `json:"rotation_grace,omitempty"`
}

// Registration says how clients may appear at all.
type Registration struct {
	// Whether clients may register themselves (RFC 7591). Only those whose
	// redirect addresses match a host profile that an enabled domain allows are
	// registered. Default: true.
	Dynamic *bool `json:"dynamic,omitempty"`

	// Whether clients may be known by the URL of their metadata document. Only
	// documents that a host profile lists are read. Default: true.
	MetadataDocuments *bool `json:"metadata_documents,omitempty"`
}

// ClientProfile is a host profile of the operator's own, or an addition to a
// built-in one of the same id. Profiles are matched by redirect address, never
// by name.
type ClientProfile struct {
	// The id by which `clients` of a domain names it. Required.
	ID string `json:"id"`
	// The name that people see. Required for a profile that is not built in.
	Name string `json:"name,omitempty"`
	// Redirect addresses, compared byte for byte. One with a private-use scheme is
	// accepted only if the built-in profile of the same id lists it.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// Addresses of client id metadata documents, which are client ids, compared
	// byte for byte.
	MetadataDocuments []string `json:"metadata_documents,omitempty"`
	// Paths at which loopback redirects (localhost, 127.0.0.1, [::1], any port)
	// are accepted; "*" accepts every path. Default: none.
	LoopbackPaths []string `json:"loopback_paths,omitempty"`
	// The rotation grace for clients of this profile. Default: that of `tokens`.
	RotationGrace caddy.Duration `json:"rotation_grace,omitempty"`
}

// Domain is a customer: the people with e-mail addresses of that domain.
type Domain struct {
	// The e-mail domain in lower case. Required.
	Name string `json:"name"`
	// Whether anybody of the domain may use the gateway. Default: false.
	Enabled bool `json:"enabled,omitempty"`
	// The identity provider that signs its people in. Required if enabled.
	IDPRaw json.RawMessage `json:"idp,omitempty" caddy:"namespace=mcp_edge.idp inline_key=provider"`
	// The host profiles that its people may connect. Default: none.
	Clients []string `json:"clients,omitempty"`
	// Which of its people may use the gateway. Default: nobody.
	Users Users `json:"users,omitzero"`
	// What its people may do. Default: nothing.
	Roles []Role `json:"roles,omitempty"`
	// How much its people may ask of the MCP endpoints.
	Limits *Limits `json:"limits,omitempty"`

	idp IdentityProvider
}

// Limits are how much the people of a domain may ask of all MCP endpoints
// together. Each is a rate like `120/m`, in s, m or h; `120/m burst 40`, where
// no more than that may come at once (by default as many as the rate says); or
// `off`.
type Limits struct {
	// Of each person, requests that change nothing. Default: 120/m.
	Read string `json:"read,omitempty"`
	// Of each person, tool calls that change something. Default: 20/m.
	Write string `json:"write,omitempty"`
	// Of all people of the domain together. Default: 3000/m.
	Domain string `json:"domain,omitempty"`
}

// Users admits people of a domain.
type Users struct {
	// Admit each person whom the identity provider signs in. Default: false.
	Everyone bool `json:"everyone,omitempty"`
	// Admit people whom the identity provider puts into any of these groups.
	Groups []string `json:"groups,omitempty"`
}

// Role gives permissions to people of a domain. A person has the permissions of
// all roles that apply.
type Role struct {
	// What the role is called. Required, unique in its domain.
	Name string `json:"name"`
	// Give it to every admitted person. Default: false.
	Everyone bool `json:"everyone,omitempty"`
	// Give it to people in any of these groups.
	Groups []string `json:"groups,omitempty"`
	// The permissions that it gives; "*" stands for all. Required.
	Allow []string `json:"allow,omitempty"`
}

// ResourceServer is a service of the operator's own that is given access tokens
// of the gateway and may ask whom they speak for (RFC 7662), at
// `{issuer}/introspect`.
type ResourceServer struct {
	// The name by which it authenticates, in the place of a client id: lower case
	// letters, digits and dashes. Required, unique.
	Name string `json:"name"`
	// The secret by which it authenticates, as {env.NAME} or {file./path}. It has
	// at least 32 characters. Required.
	Secret string `json:"secret,omitempty"`
	// The MCP endpoints whose tokens it may ask about: the `resource` of
	// `mcp_bridge` handlers of this configuration. All other tokens are told to it
	// as inactive. Required.
	Resources []string `json:"resources,omitempty"`
}

// Defaults and bounds of Tokens.
const (
	defaultCode          = 60 * time.Second
	defaultAccess        = time.Hour
	defaultRefresh       = 30 * 24 * time.Hour
	defaultRefreshIdle   = 7 * 24 * time.Hour
	defaultRotationGrace = 60 * time.Second

	minCode, maxCode       = 10 * time.Second, 10 * time.Minute
	minAccess, maxAccess   = time.Minute, 24 * time.Hour
	minRefresh, maxRefresh = time.Hour, 365 * 24 * time.Hour
	minGrace, maxGrace     = time.Second, 10 * time.Minute
)

// withDefaults returns t with absent lifetimes filled in. An idle time that is
// not given never exceeds the lifetime of the grant.
func (t *Tokens) withDefaults() Tokens {
	var filled Tokens
	if t != nil {
		filled = *t
	}
	fill := func(field *caddy.Duration, value time.Duration) {
		if *field == 0 {
			*field = caddy.Duration(value)
		}
	}
	fill(&filled.Code, defaultCode)
	fill(&filled.Access, defaultAccess)
	fill(&filled.Refresh, defaultRefresh)
	fill(&filled.RefreshIdle, min(defaultRefreshIdle, time.Duration(filled.Refresh)))
	fill(&filled.RotationGrace, defaultRotationGrace)
	return filled
}

// dynamic says whether clients may register themselves.
func (r *Registration) dynamic() bool {
	return r == nil || r.Dynamic == nil || *r.Dynamic
}

func (r *Registration) metadataDocuments() bool {
	return r == nil || r.MetadataDocuments == nil || *r.MetadataDocuments
}
