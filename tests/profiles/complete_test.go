package profiles_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/client"
)

// TestEveryProfileHasAShape keeps the table whole: a profile that joins the
// product, or gets another address, is not in it by itself.
func TestEveryProfileHasAShape(t *testing.T) {
	const resource = "https://gateway.example.com/mcp"
	byProfile := map[string][]shape{}
	for _, s := range shapes(resource) {
		byProfile[s.profile] = append(byProfile[s.profile], s)
		if (s.body == "") == (s.document == "") || len(s.redirects) == 0 {
			t.Errorf("%s: want a body or a document, and an address", s.title())
		}
	}
	known, err := client.NewRegistryFor([]string{resource})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range known.IDs() {
		p, _ := known.Profile(id)
		t.Run(id, func(t *testing.T) { covered(t, p, byProfile[id]) })
		delete(byProfile, id)
	}
	for id := range byProfile {
		t.Errorf("the table has %s, which is no profile", id)
	}
}

// covered wants each address, host, path, document and method of a profile in
// one of its shapes.
func covered(t *testing.T, p client.Profile, table []shape) {
	if len(table) == 0 {
		t.Fatal("the table has no entry")
	}
	var redirects, hosts, paths, found, methods []string
	for _, s := range table {
		redirects, found = append(redirects, s.redirects...), append(found, s.document)
		for _, method := range []string{none, post, basic} {
			if strings.Contains(s.body, `"`+method+`"`) || method == none && s.document != "" {
				methods = append(methods, method)
			}
		}
		for _, redirect := range s.redirects {
			if u, err := url.Parse(redirect); err == nil && u.Scheme == "http" {
				hosts, paths = append(hosts, u.Hostname()), append(paths, u.Path)
			}
		}
	}
	for _, c := range []struct {
		what       string
		want, have []string
	}{
		{"the address", p.RedirectURIs, redirects},
		{"the host", p.LoopbackHosts, hosts},
		{"the path", p.LoopbackPaths, paths},
		{"the document", p.MetadataDocuments, found},
		{"the method", slices.DeleteFunc(slices.Clone(p.AuthMethods), func(m string) bool { return m == "private_key_jwt" }), methods},
	} {
		for _, value := range c.want {
			if !slices.Contains(c.have, value) {
				t.Errorf("no entry has %s %q", c.what, value)
			}
		}
	}
}

// TestTheIdOfCodexIsComputedAsItsSourceDoes pins the one address that is a
// function of ours, by the vectors that were worked out from its source.
func TestTheIdOfCodexIsComputedAsItsSourceDoes(t *testing.T) {
	for resource, want := range map[string]string{
		"https://gateway.example.com/mcp": "tyPCpJ23Vgm7",
		"https://gateway.example.com/":    "stQBBBY349wj",
	} {
		if got := codexID(resource); got != want {
			t.Errorf("%s: %s, want %s", resource, got, want)
		}
	}
}
