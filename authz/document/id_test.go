package document_test

import (
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/document"
)

func TestCheckID(t *testing.T) {
	for _, c := range []struct {
		name, id string
		ok       bool
	}{
		{"https with host and path is an id", "https://claude.ai/oauth/mcp-oauth-client-metadata", true},
		{"a port is part of an id", "https://agent.example:8443/client.json", true},
		{"dots in a name are no dot segments", "https://agent.example/.well-known/a..b/...", true},
		{"http is none", "http://agent.example/client.json", false},
		{"the scheme in capitals is another string", "HTTPS://agent.example/client.json", false},
		{"another scheme is none", "ftp://agent.example/client.json", false},
		{"no path is none", "https://agent.example", false},
		{"a slash alone is no path", "https://agent.example/", false},
		{"no host is none", "https:///client.json", false},
		{"a port alone is no host", "https://:443/client.json", false},
		{"user information is refused", "https://user@agent.example/client.json", false},
		{"a password is refused", "https://a:b@agent.example/client.json", false},
		{"an empty user is refused", "https://@agent.example/client.json", false},
		{"a fragment is refused", "https://agent.example/client.json#a", false},
		{"an empty fragment is refused", "https://agent.example/client.json#", false},
		{"a query is refused", "https://agent.example/client.json?a=b", false},
		{"an empty query is refused", "https://agent.example/client.json?", false},
		{"a dot segment is refused", "https://agent.example/./client.json", false},
		{"a double dot segment is refused", "https://agent.example/a/../client.json", false},
		{"a double dot at the end is refused", "https://agent.example/a/..", false},
		{"an encoded dot segment is refused", "https://agent.example/a/%2e%2E/client.json", false},
		{"a half encoded dot segment is refused", "https://agent.example/a/.%2e/client.json", false},
		{"an encoded slash hides no dot segment", "https://agent.example/a%2f..%2fclient.json", false},
		{"a backslash is refused", `https://agent.example\client.json`, false},
		{"white space is refused", "https://agent.example/client .json", false},
		{"a line end is refused", "https://agent.example/client.json\n", false},
		{"other letters are refused", "https://agént.example/client.json", false},
		{"a broken escape is refused", "https://agent.example/%zz", false},
		{"nothing is none", "", false},
		{"a long URL is refused", "https://agent.example/" + strings.Repeat("a", 2<<10), false},
		{"an id that was registered is none", "lmcl_x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := document.CheckID(c.id); (err == nil) != c.ok {
				t.Errorf("CheckID(%q) = %v", c.id, err)
			}
		})
	}
}
