package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

const (
	issuer     = "https://auth.example.com"
	resource   = "https://api.example.com/mcp"
	claudeCode = "https://claude.ai/oauth/claude-code-client-metadata"
)

// memory is a key storage.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return value, nil
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
	return nil
}

func (*memory) Lock(context.Context, string) error   { return nil }
func (*memory) Unlock(context.Context, string) error { return nil }

// nobody is a directory in which nobody is found.
type nobody struct{}

func (nobody) Lookup(context.Context, string, authorize.Person) (authorize.Entry, error) {
	return authorize.Entry{}, authorize.ErrUnknownPerson
}

// offline is a world in which every fetch fails.
type offline struct{}

func (offline) Get(context.Context, string) (*safehttp.Answer, error) {
	return nil, errors.New("offline")
}

func newServer(t *testing.T, change func(*authz.Config)) (*authz.Server, store.Store) {
	t.Helper()
	ctx := t.Context()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	set, err := keys.Open(ctx, &memory{values: map[string][]byte{}}, clock.System, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(policy.Config{
		Domains: []policy.Domain{{Name: "acme.com", Enabled: true, Clients: []string{"claude-code"}, Everyone: true}},
		Resources: []policy.Resource{{
			URL: resource, Scopes: []policy.Scope{{Name: "appstore:read", Permissions: []string{"apps.view"}}}, InitialScopes: []string{"appstore:read"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	profiles, err := client.NewRegistryFor([]string{resource})
	if err != nil {
		t.Fatal(err)
	}
	limits, err := authz.NewLimits()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := people.NewMemory(100)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Close) // after the server, which uses it
	cfg := authz.Config{
		Issuer: issuer, Policy: p, Profiles: profiles, Directory: nobody{}, Audit: new(audittest.Memory),
		Store: s, Keys: set, Epochs: grant.NewEpochs(), Limits: limits, People: memory, DynamicRegistration: true, Documents: offline{},
	}
	if change != nil {
		change(&cfg)
	}
	server, err := authz.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server, s
}

func send(server http.Handler, method, path, body string) *http.Response {
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Result()
}

func TestEveryPathHasItsEndpoint(t *testing.T) {
	server, _ := newServer(t, nil)
	for path, want := range map[string]int{
		"/authorize": http.StatusBadRequest, "/signin": http.StatusBadRequest, "/callback/acme.com": http.StatusBadRequest, "/signout": http.StatusOK,
		"/token": http.StatusMethodNotAllowed, "/revoke": http.StatusMethodNotAllowed, "/register": http.StatusMethodNotAllowed,
		"/jwks.json": http.StatusOK, "/.well-known/oauth-authorization-server": http.StatusOK, "/.well-known/openid-configuration": http.StatusOK,
		"/.well-known/other": http.StatusNotFound, "/introspect": http.StatusNotFound, "/backchannel-logout/acme.com": http.StatusMethodNotAllowed,
	} {
		t.Run(path, func(t *testing.T) {
			resp := send(server, http.MethodGet, path, "")
			if resp.StatusCode == http.StatusNotFound && want != http.StatusNotFound {
				t.Fatal("there is nothing at this path")
			}
			if resp.StatusCode != want {
				t.Errorf("got %d, want %d", resp.StatusCode, want)
			}
		})
	}
}

func TestWhatIsTurnedOffIsNeitherAnsweredNorAdvertised(t *testing.T) {
	server, _ := newServer(t, func(c *authz.Config) { c.DynamicRegistration, c.Documents = false, nil })
	if resp := send(server, http.MethodPost, "/register", `{"redirect_uris":["http://localhost/callback"]}`); resp.StatusCode != http.StatusForbidden {
		t.Errorf("registration answered %d, want 403", resp.StatusCode)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		resp := send(server, method, "/introspect", "")
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("introspection by %s answered %d %q, want 404 in JSON", method, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	var metadata map[string]any
	if err := json.Unmarshal(server.Metadata().Bytes(), &metadata); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"registration_endpoint", "client_id_metadata_document_supported", "introspection_endpoint", "introspection_endpoint_auth_methods_supported"} {
		if value, there := metadata[member]; there {
			t.Errorf("%s is advertised as %v", member, value)
		}
	}
	if resp := send(server, http.MethodGet, "/authorize?client_id="+claudeCode, ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a document's client: %d, want 400", resp.StatusCode)
	}
}

func TestAClientOfADocumentBecomesARowWhenItIsFirstSeen(t *testing.T) {
	server, s := newServer(t, nil)
	const query = "&response_type=code&redirect_uri=http://localhost:5/callback&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if resp := send(server, http.MethodGet, "/authorize?client_id="+claudeCode+query, ""); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("got %d, want a redirect to the sign-in", resp.StatusCode)
	}
	row, err := s.Client(t.Context(), claudeCode)
	if err != nil || row.Kind != "document" || row.Profile != "claude-code" || row.AuthMethod != client.AuthNone || row.MetadataHash == (store.Hash{}) {
		t.Errorf("the row is %+v, %v", row, err)
	}
}

// told keeps what observers of a server are told.
type told struct {
	verified, registered []reason.Reason
	tokens               []token.Outcome
	signedIn             []reason.Reason
}

func (t *told) Verified(why reason.Reason) { t.verified = append(t.verified, why) }
func (*told) StoreRead()                   {}
func (*told) Reused(grant.Reuse)           {}

func (t *told) observers() authz.Observers {
	return authz.Observers{
		Grants:       t,
		Token:        func(o token.Outcome) { t.tokens = append(t.tokens, o) },
		Registration: func(why reason.Reason) { t.registered = append(t.registered, why) },
		SignIn:       func(why reason.Reason) { t.signedIn = append(t.signedIn, why) },
	}
}

func TestObserversAreToldByTheEndpointsThatTheyAreFor(t *testing.T) {
	seen := new(told)
	server, _ := newServer(t, func(c *authz.Config) { c.Observers = seen.observers() })
	off, _ := newServer(t, func(c *authz.Config) { c.Observers, c.DynamicRegistration = seen.observers(), false })
	send(server, http.MethodPost, "/register", `{"client_name":"Claude Code","redirect_uris":["http://localhost:1/callback"],"token_endpoint_auth_method":"none"}`)
	send(off, http.MethodPost, "/register", `{}`)
	send(server, http.MethodPost, "/token", `{}`)
	send(server, http.MethodGet, "/callback/acme.com?code=x&state=y", "")
	if _, err := server.Grants().Verify(t.Context(), "lma_x", resource); err == nil {
		t.Error("a made-up token is good")
	}
	want := told{
		verified:   []reason.Reason{reason.GrantUnknown},
		registered: []reason.Reason{reason.None, reason.ClientNotAllowed},
		tokens:     []token.Outcome{{GrantType: token.OtherGrant, Result: token.Refused, Reason: reason.ClientBadRequest}},
		signedIn:   []reason.Reason{reason.UserSignInFailed},
	}
	if diff := cmp.Diff(want, *seen, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
