package client_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func remedyRegistry(t *testing.T) *client.Registry {
	t.Helper()
	r, err := client.NewRegistry(client.Profile{ID: "agent-acme-com", RedirectURIs: []string{"https://agent.acme.com/cb"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARemedyAdmitsExactlyWhatWasRefused(t *testing.T) {
	for name, c := range map[string]struct {
		rejected store.Rejection
		want     client.Remedy // without Check
	}{
		"a profile that nobody allows": {
			store.Rejection{Profile: "chatgpt", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"}},
			client.Remedy{Profile: "chatgpt", Extends: true},
		},
		"a profile that was added since": {
			store.Rejection{RedirectURIs: []string{"https://agent.acme.com/cb"}}, client.Remedy{Profile: "agent-acme-com", Extends: true},
		},
		"an unknown host": {
			store.Rejection{RedirectURIs: []string{"https://new.example/cb?x=1"}},
			client.Remedy{Profile: "new-example", Lines: []string{"redirect_uri https://new.example/cb?x=1"}},
		},
		"two addresses and a path on the computer": {
			store.Rejection{RedirectURIs: []string{"https://new.example/a", "https://other.example/b", "http://localhost/cb", "http://127.0.0.1/cb"}},
			client.Remedy{Profile: "new-example", Lines: []string{"redirect_uri https://new.example/a https://other.example/b", "loopback /cb"}},
		},
		"a path on the computer": {
			store.Rejection{RedirectURIs: []string{"http://localhost/odd/cb"}}, client.Remedy{Profile: "local-app", Lines: []string{"loopback /odd/cb"}},
		},
		"a path with a query": {
			store.Rejection{RedirectURIs: []string{"http://localhost/cb?x=1"}}, client.Remedy{Profile: "local-app", Lines: []string{"loopback"}},
		},
		"another address at the host of a known client": {
			store.Rejection{RedirectURIs: []string{"https://agent.acme.com/new", "https://agent.acme.com/cb"}},
			client.Remedy{Profile: "agent-acme-com", Lines: []string{"redirect_uri https://agent.acme.com/new"}, Extends: true},
		},
		"a foreign address beside that of a known client": {
			store.Rejection{RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback", "https://new.example/cb"}},
			client.Remedy{Profile: "claude-ai", Lines: []string{"redirect_uri https://claude.ai/api/mcp/auth_callback https://new.example/cb"}},
		},
		"a template": {
			store.Rejection{RedirectURIs: []string{"https://acme-be.glean.com/tools/oauth/verify_code"}},
			client.Remedy{Profile: "glean", Lines: []string{"instance acme"}, Extends: true},
		},
		"a template with two values for one name": {
			store.Rejection{RedirectURIs: []string{"https://acme-be.glean.com/tools/oauth/verify_code", "https://beta-be.glean.com/tools/oauth/verify_code"}},
			client.Remedy{Profile: "glean", Lines: []string{"redirect_uri https://acme-be.glean.com/tools/oauth/verify_code https://beta-be.glean.com/tools/oauth/verify_code"}, Extends: true},
		},
		"a document": {
			store.Rejection{Kind: store.KindDocument, Document: "https://new.example/client.json"},
			client.Remedy{Profile: "new-example", Lines: []string{"metadata_document https://new.example/client.json"}},
		},
		"a document that a profile lists": {
			store.Rejection{Kind: store.KindDocument, Document: "https://claude.ai/oauth/claude-code-client-metadata"}, client.Remedy{Profile: "claude-code", Extends: true},
		},
		// A block of that name would give the address the name of the product.
		"a host that is called like a product": {
			store.Rejection{ClientName: "Claude", RedirectURIs: []string{"https://claude/cb"}},
			client.Remedy{Profile: "claude-2", Lines: []string{"redirect_uri https://claude/cb"}},
		},
		"a host that is called like an own client": {
			store.Rejection{RedirectURIs: []string{"https://agent-acme.com/cb"}},
			client.Remedy{Profile: "agent-acme-com-2", Lines: []string{"redirect_uri https://agent-acme.com/cb"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := remedyRegistry(t).Remedy(c.rejected)
			if (got.Check == "") != (len(got.Lines) == 0) {
				t.Errorf("what to check: %q", got.Check)
			}
			got.Check = ""
			if diff := gocmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestNothingOfAStrangerStandsInARemedyButPlainAddresses(t *testing.T) {
	for name, j := range map[string]store.Rejection{
		"a variable of the environment": {RedirectURIs: []string{"https://x.example/{$HOME}"}},
		"a placeholder":                 {RedirectURIs: []string{"https://x.example/{env.SECRET}"}},
		"a line break":                  {RedirectURIs: []string{"https://x.example/\nimport /etc/passwd"}},
		"a quote":                       {RedirectURIs: []string{"https://x.example/`"}},
		"a space":                       {RedirectURIs: []string{"https://x.example/ https://y.example/"}},
		"one good address and a script": {RedirectURIs: []string{"https://x.example/cb", "javascript:alert(1)"}},
		"a private-use scheme":          {RedirectURIs: []string{"https://x.example/cb", "evil://cb"}},
		"a very long address":           {RedirectURIs: []string{"https://x.example/" + strings.Repeat("x", 300)}},
		"no address":                    {},
		"a document with a variable":    {Kind: store.KindDocument, Document: "https://x.example/{$HOME}"},
		"a document over http":          {Kind: store.KindDocument, Document: "http://x.example/c.json"},
		"no document":                   {Kind: store.KindDocument},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := remedyRegistry(t).Remedy(j); err == nil || len(got.Lines) > 0 || got.Profile != "" {
				t.Errorf("%+v, want none", got)
			}
		})
	}
	got, err := remedyRegistry(t).Remedy(store.Rejection{ClientName: "{$HOME}", RedirectURIs: []string{"https://x.example/cb"}})
	if err != nil || strings.Contains(strings.Join(got.Lines, " ")+got.Check+got.Profile, "HOME") {
		t.Errorf("%+v, %v", got, err)
	}
}
