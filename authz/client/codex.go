package client

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
)

// The profile whose callback is computed, and the placeholder of that value.
const (
	codexProfile     = "codex"
	codexPlaceholder = "callback_id"
	codexIDBytes     = 9
)

// CodexCallbackID is the path segment by which Codex tells the servers that it
// connects to apart: the first 9 bytes of the SHA-256 of the MCP server's URL
// without fragment, in base64url. It is the same on every computer, so a server
// knows it for its own address.
func CodexCallbackID(resource string) (string, error) {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("resource %q is not an absolute URL", resource)
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/" // as the URL standard of browsers writes an empty path
	}
	sum := sha256.Sum256([]byte(u.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:codexIDBytes]), nil
}

// computeCodex fills in the templates of Codex for the given resources.
func (r *Registry) computeCodex(resources []string) error {
	p, ok := r.byID[codexProfile]
	if !ok || len(resources) == 0 {
		return nil
	}
	var ids []string
	for _, resource := range resources {
		id, err := CodexCallbackID(resource)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	exact, err := p.Expand(map[string][]string{codexPlaceholder: ids})
	if err != nil {
		return err
	}
	return r.extend(p, Profile{LoopbackPaths: exact.LoopbackPaths, MetadataDocuments: exact.MetadataDocuments})
}
