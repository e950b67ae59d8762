// Package e2e_test drives the real binary over TLS, with a private CA, by
// clients that nobody here wrote.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

const bothScopes = "appstore:read appstore:request"

// walk is what clients/walk.mjs and clients/remote.mjs report.
type walk struct {
	ClientID            string
	UnauthorizedFirst   bool
	ProtocolVersion     string
	Iss                 string
	Scope               string
	Tools               []string
	SearchIsError       bool
	Apps                int
	Refreshed           string
	Rotated             bool
	AfterRefreshIsError bool
	FirstWrite          string
	Write               json.RawMessage
	ScopeAfterWrite     string
	Seven               map[string]any // by clients/seven.mjs
	RevokeStatus        int
	AfterRevoke         string

	Authorizations             int
	AuthorizationsBeforeRevoke int
	AccessRevoked              int
	AfterRefresh               int
}

// node runs one of the client scripts to its end.
func node(t *testing.T, g *gateway.Gateway, env []string, script string, args ...string) walk {
	t.Helper()
	clients := filepath.Join(gateway.Root(), "tests", "e2e", "clients")
	if _, err := os.Stat(filepath.Join(clients, "node_modules")); err != nil {
		t.Fatal("the clients are not installed: ./tests/run does it, or run npm ci in tests/e2e/clients")
	}
	address, stop, err := robot.Serve(func(role string) *robot.Robot { return newRobot(g.Stack, role) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(clients, script)}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+g.Stack.CAFile, "MCP_URL="+g.Stack.Resource, "ISSUER="+g.Stack.Issuer, "ROBOT="+address, "PERSON=member")
	cmd.Env = append(cmd.Env, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.String(), errs.String())
	}
	var w walk
	if err := json.Unmarshal(out.Bytes(), &w); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	return w
}

func newRobot(s *stack.Stack, role string) *robot.Robot {
	u := s.User(role)
	return robot.New(s.Transport(), robot.Person{Email: u.Email, Password: u.Password})
}

func TestTypeScriptSDKsWalkTheWholeWay(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	for flavour, version := range map[string]string{"sdk1": "2025-11-25", "client2-legacy": "2025-11-25", "client2-modern": "2026-07-28"} {
		t.Run(flavour, func(t *testing.T) {
			w := node(t, g, nil, "walk.mjs", flavour)
			if !w.UnauthorizedFirst {
				t.Error("the first contact was not answered by a challenge")
			}
			if w.ProtocolVersion != version {
				t.Errorf("protocol version %q, want %q", w.ProtocolVersion, version)
			}
			if w.Iss != g.Stack.Issuer {
				t.Errorf("iss = %q", w.Iss)
			}
			if w.Scope != bothScopes {
				t.Errorf("the first consent gave %q", w.Scope)
			}
			for _, tool := range appstoreTools {
				if !slices.Contains(w.Tools, tool) {
					t.Errorf("tools/list lacks %s", tool)
				}
			}
			if w.SearchIsError || w.Apps != 3 {
				t.Errorf("search_apps: error %v, %d apps", w.SearchIsError, w.Apps)
			}
			if w.Refreshed != "AUTHORIZED" || !w.Rotated || w.AfterRefreshIsError {
				t.Errorf("refresh: %q, rotated %v, call after it failed: %v", w.Refreshed, w.Rotated, w.AfterRefreshIsError)
			}
			if w.FirstWrite != "allowed" || len(w.Write) == 0 {
				t.Errorf("write: %q, %s", w.FirstWrite, w.Write)
			}
			calledAllSeven(t, w.Seven)
			if w.RevokeStatus != 200 || w.AfterRevoke != "asked to sign in again" {
				t.Errorf("revoke answered %d, then: %s", w.RevokeStatus, w.AfterRevoke)
			}
		})
	}
}

// TestClientsStepUpWhereTheFirstConsentIsNarrow has the operator ask for little
// at first. Version 1 of the TypeScript SDK cannot do this while it holds a
// refresh token: it refreshes instead of asking for more, which is why the
// default asks for all scopes of a toolset at once.
func TestClientsStepUpWhereTheFirstConsentIsNarrow(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), "\t\ttoolset appstore\n", "\t\ttoolset appstore\n\t\tinitial_scopes appstore:read\n"))
	for _, flavour := range []string{"client2-legacy", "client2-modern"} {
		t.Run(flavour, func(t *testing.T) {
			w := node(t, g, nil, "walk.mjs", flavour)
			if w.Scope != "appstore:read" || w.FirstWrite != "refused" || len(w.Write) == 0 || w.ScopeAfterWrite != bothScopes {
				t.Errorf("first consent %q, first write %q, then %s with %q", w.Scope, w.FirstWrite, w.Write, w.ScopeAfterWrite)
			}
		})
	}
}

func TestMCPRemoteWalksTheWholeWay(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	w := node(t, g, []string{"MCP_REMOTE_CONFIG_DIR=" + t.TempDir(), "PORT=" + freePort(t)}, "remote.mjs")
	if w.ProtocolVersion != "2025-11-25" || w.Apps != 2 {
		t.Errorf("protocol %q, %d apps", w.ProtocolVersion, w.Apps)
	}
	for _, tool := range appstoreTools {
		if !slices.Contains(w.Tools, tool) {
			t.Errorf("tools/list lacks %s", tool)
		}
	}
	calledAllSeven(t, w.Seven)
	if w.AccessRevoked != 200 || w.AfterRefresh != 1 || !w.Rotated || w.AuthorizationsBeforeRevoke != 1 {
		t.Errorf("refresh: access token revoked %d, %d apps, rotated %v, %d sign-ins", w.AccessRevoked, w.AfterRefresh, w.Rotated, w.AuthorizationsBeforeRevoke)
	}
	if w.RevokeStatus != 200 || w.AfterRevoke == "allowed" {
		t.Errorf("revoke answered %d, then: %s", w.RevokeStatus, w.AfterRevoke)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := testport.Free("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return port
}
