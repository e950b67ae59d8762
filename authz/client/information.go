package client

import (
	"net/url"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// information is the client information response (RFC 7591 §3.2.1, RFC 7592
// §3): all that is registered, also what the server changed.
type information struct {
	ClientID              string   `json:"client_id"`
	IssuedAt              int64    `json:"client_id_issued_at"`
	Secret                string   `json:"client_secret,omitempty"`
	SecretExpiresAt       *int64   `json:"client_secret_expires_at,omitempty"` // with a secret always; 0 = never
	RegistrationToken     string   `json:"registration_access_token,omitempty"`
	RegistrationClientURI string   `json:"registration_client_uri,omitempty"`
	ClientName            string   `json:"client_name"`
	RedirectURIs          []string `json:"redirect_uris"`
	GrantTypes            []string `json:"grant_types"`
	ResponseTypes         []string `json:"response_types"`
	AuthMethod            string   `json:"token_endpoint_auth_method"`
	Scope                 string   `json:"scope,omitempty"`
	ApplicationType       string   `json:"application_type"`
	SoftwareID            string   `json:"software_id,omitempty"`
	SoftwareVersion       string   `json:"software_version,omitempty"`
}

// inform tells a client what is registered. Its credentials are derived anew,
// since only their hashes are kept.
func (h *Registration) inform(c store.Client) *information {
	i := &information{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), ClientName: c.Name, RedirectURIs: c.RedirectURIs,
		GrantTypes: c.GrantTypes, ResponseTypes: []string{responseCode}, AuthMethod: c.AuthMethod, Scope: c.Scope,
		ApplicationType: c.ApplicationType, SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion,
	}
	if token, hash, ok := h.cfg.Minter.Derive(opaque.Registration, c.ID); ok && hash == c.RegistrationHash {
		i.RegistrationToken = token
		i.RegistrationClientURI = h.cfg.Issuer + managePrefix + url.PathEscape(c.ID)
	}
	if secret, hash, ok := h.cfg.Minter.Derive(opaque.ClientSecret, c.ID); ok && hash == c.SecretHash {
		i.Secret, i.SecretExpiresAt = secret, new(int64)
	}
	return i
}
