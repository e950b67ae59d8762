package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/oauth"
)

const agent = "https://agent.example/client.json"

// with returns a good document of agent, with further or replaced members.
func with(members ...string) string {
	all := map[string]string{"client_id": `"` + agent + `"`, "client_name": `"Acme Agent"`, "redirect_uris": `["https://agent.example/cb"]`}
	order := []string{"client_id", "client_name", "redirect_uris"}
	for _, m := range members {
		name, value, _ := strings.Cut(m, "=")
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
		all[name] = value
	}
	var parts []string
	for _, name := range order {
		if all[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, all[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestDocumentsOfRealClientsAreRead(t *testing.T) {
	for _, c := range []struct {
		name, id, body string
		want           document.Document
	}{
		{
			"a hosted client that lists a grant type we do not have", "https://claude.ai/oauth/mcp-oauth-client-metadata",
			`{"client_id":"https://claude.ai/oauth/mcp-oauth-client-metadata","client_name":"Claude","client_uri":"https://claude.ai","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],
			"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:jwt-bearer"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			document.Document{
				Name: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"},
				GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "web",
			},
		},
		{
			"a client on the person's computer that does not say native", "https://claude.ai/oauth/claude-code-client-metadata",
			`{"client_id":"https://claude.ai/oauth/claude-code-client-metadata","client_name":"Claude Code","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"]}`,
			document.Document{
				Name: "Claude Code", RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"},
				GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "native",
			},
		},
		{
			"a client that prefers private_key_jwt and can do without", "https://chatgpt.com/oauth/client.json",
			`{"client_id":"https://chatgpt.com/oauth/client.json","client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"],
			"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],
			"token_endpoint_auth_signing_alg":"RS256","jwks_uri":"https://chatgpt.com/oauth/jwks.json"}`,
			document.Document{
				Name: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
				GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "web", Keys: "https://chatgpt.com/oauth/jwks.json",
			},
		},
		{
			"a client with a loopback and a web address", "https://vscode.dev/oauth/client-metadata.json",
			`{"client_id":"https://vscode.dev/oauth/client-metadata.json","client_name":"Visual Studio Code","client_uri":"https://vscode.dev/product",
			"redirect_uris":["http://127.0.0.1:33418/","https://vscode.dev/redirect"],"grant_types":["authorization_code"],"application_type":"native"}`,
			document.Document{
				Name: "Visual Studio Code", RedirectURIs: []string{"http://127.0.0.1:33418/", "https://vscode.dev/redirect"},
				GrantTypes: []string{"authorization_code"}, ApplicationType: "native",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := document.Parse(c.id, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			c.want.ID = c.id
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseAdmits(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"the least that a document has", with()},
		{"the method none", with(`token_endpoint_auth_method="none"`)},
		{"none in the list of methods without a preferred one", with(`token_endpoint_auth_methods_supported=["private_key_jwt","none"]`)},
		{"an empty list of methods", with(`token_endpoint_auth_methods_supported=[]`)},
		{"members that do not count, of any type", with(`logo_uri=7`, `scope=["a"]`, `contacts={"a":[1]}`, `Logo=null`)},
		{"a key set", with(`jwks={"keys":[]}`)},
		{"a key set that is null", with(`jwks=null`, `jwks_uri="https://agent.example/jwks.json"`)},
		{"response types among which is code", with(`response_types=["token","code"]`)},
		{"as many redirect URIs as are read", with(`redirect_uris=[` + strings.TrimSuffix(strings.Repeat(`"https://agent.example/cb",`, 20), ",") + `]`)},
		{"a name in other letters", with(`client_name="Ассистент 助手"`)},
		{"white space around the object", " \n" + with() + "\n"},
		{"as much depth as is read", with(`x=` + strings.Repeat("[", 15) + strings.Repeat("]", 15))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := document.Parse(agent, []byte(c.body)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, says string }{
		{"the client_id of another document", with(`client_id="https://agent.example/other.json"`), "client_id"},
		{"a client_id that only looks the same", with(`client_id="https://AGENT.example/client.json"`), "client_id"},
		{"a client_id with the default port", with(`client_id="https://agent.example:443/client.json"`), "client_id"},
		{"a missing client_id", with(`client_id=`), "client_id"},
		{"a secret", with(`client_secret="hunter2"`), "secret"},
		{"an empty secret", with(`client_secret=""`), "secret"},
		{"a secret that is null", with(`client_secret=null`), "secret"},
		{"the expiry of a secret", with(`client_secret_expires_at=0`), "secret"},
		{"the method client_secret_post", with(`token_endpoint_auth_method="client_secret_post"`), "shared secret"},
		{"the method client_secret_basic", with(`token_endpoint_auth_method="client_secret_basic"`), "shared secret"},
		{"the method client_secret_jwt", with(`token_endpoint_auth_method="client_secret_jwt"`), "shared secret"},
		{"a shared secret beside none", with(`token_endpoint_auth_method="none"`, `token_endpoint_auth_methods_supported=["none","client_secret_basic"]`), "shared secret"},
		{"private_key_jwt alone", with(`token_endpoint_auth_method="private_key_jwt"`), "not supported"},
		{"a list without none", with(`token_endpoint_auth_methods_supported=["private_key_jwt"]`), "not supported"},
		{"an unknown method", with(`token_endpoint_auth_method="self_signed_tls_client_auth"`), "not supported"},
		{"a missing name", with(`client_name=`), "client_name"},
		{"a name of spaces", with(`client_name="  "`), "client_name"},
		{"a long name", with(`client_name="` + strings.Repeat("a", 101) + `"`), "client_name"},
		{"a name that runs backwards", with(`client_name="Acme \u202egpj"`), "client_name"},
		{"a name with an unseen character", with(`client_name="Cla\u200bude"`), "client_name"},
		{"a name with a line end", with(`client_name="Acme\nAgent"`), "client_name"},
		{"no redirect URIs", with(`redirect_uris=`), "redirect_uris"},
		{"an empty list of redirect URIs", with(`redirect_uris=[]`), "redirect_uris"},
		{"more redirect URIs than are read", with(`redirect_uris=[` + strings.TrimSuffix(strings.Repeat(`"https://agent.example/cb",`, 21), ",") + `]`), "redirect_uris"},
		{"a script as redirect URI", with(`redirect_uris=["https://agent.example/cb","javascript:alert(1)"]`), "redirect_uris[1]"},
		{"a redirect over http to a host", with(`redirect_uris=["http://agent.example/cb"]`), "redirect_uris[0]"},
		{"a redirect with a fragment", with(`redirect_uris=["https://agent.example/cb#f"]`), "redirect_uris[0]"},
		{"a redirect with user information", with(`redirect_uris=["http://localhost:1@evil.example/"]`), "redirect_uris[0]"},
		{"private-use schemes only", with(`redirect_uris=["acme://callback"]`), "private-use"},
		{"grant types without the code", with(`grant_types=["client_credentials"]`), "grant_types"},
		{"response types without the code", with(`response_types=["token"]`), "response_types"},
		{"an unknown application type", with(`application_type="toaster"`), "application_type"},
		{"two key sets", with(`jwks={"keys":[]}`, `jwks_uri="https://agent.example/jwks.json"`), "jwks"},
		{"a name twice", `{"client_id":"https://evil.example/x",` + with()[1:], "one JSON object"},
		{"a member that does not count twice", with(`a=1`)[:len(with(`a=1`))-1] + `,"a":2}`, "one JSON object"},
		{"a member in another case", with(`Client_Secret="x"`), "wrong case"},
		{"invalid UTF-8", with("x=\"\xff\""), "one JSON object"},
		{"text behind the object", with() + "{}", "one JSON object"},
		{"a list", "[" + with() + "]", "one JSON object"},
		{"null", "null", "one JSON object"},
		{"nothing", "", "one JSON object"},
		{"a web page", "<!doctype html>", "one JSON object"},
		{"a string where a list belongs", with(`redirect_uris="https://agent.example/cb"`), "one JSON object"},
		{"one level of nesting too many", with(`x=` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), "nested"},
		{"a long document", with(`x="` + strings.Repeat("a", document.MaxBytes) + `"`), "longer"},
		{"too many members", with(manyMembers(201)...), "members"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := document.Parse(agent, []byte(c.body))
			if !errors.Is(err, document.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
	if _, err := document.Parse(agent+"?", []byte(with(`client_id="`+agent+`?"`))); !errors.Is(err, document.ErrInvalid) {
		t.Errorf("a URL that is no id: %v", err)
	}
}

func manyMembers(n int) []string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("m%d=1", i)
	}
	return members
}

func TestPrivateUseSchemesAndRepetitionsAreLeftOut(t *testing.T) {
	d, err := document.Parse(agent, []byte(with(`redirect_uris=["acme://cb","https://agent.example/cb","http://127.0.0.1/cb","https://agent.example/cb","com.example.acme:/cb"]`)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://agent.example/cb", "http://127.0.0.1/cb"}, d.RedirectURIs); diff != "" {
		t.Error(diff)
	}
}

func TestHashChangesWithWhatConsentDependsOn(t *testing.T) {
	parse := func(body string) document.Document {
		t.Helper()
		d, err := document.Parse(agent, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	two := with(`redirect_uris=["https://agent.example/cb","https://agent.example/dd"]`)
	keys := with(`jwks={"keys":[{"kty":"OKP","x":"a"}]}`)
	for _, c := range []struct {
		name, before, after string
		same                bool
		changed             []string
	}{
		{"the same text is the same", with(), with(), true, nil},
		{"members that do not count do not count", with(), with(`logo_uri="https://agent.example/l.png"`, `scope="a"`), true, nil},
		{"the order of redirect URIs does not count", two, with(`redirect_uris=["https://agent.example/dd","https://agent.example/cb"]`), true, nil},
		{"the spelling of a key set does not count", keys, with(`jwks={ "keys": [ {"x":"\u0061","kty":"OKP"} ] }`), true, nil},
		{"what is left out does not count", with(), with(`redirect_uris=["https://agent.example/cb","acme://cb"]`), true, nil},
		{"grant types are no matter of consent", with(), with(`grant_types=["authorization_code"]`), true, []string{"grant_types"}},
		{"another redirect URI counts", with(), with(`redirect_uris=["https://evil.example/cb"]`), false, []string{"redirect_uris"}},
		{"one more redirect URI counts", with(), two, false, []string{"redirect_uris"}},
		{"another name counts", with(), with(`client_name="Acme"`), false, []string{"client_name"}},
		{"another key counts", keys, with(`jwks={"keys":[{"kty":"OKP","x":"b"}]}`), false, []string{"jwks"}},
		{"another address of keys counts", with(), with(`jwks_uri="https://evil.example/k"`), false, []string{"jwks"}},
		{"all together are named in order", with(), with(`client_name="B"`, `redirect_uris=["http://localhost/cb"]`), false, []string{"client_name", "redirect_uris", "application_type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := parse(c.before), parse(c.after)
			if (document.Hash(before) == document.Hash(after)) != c.same {
				t.Error("the hash says otherwise")
			}
			if diff := cmp.Diff(c.changed, document.Changes(before, after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(with()))
	f.Add([]byte(with(`client_secret="x"`, `token_endpoint_auth_method="client_secret_jwt"`)))
	f.Add([]byte(with(`redirect_uris=["cursor://a/b","http://[::1]:1/cb","https://a.example/cb"]`, `jwks={"keys":[1e400]}`)))
	f.Add([]byte(with(`Client_ID="x"`)))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		d, err := document.Parse(agent, body)
		if !bytes.Equal(before, body) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			if !errors.Is(err, document.ErrInvalid) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if d.ID != agent || d.Name == "" || len(d.RedirectURIs) == 0 || !slices.Contains(d.GrantTypes, "authorization_code") {
			t.Fatalf("incomplete: %+v", d)
		}
		for _, uri := range d.RedirectURIs {
			if u, err := oauth.ParseRedirectURI(uri); err != nil || u.Scheme != "https" && !oauth.IsLoopbackRedirect(uri) {
				t.Fatalf("%q was admitted", uri)
			}
		}
		again, err := document.Parse(agent, body)
		if err != nil || document.Hash(d) != document.Hash(again) {
			t.Fatalf("read twice, it is two: %v", err)
		}
	})
}

func FuzzCheckID(f *testing.F) {
	f.Add(agent)
	f.Add("https://a.example/%2e%2e/x?y#z")
	f.Fuzz(func(t *testing.T, id string) {
		if document.CheckID(id) != nil {
			return
		}
		if !strings.HasPrefix(id, document.Prefix) || strings.ContainsAny(id, "?#\\ ") || strings.Contains(id, "/../") {
			t.Fatalf("%q was admitted", id)
		}
	})
}
