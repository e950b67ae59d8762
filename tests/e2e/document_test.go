package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// claudeCode is the metadata document that Claude Code introduces itself with.
// The product brings a copy, so that no other server is asked here.
const claudeCode = "https://claude.ai/oauth/claude-code-client-metadata"

func TestAClientThatIntroducesItselfByItsDocumentWalksTheWholeWay(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	for _, flavour := range []string{"sdk1", "client2-legacy", "client2-modern"} {
		t.Run(flavour, func(t *testing.T) {
			w := node(t, g, []string{"DOCUMENT=" + claudeCode}, "walk.mjs", flavour)
			if w.ClientID != claudeCode {
				t.Errorf("the client used %q", w.ClientID)
			}
			if w.Apps != 3 || !w.Rotated || w.FirstWrite != "allowed" || w.RevokeStatus != 200 || w.AfterRevoke != "asked to sign in again" {
				t.Errorf("%+v", w)
			}
		})
	}
}

func TestADocumentThatNoProfileListsIsRefusedOnAPage(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := &assistant.Assistant{Issuer: g.Stack.Issuer, Resource: g.Stack.Resource, HTTP: g.Stack.Client(), Redirect: "https://evil.example/cb"}
	for name, id := range map[string]string{
		"an unknown document":         "https://evil.example/client.json",
		"this machine":                "https://127.0.0.1/client.json",
		"a listed document, altered":  claudeCode + "?x=1",
		"a listed document over http": strings.Replace(claudeCode, "https://", "http://", 1),
	} {
		t.Run(name, func(t *testing.T) {
			a.ClientID = id
			address, _ := a.AuthorizationURL("", nil)
			page, err := robot.New(g.Stack.Transport(), robot.Person{}).Get(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if page.Status != http.StatusBadRequest || page.Next != "" {
				t.Errorf("got %d, going on to %q", page.Status, page.Next)
			}
		})
	}
}

func TestADocumentAdmitsItsOwnRedirectAddressesOnly(t *testing.T) {
	g := gateway.Start(t, stack.Options{}, "")
	a := &assistant.Assistant{Issuer: g.Stack.Issuer, Resource: g.Stack.Resource, HTTP: g.Stack.Client(), ClientID: claudeCode}
	for redirect, want := range map[string]int{
		"http://localhost:58135/callback":           http.StatusOK,
		"http://127.0.0.1:9/callback":               http.StatusOK,
		"http://localhost:58135/other":              http.StatusBadRequest,
		"https://claude.ai/api/mcp/auth_callback":   http.StatusBadRequest,
		"http://localhost.evil.example:80/callback": http.StatusBadRequest,
	} {
		t.Run(redirect, func(t *testing.T) {
			a.Redirect = redirect
			address, _ := a.AuthorizationURL("", nil)
			page, err := robot.New(g.Stack.Transport(), robot.Person{}).Get(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if page.Status != want {
				t.Errorf("got %d, want %d", page.Status, want)
			}
		})
	}
}
