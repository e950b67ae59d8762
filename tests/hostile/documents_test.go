package hostile_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// listener counts who connects to a port of the loopback.
func listener(t *testing.T) (port string, connections *atomic.Int32) {
	t.Helper()
	l := must(t, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	connections = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, connections
}

// TestAClientIDIsNoAddressToFetch: a client id that is a URL must not make the
// gateway talk to whom a stranger names (server-side request forgery,
// CVE-2026-45609; client id metadata documents draft, security considerations).
// All such ids are answered alike, by a page, and at once.
func TestAClientIDIsNoAddressToFetch(t *testing.T) {
	w := start(t)
	a := w.register(t)
	port, connections := listener(t)
	before := len(w.Stack.Backend.Calls())
	pages := map[string]string{}
	for name, id := range map[string]string{
		"a port of this computer":                  "https://127.0.0.1:" + port + "/client.json",
		"a port of this computer, by name":         "https://localhost:" + port + "/client.json",
		"the loopback":                             "https://127.0.0.1/client.json",
		"the loopback, in one number":              "https://2130706433/client.json",
		"the loopback, in octal":                   "https://0177.0.0.1/client.json",
		"the loopback, in IPv6":                    "https://[::1]/client.json",
		"the unspecified address":                  "https://0/client.json",
		"a private address inside of IPv6":         "https://[::ffff:10.0.0.1]/client.json",
		"the metadata address of clouds":           "https://169.254.169.254/latest/meta-data/",
		"the metadata address, inside of IPv6":     "https://[::ffff:169.254.169.254]/",
		"the metadata address, by NAT64":           "https://[64:ff9b::a9fe:a9fe]/client.json",
		"the metadata address, by 6to4":            "https://[2002:a9fe:a9fe::]/client.json",
		"an address of a carrier":                  "https://100.64.0.1/client.json",
		"a private network":                        "https://192.168.0.1/client.json",
		"the gateway itself":                       w.issuer + "/.well-known/oauth-authorization-server",
		"the resource itself":                      w.resource,
		"a port that is not for the web":           "https://" + evil + ":22/client.json",
		"user information":                         "https://claude.ai@127.0.0.1:" + port + "/oauth/claude-code-client-metadata",
		"a known document with user information":   "https://u@claude.ai/oauth/claude-code-client-metadata",
		"a known document at another port":         "https://claude.ai:444/oauth/claude-code-client-metadata",
		"a known document with a fragment":         "https://claude.ai/oauth/claude-code-client-metadata#x",
		"a known document with a query":            "https://claude.ai/oauth/claude-code-client-metadata?x",
		"a known document with a path that climbs": "https://claude.ai/oauth/../oauth/claude-code-client-metadata",
		"no path":                "https://" + evil,
		"only a slash":           "https://" + evil + "/",
		"http":                   "http://127.0.0.1:" + port + "/client.json",
		"a file":                 "file:///etc/passwd",
		"gopher":                 "gopher://127.0.0.1:" + port + "/_x",
		"a name that nobody has": "https://no-such-host.invalid/client.json",
		"a URL of 5,000 bytes":   "https://" + evil + "/" + strings.Repeat("a", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, url.Values{"client_id": {id}, "redirect_uri": {"https://" + evil + "/cb"}})
			begin := time.Now()
			answer := w.send(t, http.MethodGet, address, "")
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			localPage(t, answer, http.StatusBadRequest)
			noNetwork(t, answer)
			if !strings.HasPrefix(id, "https://claude.ai") {
				pages[name] = withoutNumbers(answer, id)
			}
		})
		for _, path := range []string{"/token", "/revoke"} {
			refused(t, w.post(t, path, form("client_id", id, "token", "x", "grant_type", "refresh_token", "refresh_token", "x")), http.StatusUnauthorized, "invalid_client")
		}
	}
	distinct := map[string]string{}
	for name, page := range pages {
		distinct[page] = name
	}
	if len(distinct) > 2 { // with a well-formed id shown, or without
		t.Errorf("the pages tell %d kinds of ids apart: %v", len(distinct), distinct)
	}
	if n := connections.Load(); n != 0 || len(w.Stack.Backend.Calls()) != before {
		t.Errorf("the gateway connected %d times to this computer", n)
	}
}

// withoutNumbers is a page without what is new in each: the id that was sent and
// the number of the request.
func withoutNumbers(a assistant.Answer, id string) string {
	text := strings.ReplaceAll(string(a.Body), id, "")
	before, _, _ := strings.Cut(text, `<footer class="foot">`)
	return before
}

const claudeCodeDocument = "https://claude.ai/oauth/claude-code-client-metadata"

// TestMetadataDocuments is about clients whose id is the address of a document
// that describes them (OAuth Client ID Metadata Document, draft -01).
func TestMetadataDocuments(t *testing.T) {
	port, connections := listener(t)
	// An operator may list what they like; what is not public is not fetched.
	listed := []string{
		"https://127.0.0.1:" + port + "/client.json", "https://localhost:" + port + "/client.json", "https://[::1]:" + port + "/client.json",
		"https://127.0.0.1/client.json", "https://[::ffff:10.0.0.1]/client.json", "https://169.254.169.254/client.json", "https://[64:ff9b::a9fe:a9fe]/client.json",
		"https://100.64.0.1/client.json", "https://no-such-host.invalid/client.json",
	}
	w := start(t,
		"\t\t# One block for each customer", "\t\tclient listed {\n\t\t\tname Listed\n\t\t\tmetadata_document "+strings.Join(listed, " ")+"\n\t\t}\n\n\t\t# One block for each customer",
		"clients claude claude-code", "clients listed claude claude-code",
	)
	a := &assistant.Assistant{Issuer: w.issuer, Resource: w.resource, HTTP: w.client(), ClientID: claudeCodeDocument, Redirect: "http://localhost:31337/callback"}
	for _, id := range listed {
		t.Run("listed, but not public: "+id, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, url.Values{"client_id": {id}, "redirect_uri": {"http://localhost:1/callback"}})
			begin := time.Now()
			answer := w.send(t, http.MethodGet, address, "")
			if took := time.Since(begin); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			localPage(t, answer, http.StatusBadRequest)
			noNetwork(t, answer)
		})
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("the gateway connected %d times to this computer", n)
	}
	for _, redirect := range []string{
		"https://" + evil + "/callback", "http://" + evil + "/callback", "http://localhost." + evil + "/callback", "http://localhost:1@" + evil + "/callback", "http://127.0.0.2:1/callback",
		"http://[::1]:1/callback", "http://localhost:1/other", "http://localhost:1/callback/", "claude://claude.ai/mcp-auth-callback/sdk", "https://claude.ai/api/mcp/auth_callback",
	} {
		t.Run("a redirect that the document does not have: "+redirect, func(t *testing.T) {
			address, _ := a.AuthorizationURL(readScope, url.Values{"redirect_uri": {redirect}})
			localPage(t, w.send(t, http.MethodGet, address, ""), http.StatusBadRequest)
		})
	}
	// Consent phishing: the genuine id, with the attacker's own listener.
	t.Run("an app on this computer is asked for each time, and not vouched for", func(t *testing.T) {
		browser := w.person("member")
		for range 2 {
			address, _ := a.AuthorizationURL(readScope, nil)
			page := consentPage(t, browser, address)
			if !says(page, a.Redirect) || !says(page, "An app on this computer") || !says(page, "Any program on it could pose as") {
				t.Errorf("the page does not warn: %s", page.Text())
			}
			if codeOf(t, submit(t, browser, choices(t, page), "decision", "approve")) == "" {
				t.Error("the honest client gets no code")
			}
		}
	})
	t.Run("a document's client has no secret", func(t *testing.T) {
		p := w.approve(t, a)
		refused(t, w.post(t, "/token", redemption(a, p, "client_secret", "guessed")), http.StatusUnauthorized, "invalid_client")
		if answer := w.post(t, "/token", redemption(a, p)); answer.Status != http.StatusOK {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	})
}

// noNetwork wants no word about what was found on the way.
func noNetwork(t testing.TB, a assistant.Answer) {
	t.Helper()
	for _, detail := range []string{"dial", "connection refused", "no such host", "lookup", "i/o timeout", "x509", "tls:", "prohibited", "not public"} {
		if strings.Contains(string(a.Body), detail) {
			t.Errorf("the page speaks of the network (%q): %s", detail, a.Body)
		}
	}
}
