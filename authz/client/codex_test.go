package client_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/client"
)

func TestCallbackIDOfCodexIsComputedFromTheAddressOfTheServer(t *testing.T) {
	for _, c := range []struct{ name, resource, want string }{
		{"an address with a path", "https://gateway.example.com/mcp", "tyPCpJ23Vgm7"},
		{"an address with a slash only", "https://gateway.example.com/", "stQBBBY349wj"},
		{"an address without a path is one with a slash", "https://gateway.example.com", "stQBBBY349wj"},
		{"a fragment does not count", "https://gateway.example.com/mcp#f", "tyPCpJ23Vgm7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := client.CodexCallbackID(c.resource); err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
	for _, resource := range []string{"", "/mcp", "https://%zz/"} {
		if got, err := client.CodexCallbackID(resource); err == nil {
			t.Errorf("%q became %q", resource, got)
		}
	}
	if _, err := client.NewRegistryFor([]string{"mcp"}); err == nil {
		t.Error("a registry was made for a resource that is no URL")
	}
}

func TestCodexIsAdmittedWithTheIDOfEachResourceAndWithTheSharedDocument(t *testing.T) {
	r, err := client.NewRegistryFor([]string{"https://gateway.example.com/mcp", "https://gateway.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/callback/tyPCpJ23Vgm7", "/callback/stQBBBY349wj"} {
		for _, uri := range []string{"http://127.0.0.1:5555" + path, "http://localhost" + path} {
			if m, err := r.Match([]string{uri}); err != nil || m.Profile.ID != "codex" {
				t.Errorf("%s: %q, %v", uri, m.Profile.ID, err)
			}
		}
	}
	codex := func(p client.Profile) bool { return p.ID == "codex" }
	if m, err := r.Match([]string{"http://127.0.0.1:5555/callback"}, codex); err != nil || m.Profile.ID != "codex" {
		t.Errorf("the shared path: %q, %v", m.Profile.ID, err)
	}
	p, _ := r.Profile("codex")
	want := []string{
		"https://chatgpt.com/oauth/codex/client.json", "https://chatgpt.com/oauth/codex/tyPCpJ23Vgm7/client.json", "https://chatgpt.com/oauth/codex/stQBBBY349wj/client.json",
	}
	if diff := cmp.Diff(want, p.MetadataDocuments); diff != "" {
		t.Error(diff)
	}
	for _, document := range want {
		if p, ok := r.ByDocument(document); !ok || p.ID != "codex" {
			t.Errorf("%s is not of codex", document)
		}
	}
	for _, uri := range []string{
		"http://127.0.0.1:1/callback/tyPCpJ23Vgm8", "http://127.0.0.1:1/callback/TYPCPJ23VGM7", "http://127.0.0.1:1/callback/tyPCpJ23Vgm7/", "http://127.0.0.1:1/callback/",
		"http://127.0.0.1:1/callback/{callback_id}", "https://127.0.0.1:1/callback/tyPCpJ23Vgm7", "http://evil.example/callback/tyPCpJ23Vgm7",
	} {
		if m, err := r.Match([]string{uri}); err == nil {
			t.Errorf("%s was admitted for %s", uri, m.Profile.ID)
		}
	}
}

func TestCodexHasNoComputedAddressWithoutResources(t *testing.T) {
	p, _ := registry(t).Profile("codex")
	if !slices.Equal(p.LoopbackPaths, []string{"/callback"}) || len(p.MetadataDocuments) != 1 {
		t.Errorf("%q %q", p.LoopbackPaths, p.MetadataDocuments)
	}
}
