package tenants_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/idp"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// The two customers. Each has a Mia, whose subject is the same at both providers.
const (
	home      = stack.Domain
	elsewhere = "globex.example"
	both      = "appstore:read appstore:request"
)

// world is a gateway with two customers.
type world struct {
	*gateway.Gateway
	issuer string
	other  *idp.Server // the identity provider of elsewhere
}

func miaOf(domain string) robot.Person {
	return robot.Person{Email: "mia@" + domain, Password: "member-demo"}
}

func start(t *testing.T) *world {
	t.Helper()
	const secret = "the-secret-of-the-other-customer"
	mia := idp.DemoUsers()[0]
	mia.Email = "mia@" + elsewhere
	other, err := idp.Start(t.Context(), idp.Config{ClientID: "mcp-edge", ClientSecret: secret, Users: []idp.User{mia}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	path := gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"),
		"code 60s", "code 10m",
		"\t\t# A service of yours that is given tokens", fmt.Sprintf(`		domain %s {
			enabled
			idp oidc %s {
				client_id mcp-edge
				client_secret {env.OTHER_IDP_SECRET}
			}
			clients mcp-inspector
			users everyone
			role member {
				group staff
				allow *
			}
			limits {
				read off
				write off
				domain off
			}
		}

		# A service of yours that is given tokens`, elsewhere, other.Issuer()))
	g := gateway.Start(t, stack.Options{People: []appstore.Person{{
		ID: "5b0d7c1e-3a52-4c6e-9f10-0000000000a1", Email: mia.Email, DomainID: elsewhere, GivenName: "Mia", FamilyName: "Elsewhere",
	}}}, path, "OTHER_IDP_SECRET="+secret)
	other.SetRedirectURIs(g.Stack.Issuer + "/callback/" + elsewhere)
	return &world{Gateway: g, issuer: g.Stack.Issuer, other: other}
}

// tap is a transport that keeps the cookies which its browser sent last, and the
// addresses at which it was.
type tap struct {
	inner http.RoundTripper
	host  string

	mu     sync.Mutex
	cookie string
	seen   []*url.URL
}

// RoundTrip implements http.RoundTripper.
func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	if p.seen = append(p.seen, r.URL); "https://"+r.URL.Host == p.host {
		p.cookie = r.Header.Get("Cookie")
	}
	p.mu.Unlock()
	return p.inner.RoundTrip(r)
}

// cookies are those that the browser sent last.
func (p *tap) cookies() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cookie
}

// param is the newest value of a parameter in an address that holds part.
func (p *tap) param(part, name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	value := ""
	for _, u := range p.seen {
		if strings.Contains(u.String(), part) && u.Query().Has(name) {
			value = u.Query().Get(name)
		}
	}
	return value
}

// customer is what one of them has at the gateway.
type customer struct {
	*assistant.Assistant
	domain       string
	registration struct {
		ID     string `json:"client_id"`
		Token  string `json:"registration_access_token"`
		Secret string `json:"client_secret"`
	}
	tokens assistant.Tokens
	code   assistant.Approval
	// page waits for an answer in browser.
	page    *robot.Page
	browser *robot.Robot
	through *tap
	// signing is where a second browser of the person waits for its provider.
	signing *tap
	// request is an access request of the person at the backend.
	request string
}

// choices is the form of the consent page.
func (c *customer) choices(t *testing.T) robot.Form {
	t.Helper()
	for _, f := range c.page.Forms {
		if f.Buttons["approve"] != "" {
			return f
		}
	}
	t.Fatalf("no consent form: %s", c.page.Text())
	return robot.Form{}
}

func (w *world) customer(t *testing.T, domain string) *customer {
	t.Helper()
	c := &customer{domain: domain}
	const body = `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"client_secret_post","grant_types":["authorization_code","refresh_token"]}`
	answer := w.send(t, http.MethodPost, w.issuer+"/register", body, "Content-Type", "application/json")
	if err := json.Unmarshal(answer.Body, &c.registration); err != nil || c.registration.Token == "" || c.registration.Secret == "" {
		t.Fatalf("%d %s: %v", answer.Status, answer.Body, err)
	}
	c.Assistant = &assistant.Assistant{
		Issuer: w.issuer, Resource: w.Stack.Resource, HTTP: w.Stranger(t), ClientID: c.registration.ID,
		Redirect: "http://localhost:6274/oauth/callback", Secret: c.registration.Secret, AuthMethod: assistant.SecretInForm,
	}
	c.tokens = must[assistant.Tokens](t)(c.Connect(t.Context(), robot.New(w.Stack.Transport(), miaOf(domain)), both))
	approval, err := c.Approve(t.Context(), robot.New(w.Stack.Transport(), miaOf(domain)), both)
	if err != nil {
		t.Fatal(err)
	}
	c.code = approval
	c.through = &tap{inner: w.Stack.Transport(), host: w.issuer}
	c.browser = robot.New(c.through, miaOf(domain))
	c.browser.Decision = "look"
	c.browser.OnPage = func(p *robot.Page) { c.page = p }
	address, _ := c.AuthorizationURL(both, nil)
	if _, err := c.browser.Authorize(t.Context(), address); !errors.Is(err, robot.ErrStuck) {
		t.Fatal(err)
	}
	c.choices(t)
	c.signing = &tap{inner: w.Stack.Transport(), host: w.issuer}
	forgetful := miaOf(domain)
	forgetful.Password = "forgotten"
	address, _ = c.AuthorizationURL(both, nil)
	if _, err := robot.New(c.signing, forgetful).Authorize(t.Context(), address); err == nil {
		t.Fatal("signed in with a wrong password")
	}
	c.request = w.anyRequest(t, c)
	return c
}

// anyRequest is the id of an access request that the person sees.
func (w *world) anyRequest(t *testing.T, c *customer) string {
	t.Helper()
	ids := requestsOf(t, c)
	if len(ids) == 0 {
		t.Fatalf("%s has no access request", c.domain)
	}
	return ids[0]
}

// requestsOf are the ids of the access requests that the person sees.
func requestsOf(t *testing.T, c *customer) []string {
	t.Helper()
	r := must[assistant.CallResult](t)(c.Call(t.Context(), c.tokens.AccessToken, "list_access_requests", `{"state":"all"}`))
	var list struct {
		Requests []struct {
			ID string `json:"id"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(r.Result.StructuredContent, &list); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	var ids []string
	for _, request := range list.Requests {
		ids = append(ids, request.ID)
	}
	return ids
}

// must fails the test on a transport error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// send sends one request from an address of its own, so that no budget of one
// cell is missing to the next.
func (w *world) send(t *testing.T, method, address, body string, header ...string) assistant.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := w.Stranger(t)
	defer client.CloseIdleConnections()
	answer, err := assistant.Do(client, req)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
