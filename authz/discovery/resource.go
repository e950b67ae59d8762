package discovery

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/policy"
)

// ResourcePath is the root form of the address of a protected resource's
// metadata; the path of the resource comes behind it (RFC 9728 §3.1).
const ResourcePath = "/.well-known/oauth-protected-resource"

// resourceMetadata are the members of RFC 9728 §2.
type resourceMetadata struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	BearerMethods []string `json:"bearer_methods_supported"`
	Name          string   `json:"resource_name,omitempty"`
}

// NewResource makes the metadata document of a protected resource whose only
// authorization server is issuer. Its scopes_supported are the initial scopes:
// clients ask for what stands there. These are all scopes unless an operator
// chose fewer; a client then asks for more when a call needs it.
func NewResource(r policy.Resource, issuer string) (*Document, error) {
	if err := checkIssuer(issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	}
	if err := checkResource(r.URL); err != nil {
		return nil, err
	}
	return newDocument(resourceMetadata{
		Resource: r.URL, Servers: []string{issuer}, Scopes: distinct(r.InitialScopes), BearerMethods: []string{"header"}, Name: r.Name,
	})
}

// checkResource wants the canonical form, because clients compare the published
// identifier with the URL that a person typed, byte for byte (RFC 9728 §3.3).
func checkResource(resource string) error {
	canonical, err := oauth.CanonicalResource(resource)
	if err != nil {
		return fmt.Errorf("resource %q: %w", resource, err)
	}
	if canonical != resource {
		return fmt.Errorf("resource %q: want %q", resource, canonical)
	}
	u, err := url.Parse(resource)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return fmt.Errorf("resource %q: want a URL without query", resource)
	}
	if u.Scheme != "https" && !oauth.IsLoopbackRedirect(resource) {
		return fmt.Errorf("resource %q: want https", resource)
	}
	return nil
}

// MetadataPath returns the path at which the metadata of a resource is served:
// the well-known name inserted between host and path (RFC 9728 §3.1).
func MetadataPath(resource string) (string, error) {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("resource %q is not an absolute URL", resource)
	}
	return ResourcePath + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// MetadataURL returns the address of the metadata of a resource, for the
// resource_metadata parameter of a challenge (RFC 9728 §5.1). It is on the
// resource's own origin.
func MetadataURL(resource string) (string, error) {
	path, err := MetadataPath(resource)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(resource)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + path, nil
}

// Site serves the documents of one host by exact path, and NotFound for every
// other path.
type Site struct{ documents map[string]http.Handler }

// NewServerSite returns what the issuer's host serves.
func NewServerSite(server *Document, jwks *JWKS) *Site {
	return &Site{documents: map[string]http.Handler{ServerPath: server, OpenIDPath: server, JWKSPath: jwks}}
}

// NewResourceSite returns what a resource host serves: the metadata of each of
// its resources, that of a single one also at the root form, and the
// authorization server's document. Two resources of one path are an error.
func NewResourceSite(server *Document, issuer string, resources ...policy.Resource) (*Site, error) {
	s := &Site{documents: map[string]http.Handler{ServerPath: server}}
	for _, r := range resources {
		document, err := NewResource(r, issuer)
		if err != nil {
			return nil, err
		}
		path, err := MetadataPath(r.URL)
		if err != nil {
			return nil, err
		}
		if _, taken := s.documents[path]; taken {
			return nil, fmt.Errorf("resource %q: another one of this host has its path", r.URL)
		}
		s.documents[path] = document
		if len(resources) == 1 {
			s.documents[ResourcePath] = document
		}
	}
	return s, nil
}

// Paths lists the paths that are served, in no order.
func (s *Site) Paths() []string {
	paths := make([]string, 0, len(s.documents))
	for path := range s.documents {
		paths = append(paths, path)
	}
	return paths
}

// ServeHTTP serves the document of the request's path.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if document, ok := s.documents[r.URL.EscapedPath()]; ok {
		document.ServeHTTP(w, r)
		return
	}
	NotFound(w, r)
}
