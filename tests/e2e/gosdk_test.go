package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

var errPersonAway = errors.New("nobody is there to sign in")

// goClient is the official Go SDK's client with its own OAuth handler. The test
// keeps a hand on the tokens, to make one look expired and to revoke it.
type goClient struct {
	mu       sync.Mutex
	config   *oauth2.Config
	token    *oauth2.Token
	clientID string
	asked    int
	away     bool
}

func (c *goClient) handler(t *testing.T, g *gateway.Gateway) auth.OAuthHandler {
	t.Helper()
	redirect := "http://localhost:33446/oauth/callback"
	h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "MCP Inspector", RedirectURIs: []string{redirect}, TokenEndpointAuthMethod: "none",
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		}},
		RedirectURL: redirect,
		Client:      g.Stack.Client(),
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			c.mu.Lock()
			c.asked++
			away := c.away
			c.mu.Unlock()
			if away {
				return nil, errPersonAway
			}
			callback, err := newRobot(g.Stack, "member").Authorize(ctx, args.URL)
			if err != nil {
				return nil, err
			}
			q := callback.Query()
			return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
		},
		NewTokenSource: func(_ context.Context, cfg *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.config, c.token, c.clientID = cfg, token, cfg.ClientID
			return tokenSource{c, g}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// tokenSource refreshes through golang.org/x/oauth2 when the token is expired.
type tokenSource struct {
	c *goClient
	g *gateway.Gateway
}

func (s tokenSource) Token() (*oauth2.Token, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, s.g.Stack.Client())
	token, err := s.c.config.TokenSource(ctx, s.c.token).Token()
	if err == nil {
		s.c.token = token
	}
	return token, err
}

func TestTheGoSDKWalksTheWholeWay(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			ctx := t.Context()
			c := &goClient{}
			client := sdk.NewClient(&sdk.Implementation{Name: "e2e-go", Version: "1"}, nil)
			session, err := client.Connect(ctx, &sdk.StreamableClientTransport{
				Endpoint: g.Stack.Resource, HTTPClient: g.Stack.Client(), OAuthHandler: c.handler(t, g), MaxRetries: -1, DisableStandaloneSSE: true,
			}, &sdk.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("agreed on %s", got)
			}
			listed, err := session.ListTools(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range appstoreTools {
				if !slices.ContainsFunc(listed.Tools, func(tool *sdk.Tool) bool { return tool.Name == name }) {
					t.Errorf("tools/list lacks %s", name)
				}
			}
			search := func() (int, error) { return searchApps(ctx, session, 2) }
			if apps, err := search(); err != nil || apps != 2 {
				t.Errorf("search_apps: %d apps, %v", apps, err)
			}

			callAllSeven(t, func(tool string, arguments map[string]any) (json.RawMessage, error) {
				result, err := session.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: arguments})
				if err != nil || result.IsError {
					return nil, errors.Join(err, errors.New("the tool answered no result"))
				}
				return json.Marshal(result.StructuredContent)
			})

			c.mu.Lock()
			before := *c.token
			c.token.Expiry = time.Now().Add(-time.Hour)
			c.mu.Unlock()
			if apps, err := search(); err != nil || apps != 2 {
				t.Errorf("after the refresh: %d apps, %v", apps, err)
			}
			c.mu.Lock()
			after, asked := *c.token, c.asked
			c.away = true
			c.mu.Unlock()
			if after.RefreshToken == before.RefreshToken || after.AccessToken == before.AccessToken || asked != 1 {
				t.Errorf("the refresh changed nothing, or a person was asked %d times", asked)
			}

			resp, err := g.Stack.Client().PostForm(g.Stack.Issuer+"/revoke", url.Values{"token": {after.RefreshToken}, "client_id": {c.clientID}})
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("revoke: %v, %v", resp, err)
			}
			_ = resp.Body.Close()
			if _, err := search(); err == nil || !strings.Contains(err.Error(), errPersonAway.Error()) {
				t.Errorf("after the revocation: %v", err)
			}
		})
	}
}

// searchApps calls the tool and counts what it found.
func searchApps(ctx context.Context, session *sdk.ClientSession, size int) (int, error) {
	result, err := session.CallTool(ctx, &sdk.CallToolParams{Name: "search_apps", Arguments: map[string]any{"page_size": size}})
	if err != nil {
		return 0, err
	}
	if result.IsError {
		return 0, errors.New("the tool answered an error")
	}
	raw, err := json.Marshal(result.StructuredContent)
	if err != nil {
		return 0, err
	}
	var found struct{ Apps []json.RawMessage }
	err = json.Unmarshal(raw, &found)
	return len(found.Apps), err
}
