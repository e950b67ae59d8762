package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/discovery"
	"github.com/teamlumos/mcp-edge/authz/policy"
)

// isDiscoveryPath says whether a path is one by which clients look for the
// metadata of a resource or of its authorization server. A bridge answers all of
// them at its host, because a client that probes must get a clear no.
func isDiscoveryPath(path string) bool {
	return slices.ContainsFunc([]string{discovery.ResourcePath, discovery.ServerPath, discovery.OpenIDPath}, func(name string) bool {
		return isUnder(path, name)
	})
}

func isUnder(path, name string) bool {
	rest, ok := strings.CutPrefix(path, name)
	return ok && (rest == "" || rest[0] == '/')
}

// newSites makes what each resource host publishes: the metadata of all its
// resources, and the document of the authorization server for clients that look
// for it there only.
func (a *App) newSites(server *discovery.Document, compiled *policy.Policy) (map[string]http.Handler, error) {
	byHost := make(map[string][]policy.Resource)
	for _, b := range a.bridges {
		if resource, ok := compiled.Resource(b.Resource); ok {
			byHost[b.host] = append(byHost[b.host], resource)
		}
	}
	sites := make(map[string]http.Handler, len(byHost))
	for host, resources := range byHost {
		site, err := discovery.NewResourceSite(server, a.Issuer, resources...)
		if err != nil {
			return nil, err
		}
		sites[host] = site
	}
	return sites, nil
}

// endpoint is the MCP endpoint of a resource; one that a reload took out is gone.
func (r *running) endpoint(resource string) http.Handler {
	if h, ok := r.endpoints[resource]; ok {
		return h
	}
	return http.HandlerFunc(discovery.NotFound)
}

// wellKnown answers at a discovery path of a host. The issuer may be a resource
// host too: then only the metadata of resources is the site's.
func (r *running) wellKnown(host, path string) http.Handler {
	site, ok := r.sites[host]
	switch {
	case host == r.issuerHost && (!ok || !isUnder(path, discovery.ResourcePath)):
		return r.auth
	case !ok:
		return http.HandlerFunc(discovery.NotFound)
	}
	return site
}
