package hostile_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// TestIdentityAndRouting is about who a request says it is from, and where it
// says it goes.
func TestIdentityAndRouting(t *testing.T) {
	start(t).run(t,
		part{"headers cannot speak for a person [P3 H15 H20 E52]", forgedIdentity},
		part{"headers of the backend reach nobody [H20]", backendHeaders},
		part{"no header opens a second door [H19]", magicHeaders},
		part{"a path in another spelling is no way around [H21]", spelledPaths},
		part{"a host in another spelling is no way around [H21 H24]", spelledHosts},
		part{"discovery answers what is configured [G7 D1 D2 D7 D8 D9]", discovery},
		part{"what is not offered does not exist [H18]", notOffered},
		part{"the admin endpoint is not on the network [H24 H32]", adminEndpoint},
	)
}

const mark = "forged-identity"

// forgedIdentity is CVE-2026-30851 (GHSA-7r4p-vjf4-gxv4) and its alias with
// underscores (GHSA-f59h-q822-g45g): identity headers that the client sends, in
// each spelling, over both versions of HTTP, hop by hop and as trailers.
func forgedIdentity(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	names := []string{
		"X-Lumos-User", "x_lumos_user", "X-Lumos_User", "X.Lumos.User", "X-LUMOS-USER-ID", "Remote-User", "Remote_User", "REMOTE_USER", "Remote-Groups", "Remote-Email",
		"X-User", "X-User-Id", "X-User-Email", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X_Forwarded_User", "X-Auth-Request-User", "X-Authenticated-User",
		"X-Gateway-User", "x_gateway_user", "X-WebAuth-User", "X-Tenant", "X-Tenant-Id", "X-Domain-Id", "X-Act-As", "X-Impersonate-User", "Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-Data",
		"Txn-Token", "Dpop", "Signature", "Signature-Input", "Content-Digest", "Forwarded", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Original-Url", "X-Client-Cert", "Idempotency-Key", "Cookie", "Proxy-Authorization",
	}
	check := func(t *testing.T, how string, calls []appstore.Request) {
		t.Helper()
		if len(calls) == 0 {
			t.Errorf("%s: no call arrived", how)
		}
		for _, r := range calls {
			if r.PersonEmail != w.Stack.User("member").Email || r.Refusal != "" {
				t.Errorf("%s: arrived as %q, %s", how, r.PersonEmail, r.Refusal)
			}
			for name, values := range r.Header {
				if strings.Contains(fmt.Sprint(values), mark) || strings.Contains(name, "_") || len(values) != 1 {
					t.Errorf("%s: the backend got %s: %v", how, name, values)
				}
			}
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			before := len(w.Stack.Backend.Requests())
			answer := w.mcp(t, token, searchApps, name, mark, name, mark+"-2")
			if answer.Status == http.StatusBadRequest { // a name that HTTP/2 cannot carry twice
				return
			}
			check(t, "HTTP/2", w.Stack.Backend.Requests()[before:])

			before = len(w.Stack.Backend.Requests())
			conn := w.dial(t, w.resource)
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nConnection: close, %s\r\nTrailer: %s\r\nTransfer-Encoding: chunked\r\n%s: %s\r\n%s: %s-2\r\n\r\n%x\r\n%s\r\n0\r\n%s: %s\r\n\r\n",
				stack.ResourcePath, host(w.resource), token, name, name, name, mark, strings.ToUpper(name), mark, len(searchApps), searchApps, name, mark)
			if status, body := readResponse(t, conn); status != http.StatusOK {
				t.Fatalf("HTTP/1.1: %d %s", status, body)
			}
			check(t, "HTTP/1.1", w.Stack.Backend.Requests()[before:])
		})
	}
	t.Run("the client's own token stays here", func(t *testing.T) {
		before := len(w.Stack.Backend.Requests())
		w.alive(t, "the token", token)
		for _, r := range w.Stack.Backend.Requests()[before:] {
			if strings.Contains(fmt.Sprint(r), token) {
				t.Errorf("the backend got it: %+v", r)
			}
		}
	})
	t.Run("a header that Connection names keeps the credential", func(t *testing.T) {
		conn := w.dial(t, w.resource)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nConnection: close, authorization, mcp-protocol-version\r\nContent-Length: %d\r\n\r\n%s",
			stack.ResourcePath, host(w.resource), token, len(searchApps), searchApps)
		if status, body := readResponse(t, conn); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
	})
}

// magicHeaders is GHSA-g53w-w6mj-hrpp: a header that inner parts trusted let
// everybody in.
func magicHeaders(t *testing.T, w *world) {
	for _, name := range []string{
		"Mcp-Init-Host", "Router-Key", "X-Internal", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-User", "X-Debug", "X-Auth-Bypass", "X-Verified", "X-Mcp-Principal",
		"X-Http-Method-Override", "X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Token-Validated", "X-Envoy-Internal", "X-Accel-Redirect", "X-Sendfile",
	} {
		t.Run(name, func(t *testing.T) {
			w.untouched(t, func() {
				for _, value := range []string{"1", "true", "/mcp/appstore", "mia@demo.example", "localhost"} {
					if answer := w.send(t, http.MethodPost, w.resource, searchApps, "Content-Type", jsonType, name, value); answer.Status != http.StatusUnauthorized {
						t.Errorf("%s: %d %s", value, answer.Status, answer.Body)
					}
				}
			})
		})
	}
}

// spelledPaths is CVE-2026-27587: paths that a matcher and a handler read in two
// ways.
func spelledPaths(t *testing.T, w *world) {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	for _, path := range []string{
		"/MCP/appstore", "/mcp/APPSTORE", "/%6dcp/appstore", "/%6Dcp/appstore", "/mcp%2fappstore", "/mcp%2Fappstore", "//mcp/appstore", "/mcp//appstore", "/mcp/appstore/", "/mcp/appstore//",
		"/mcp/appstore;x", "/mcp/appstore;x=/", "/mcp/./appstore", "/mcp/x/../appstore", "/mcp/x/%2e%2e/appstore", "/mcp/appstore%00", "/mcp/appstore%20", "/mcp/appstore.", `/mcp\appstore`, "/./mcp/appstore", "/mcp/appstore/../../admin", "/mcp/appstore%3f",
	} {
		t.Run(path, func(t *testing.T) {
			w.untouched(t, func() {
				conn := w.dial(t, w.resource)
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, host(w.resource), len(searchApps), searchApps)
				if status, body := readResponse(t, conn); status/100 != 4 {
					t.Errorf("without a token: %d %s", status, body)
				}
			})
			// With a token it is the endpoint, or it is nothing.
			conn := w.dial(t, w.resource)
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, host(w.resource), token, len(searchApps), searchApps)
			if status, body := readResponse(t, conn); status != http.StatusOK && status/100 != 4 {
				t.Errorf("with a token: %d %s", status, body)
			}
		})
	}
	for _, path := range []string{"/TOKEN", "/token/", "/%74oken", "//token", "/token;x", "/token/x", "/Authorize", "/authorize/", "/register/", "/REVOKE", "/callback", "/callback/", "/assets/../token", "/assets/%2e%2e/token", "/assets/..%2ftoken"} {
		t.Run(path, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				answer := w.send(t, method, w.issuer+path, "grant_type=x", "Content-Type", formType)
				if answer.Status/100 != 4 {
					t.Errorf("%s: %d %s", method, answer.Status, answer.Body)
				}
			}
		})
	}
}

// spelledHosts is CVE-2026-27588: hosts that a matcher and a handler read in two
// ways, and a name in TLS that is not the one in the request.
func spelledHosts(t *testing.T, w *world) {
	address := host(w.resource)
	_, port, _ := strings.Cut(address, ":")
	for _, name := range []string{"LOCALHOST:" + port, "LocalHost:" + port, "localhost.:" + port, "localhost:0" + port, "localhost:443", "localhost", "xn--localhost:" + port, evil, evil + ":" + port, "localhost:" + port + "," + evil, "b.app.lumosidentity.com"} {
		t.Run(name, func(t *testing.T) {
			w.untouched(t, func() {
				conn := w.dial(t, w.resource)
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", stack.ResourcePath, name, len(searchApps), searchApps)
				if status, body := readResponse(t, conn); status/100 != 4 || strings.Contains(body, evil) {
					t.Errorf("%d %s", status, body)
				}
			})
		})
	}
}

// discovery: metadata is of the configuration and never of the request
// (RFC 8414 §3.3, RFC 9728 §3.3, RFC 9207 §2.4).
func discovery(t *testing.T, w *world) {
	origin := strings.TrimSuffix(w.resource, stack.ResourcePath)
	for _, address := range []string{
		w.issuer + "/.well-known/oauth-authorization-server", w.issuer + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-protected-resource" + stack.ResourcePath, origin + "/.well-known/oauth-protected-resource", origin + "/.well-known/oauth-authorization-server", w.issuer + "/jwks.json",
	} {
		t.Run(mustParse(t, address).Path, func(t *testing.T) {
			plain := w.send(t, http.MethodGet, address, "")
			poisoned := w.send(t, http.MethodGet, address, "", "X-Forwarded-Host", evil, "X-Forwarded-Proto", "http", "X-Forwarded-Port", "1", "Forwarded", "host="+evil, "X-Host", evil)
			if plain.Status != http.StatusOK || string(plain.Body) != string(poisoned.Body) || plain.Header.Get("Content-Type") != jsonType {
				t.Errorf("%d %s, then %d %s", plain.Status, plain.Body, poisoned.Status, poisoned.Body)
			}
			if strings.Contains(string(plain.Body), `"d":`) || strings.Contains(string(plain.Body), "offline_access") {
				t.Errorf("the document says too much: %s", plain.Body)
			}
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				if answer := w.send(t, method, address, "{}"); answer.Status != http.StatusMethodNotAllowed {
					t.Errorf("%s: %d", method, answer.Status)
				}
			}
		})
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp/other", "/.well-known/oauth-authorization-server/tenant", "/.well-known/x", "/.well-known/../.env", "/.well-known/oauth-protected-resource%2fmcp%2fappstore"} {
		t.Run(path, func(t *testing.T) {
			for _, base := range []string{origin, w.issuer} {
				answer := w.send(t, http.MethodGet, base+path, "")
				if answer.Status != http.StatusNotFound || strings.Contains(string(answer.Body), "<") {
					t.Errorf("%d %s", answer.Status, answer.Body)
				}
			}
		})
	}
}

// notOffered: no address answers that nobody documented.
func notOffered(t *testing.T, w *world) {
	for _, path := range []string{"/", "/admin/", "/config/", "/load", "/debug/pprof/", "/metrics", "/.env", "/.git/config", "/edge.db", "/data/edge.db", "/audit.jsonl", "/userinfo", "/introspect", "/par", "/device_authorization", "/oauth/token", "/actuator/env"} {
		t.Run(path, func(t *testing.T) {
			for _, base := range []string{w.issuer, strings.TrimSuffix(w.resource, stack.ResourcePath)} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					if answer := w.send(t, method, base+path, ""); answer.Status != http.StatusNotFound {
						t.Errorf("%s %s: %d %s", method, base, answer.Status, answer.Body)
					}
				}
			}
		})
	}
}

// adminEndpoint: Caddy's own endpoint has no sign-in, so that it is a socket
// which only the gateway's user may open.
func adminEndpoint(t *testing.T, w *world) {
	info, err := os.Stat(filepath.Join(w.Stack.Data, "admin.sock"))
	if err != nil || info.Mode().Type() != os.ModeSocket || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the admin socket: %v, %v", info, err)
	}
	for _, name := range []string{"edge.db", "audit.jsonl"} {
		info, err := os.Stat(filepath.Join(w.Stack.Data, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
