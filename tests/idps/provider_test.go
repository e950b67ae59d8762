package idps_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/testport"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// person is somebody whom the provider knows.
type person struct {
	Sub      string         `json:"sub"`
	Login    string         `json:"login"`
	Password string         `json:"password"`
	Claims   map[string]any `json:"claims"`
}

func personOf(sub, email string, claims map[string]any) person {
	all := map[string]any{"sub": sub, "email": email, "email_verified": true, "name": sub}
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return person{Sub: sub, Login: sub + "@demo.example", Password: "secret-of-" + sub, Claims: all}
}

// provider is the running process.
type provider struct {
	issuer string

	mu     sync.Mutex
	events []map[string]any
}

// named are the events of that name.
func (p *provider) named(name string) []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []map[string]any
	for _, e := range p.events {
		if e["event"] == name {
			found = append(found, e)
		}
	}
	return found
}

const secret = "the-secret-at-the-other-provider"

// startProvider runs it until the test ends.
func startProvider(t *testing.T, redirect string, people ...person) *provider {
	t.Helper()
	folder := filepath.Join(gateway.Root(), "tests", "idps", "provider")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal("the provider is not installed: ./tests/run does it, or run npm ci in tests/idps/provider")
	}
	raw, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", filepath.Join(folder, "provider.mjs"))
	cmd.Env = append(os.Environ(), "CLIENT_ID=mcp-edge", "CLIENT_SECRET="+secret, "REDIRECT_URI="+redirect, "PEOPLE="+string(raw))
	var errs strings.Builder
	cmd.Stderr = &errs
	input, err := cmd.StdinPipe() // its end is that of the provider
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &provider{}
	read := make(chan struct{})
	started := make(chan string, 1)
	go func() {
		defer close(read)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			var e map[string]any
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				continue
			}
			if issuer, ok := e["issuer"].(string); ok {
				started <- issuer
				continue
			}
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = input.Close()
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		<-read
		_ = cmd.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("the provider said: %v\n%s", p.events, errs.String())
		}
	})
	select {
	case p.issuer = <-started:
	case <-read:
		t.Fatalf("the provider did not start: %s", errs.String())
	case <-time.After(time.Minute):
		t.Fatal("the provider did not start within a minute")
	}
	return p
}

// start runs a gateway whose people sign in there.
func start(t *testing.T, people ...person) (*gateway.Gateway, *provider) {
	t.Helper()
	port, err := testport.Free("localhost")
	if err != nil {
		t.Fatal(err)
	}
	auth := net.JoinHostPort("localhost", port)
	p := startProvider(t, "https://"+auth+"/callback/"+stack.Domain, people...)
	path := gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"),
		"idp oidc {$MCP_EDGE_IDP:http://localhost:8445} {", "idp oidc "+p.issuer+" {",
		"client_secret {env.MCP_EDGE_IDP_SECRET}", "client_secret {env.OTHER_SECRET}\n\t\t\t\tscopes openid email profile groups",
	)
	return gateway.Start(t, stack.Options{AuthAddr: auth}, path, "OTHER_SECRET="+secret), p
}

func browserOf(g *gateway.Gateway, sub string) *robot.Robot {
	return robot.New(g.Stack.Transport(), robot.Person{Email: sub + "@demo.example", Password: "secret-of-" + sub})
}

func TestPeopleSignInAtAProviderThatNobodyHereWrote(t *testing.T) {
	g, p := start(t,
		personOf("mia", "mia@demo.example", map[string]any{"groups": []string{"staff"}}),
		personOf("gus", "gus@demo.example", map[string]any{"groups": []string{"visitors"}}),
		personOf("amir", "amir@demo.example", map[string]any{"groups": []string{"staff"}, "email_verified": false}),
		personOf("eve", "eve@evil.example", map[string]any{"groups": []string{"staff"}}),
		personOf("zoe", "", map[string]any{"email": nil, "groups": []string{"staff"}}),
	)
	a, err := assistant.Register(t.Context(), g.Stack.Client(), g.Stack.Issuer, g.Stack.Resource)
	if err != nil {
		t.Fatal(err)
	}
	search := func(sub string) assistant.CallResult {
		t.Helper()
		tokens, err := a.Connect(t.Context(), browserOf(g, sub), "")
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	t.Run("with PKCE, a nonce and their groups", func(t *testing.T) {
		if r := search("mia"); r.Status != 200 || r.Result.IsError {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		asked, redeemed := p.named("authorization"), p.named("redeemed")
		if len(asked) == 0 || len(redeemed) != 1 {
			t.Fatalf("%v", p.events)
		}
		verifier, _ := redeemed[0]["verifier"].(string)
		sum := sha256.Sum256([]byte(verifier))
		last := asked[len(asked)-1]
		nonce, _ := last["nonce"].(string)
		if last["method"] != "S256" || last["challenge"] != base64.RawURLEncoding.EncodeToString(sum[:]) || len(verifier) < 43 || len(nonce) < 22 {
			t.Errorf("asked %v, redeemed %v", last, redeemed[0])
		}
		if last["scope"] != "openid email profile groups" || last["resource"] != nil {
			t.Errorf("asked %v", last)
		}
		if calls := g.Stack.Backend.Requests(); calls[len(calls)-1].PersonEmail != "mia@demo.example" {
			t.Errorf("it ran as %s", calls[len(calls)-1].PersonEmail)
		}
	})
	t.Run("with other groups they have no role", func(t *testing.T) {
		if r := search("gus"); r.Status != 200 || !r.Result.IsError {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
	for name, refused := range map[string]struct{ sub, reason string }{
		"an address that is not verified":  {"amir", "user/email_unverified"},
		"an address of another domain":     {"eve", "user/email_wrong_domain"},
		"a person whose address is hidden": {"zoe", "user/email_missing"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			browser := browserOf(g, refused.sub)
			var last *robot.Page
			browser.OnPage = func(p *robot.Page) { last = p }
			_, err := a.Connect(t.Context(), browser, "")
			if err == nil || last == nil || last.Status != 403 || !strings.Contains(last.Body, refused.reason) {
				t.Errorf("%v, %+v", err, last)
			}
		})
	}
	t.Run("what the command says about them is what their calls met", func(t *testing.T) {
		for user, want := range map[string]string{"mia@demo.example": "ALLOWED", "gus@demo.example": "role/no_permission", "zoe@demo.example": "user/unknown"} {
			out, err := g.Command("explain", "--user", user, "--client", "mcp-inspector", "--tool", "search_apps", "--address", g.AdminAddress())
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v\n%s", user, err, out)
			}
		}
	})
	if faults := append(p.named("fault"), p.named("refused")...); len(faults) > 0 {
		t.Errorf("the provider complained: %v", faults)
	}
}
