package discovery

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// Paths of the authorization server's document and keys, at its origin. The
// second one is where clients look that know OpenID Connect Discovery only.
const (
	ServerPath = "/.well-known/oauth-authorization-server"
	OpenIDPath = "/.well-known/openid-configuration"
	JWKSPath   = "/jwks.json"
)

// ServerConfig is what the metadata of the authorization server says.
type ServerConfig struct {
	// Issuer is an https origin without path and trailing slash, as it goes into
	// every iss parameter (RFC 9207); required. http is for loopback hosts only.
	Issuer string
	// Scopes are all scopes of all resources.
	Scopes []string
	// DynamicRegistration says that the registration endpoint answers.
	DynamicRegistration bool
	// MetadataDocuments says that a client may be known by the URL of its
	// metadata document (draft-ietf-oauth-client-id-metadata-document).
	MetadataDocuments bool
	// Introspection says that the introspection endpoint answers (RFC 7662).
	Introspection bool
}

// serverMetadata are the members of RFC 8414 §2 and RFC 9207 §3. Each member
// states something that works; members without elements are left out
// (RFC 8414 §3.2).
type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	JWKSURI               string   `json:"jwks_uri"`
	Scopes                []string `json:"scopes_supported,omitempty"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
	MetadataDocuments     bool     `json:"client_id_metadata_document_supported,omitzero"`
}

// NewServer makes the metadata document of the authorization server. Serve it
// at ServerPath and OpenIDPath of the issuer, and at ServerPath of each resource
// host for clients of MCP revision 2025-03-26, which look nowhere else.
func NewServer(cfg ServerConfig) (*Document, error) {
	if err := checkIssuer(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", cfg.Issuer, err)
	}
	authMethods := []string{"none", "client_secret_post", "client_secret_basic"}
	m := serverMetadata{
		Issuer:                cfg.Issuer,
		AuthorizationEndpoint: cfg.Issuer + "/authorize",
		TokenEndpoint:         cfg.Issuer + "/token",
		RevocationEndpoint:    cfg.Issuer + "/revoke",
		JWKSURI:               cfg.Issuer + JWKSPath,
		Scopes:                distinct(cfg.Scopes),
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{"authorization_code", "refresh_token"},
		TokenAuthMethods:      authMethods,
		RevocationAuthMethods: authMethods,
		ChallengeMethods:      []string{"S256"},
		IssParameter:          true,
		MetadataDocuments:     cfg.MetadataDocuments,
	}
	if cfg.DynamicRegistration {
		m.RegistrationEndpoint = cfg.Issuer + "/register"
	}
	if cfg.Introspection {
		m.IntrospectionEndpoint = cfg.Issuer + "/introspect"
		m.IntrospectionMethods = []string{"client_secret_basic", "client_secret_post"}
	}
	return newDocument(m)
}

// checkIssuer refuses an issuer that clients would not find again by comparing
// strings: RFC 8414 §3.3 and RFC 9207 §2.4 allow no normalization.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return errors.New("not a URL")
	}
	if u.Scheme != "https" && !oauth.IsLoopbackRedirect(issuer) {
		return errors.New("want https")
	}
	if canonical, err := oauth.CanonicalResource(issuer); err != nil || canonical != issuer || u.EscapedPath() != "" || u.RawQuery != "" || u.ForceQuery {
		return errors.New("want scheme and host in lower case, no default port, no path, no trailing slash, no query")
	}
	return nil
}

// distinct drops repetitions and keeps the order.
func distinct(list []string) []string {
	var kept []string
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
