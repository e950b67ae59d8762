package profiles_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/robot"
)

// TestEveryAssistantConnectsAtTheFirstTry has each known product connect as it
// does: discovery, registration or document, sign-in, consent, token, one tool
// call, refresh. Before that, those whose addresses only an operator can know
// are refused, with the line that would admit them.
func TestEveryAssistantConnectsAtTheFirstTry(t *testing.T) {
	w := start(t)
	for _, s := range w.shapes {
		if s.needs != "" {
			t.Run(s.title()+" is refused until an operator admits its address", func(t *testing.T) { w.refusedAtFirst(t, s) })
		}
	}
	if err := w.Reload(caddyfile(t, operator)); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.shapes {
		t.Run(s.title(), func(t *testing.T) { w.connects(t, s) })
	}
	if err := w.Reload(caddyfile(t, operatorAdmitsCursorScheme)); err != nil {
		t.Fatal(err)
	}
	const scheme = "cursor://anysphere.cursor-mcp/oauth/callback"
	old := shape{profile: "cursor", name: "an old version, whose one scheme an operator admits", body: named("Cursor", none, scheme), redirects: []string{scheme}, scope: all}
	t.Run(old.title(), func(t *testing.T) { w.connects(t, old) })
}

// refusedAtFirst wants the answer that an operator can act upon.
func (w *world) refusedAtFirst(t *testing.T, s shape) {
	refusal(t, w.register(t, s.body), "invalid_redirect_uri", s.redirects[0], s.needs)
}

// connects walks the whole way with each of the shape's addresses.
func (w *world) connects(t *testing.T, s shape) {
	found := w.discover(t, s)
	a := w.introduce(t, s, found)
	browser := w.member()
	for _, redirect := range s.redirects {
		a.Redirect = redirect
		approval := w.approve(t, s, a, browser)
		tokens := w.redeem(t, a, approval)
		w.calls(t, a, tokens.AccessToken)
		w.refreshes(t, s, a, tokens)
	}
}

// metadata is what assistants read of the authorization server (RFC 8414).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	Documents             bool     `json:"client_id_metadata_document_supported"`
	Iss                   bool     `json:"authorization_response_iss_parameter_supported"`
	Challenges            []string `json:"code_challenge_methods_supported"`
	Methods               []string `json:"token_endpoint_auth_methods_supported"`
	Grants                []string `json:"grant_types_supported"`
	Responses             []string `json:"response_types_supported"`
}

// discover goes the way of a client that knows nothing but the address of the
// MCP endpoint (RFC 9728 §5): the challenge leads to the resource, the resource
// to its authorization server.
func (w *world) discover(t *testing.T, s shape) metadata {
	t.Helper()
	c := w.client()
	challenged := w.send(t, c, http.MethodPost, w.resource, `{"jsonrpc":"2.0","id":1,"method":"initialize"}`, "Content-Type", "application/json")
	_, rest, ok := strings.Cut(challenged.Header.Get("WWW-Authenticate"), `resource_metadata="`)
	address, _, _ := strings.Cut(rest, `"`)
	if challenged.Status != http.StatusUnauthorized || !ok || !sameOrigin(address, w.resource) {
		t.Fatalf("the first contact: %d %v", challenged.Status, challenged.Header)
	}
	var resource struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	w.read(t, address, &resource)
	if resource.Resource != w.resource || !slices.Equal(resource.Servers, []string{w.issuer}) || strings.Join(resource.Scopes, " ") != all {
		t.Fatalf("the resource's metadata: %+v", resource)
	}
	path := "/.well-known/oauth-authorization-server"
	if s.openID {
		path = "/.well-known/openid-configuration"
	}
	var m metadata
	w.read(t, resource.Servers[0]+path, &m)
	if m.Issuer != w.issuer || !m.Iss || !m.Documents || !slices.Contains(m.Challenges, "S256") || !slices.Contains(m.Responses, "code") ||
		!slices.Contains(m.Grants, "refresh_token") || !slices.Contains(m.Methods, none) {
		t.Fatalf("the server's metadata: %+v", m)
	}
	return m
}

func (w *world) read(t *testing.T, address string, into any) {
	t.Helper()
	answer := w.send(t, w.client(), http.MethodGet, address, "")
	if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %q", address, answer.Status, answer.Header.Get("Content-Type"))
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}

func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && x.Host == y.Host
}

// introduce registers, or takes the address of a document as client id.
func (w *world) introduce(t *testing.T, s shape, m metadata) *assistant.Assistant {
	t.Helper()
	if s.document != "" {
		return &assistant.Assistant{Issuer: w.issuer, Resource: w.resource, HTTP: w.client(), ClientID: s.document, OmitResource: s.omitResource}
	}
	if m.RegistrationEndpoint != w.issuer+"/register" || m.AuthorizationEndpoint != w.issuer+"/authorize" || m.TokenEndpoint != w.issuer+"/token" {
		t.Fatalf("the endpoints: %+v", m)
	}
	a, r, err := assistant.RegisterAs(t.Context(), w.Stranger(t), w.issuer, w.resource, s.body)
	if err != nil {
		t.Fatal(err)
	}
	a.HTTP, a.OmitResource = w.client(), s.omitResource
	var sent assistant.Registration
	if err := json.Unmarshal([]byte(s.body), &sent); err != nil {
		t.Fatal(err)
	}
	want := s.registered
	if want == nil {
		want = sent.RedirectURIs
	}
	if !slices.Equal(r.RedirectURIs, want) {
		t.Errorf("registered with %q, want %q", r.RedirectURIs, want)
	}
	if r.AuthMethod != sent.AuthMethod || !slices.Equal(r.GrantTypes, []string{"authorization_code", "refresh_token"}) || !slices.Equal(r.Responses, []string{"code"}) || r.IssuedAt == 0 {
		t.Errorf("registered as %+v", r)
	}
	if confidential := sent.AuthMethod != none; confidential != (len(r.Secret) >= 40) || confidential != (r.SecretEnds != nil && *r.SecretEnds == 0) {
		t.Errorf("the secret does not go with the method %s: %d bytes", r.AuthMethod, len(r.Secret))
	}
	// The name tells by which profile it was recognised: that of another one would
	// be marked.
	if name := w.profileName(t, s); r.Name != name {
		t.Errorf("registered under the name %q, want %q", r.Name, name)
	}
	return a
}

// profileName is what people are shown for a shape.
func (w *world) profileName(t *testing.T, s shape) string {
	t.Helper()
	id := s.profile
	if s.via != "" {
		id = s.via
	}
	p, ok := registry(t).Profile(id)
	if !ok {
		t.Fatalf("no profile %q", id)
	}
	return p.Name
}

// approve signs a person in and has them consent. They are shown whom they let
// in and where they are sent.
func (w *world) approve(t *testing.T, s shape, a *assistant.Assistant, browser *robot.Robot) assistant.Approval {
	t.Helper()
	var consent *robot.Page
	browser.OnPage = func(p *robot.Page) {
		if p.URL.Path == "/consent" && len(p.Forms) > 0 {
			consent = p
		}
	}
	address, verifier := a.AuthorizationURL(s.scope, s.query)
	callback := must(t, func(ctx context.Context) (*url.URL, error) { return browser.Authorize(ctx, address) })
	switch {
	case consent == nil:
		t.Error("nobody was asked")
	case !consent.Says(w.profileName(t, s)) || !consent.Says(a.Redirect) || consent.Says("(unverified)"):
		t.Errorf("the consent page does not name assistant and address as they are: %s", consent.Text())
	case consent.Says("An app on this computer") != strings.HasPrefix(a.Redirect, "http://"):
		t.Errorf("the consent page does not say whether the address is on this computer: %s", consent.Text())
	}
	q, sent := callback.Query(), must(t, func(context.Context) (*url.URL, error) { return url.Parse(address) }).Query()
	bare := *callback
	bare.RawQuery = ""
	if bare.String() != a.Redirect || q.Get("state") != sent.Get("state") || q.Get("iss") != w.issuer || q.Get("code") == "" {
		t.Fatalf("the person was sent to %s, want %s with code, state and iss", callback, a.Redirect)
	}
	return assistant.Approval{Code: q.Get("code"), Verifier: verifier, Callback: callback}
}

// redeem exchanges the code. A confidential client must authenticate, and by
// its own method; failing to costs it nothing.
func (w *world) redeem(t *testing.T, a *assistant.Assistant, approval assistant.Approval) assistant.Tokens {
	t.Helper()
	for what, impostor := range impostors(a) {
		answer := must(t, func(ctx context.Context) (assistant.Answer, error) { return impostor.Redeem(ctx, approval) })
		if answer.Status != http.StatusUnauthorized || answer.Error() != "invalid_client" {
			t.Errorf("%s redeems: %d %s", what, answer.Status, answer.Body)
		}
	}
	return w.tokens(t, must(t, func(ctx context.Context) (assistant.Answer, error) { return a.Redeem(ctx, approval) }))
}

// impostors know the client's id, and the code.
func impostors(a *assistant.Assistant) map[string]assistant.Assistant {
	as := func(method, secret string) assistant.Assistant {
		b := *a
		b.AuthMethod, b.Secret = method, secret
		return b
	}
	switch a.AuthMethod {
	case post:
		return map[string]assistant.Assistant{"a wrong secret": as(post, a.Secret+"x"), "no secret": as("", ""), "the other method": as(basic, a.Secret)}
	case basic:
		return map[string]assistant.Assistant{"a wrong secret": as(basic, a.Secret+"x"), "no secret": as("", ""), "the other method": as(post, a.Secret)}
	}
	return map[string]assistant.Assistant{"a made-up secret": as(post, "made-up"), "a made-up secret in the header": as(basic, "made-up")}
}

// tokens reads a token answer (OAuth 2.1 §3.2.3).
func (w *world) tokens(t *testing.T, answer assistant.Answer) assistant.Tokens {
	t.Helper()
	tokens := answer.Tokens()
	if answer.Status != http.StatusOK || tokens.TokenType != "Bearer" || tokens.ExpiresIn <= 0 || tokens.AccessToken == "" || tokens.RefreshToken == "" || tokens.Scope != all {
		t.Fatalf("the token endpoint answered %d %s", answer.Status, answer.Body)
	}
	if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("its headers: %v", answer.Header)
	}
	return tokens
}

func (w *world) calls(t *testing.T, a *assistant.Assistant, token string) {
	t.Helper()
	r := must(t, func(ctx context.Context) (assistant.CallResult, error) {
		return a.Call(ctx, token, "search_apps", `{}`)
	})
	if r.Status != http.StatusOK || r.Result.IsError || len(r.Result.StructuredContent) == 0 {
		t.Errorf("the tool call: %d %s", r.Status, r.Body)
	}
}

// refreshes rotates once. The old access token works on to its end.
func (w *world) refreshes(t *testing.T, s shape, a *assistant.Assistant, tokens assistant.Tokens) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {a.ClientID}}
	for name, values := range s.refresh {
		if name == "resource" {
			values = []string{w.resource}
		}
		form[name] = values
	}
	for what, impostor := range impostors(a) {
		answer := must(t, func(ctx context.Context) (assistant.Answer, error) { return impostor.Refresh(ctx, tokens.RefreshToken) })
		if answer.Status != http.StatusUnauthorized || answer.Error() != "invalid_client" {
			t.Errorf("%s refreshes: %d %s", what, answer.Status, answer.Body)
		}
	}
	next := w.tokens(t, must(t, func(ctx context.Context) (assistant.Answer, error) { return a.Token(ctx, form) }))
	if next.RefreshToken == tokens.RefreshToken || next.AccessToken == tokens.AccessToken {
		t.Error("the refresh did not rotate")
	}
	w.calls(t, a, next.AccessToken)
	w.calls(t, a, tokens.AccessToken)
}
