package caddymodule

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/teamlumos/mcp-edge/internal/httpx"
)

func TestTheSitesAnswerWhatIsTheirsAndPassOnTheRest(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	auth, api := "http://"+g.auth, "http://"+g.api
	for name, test := range map[string]struct {
		url    string
		status int
		holds  string
	}{
		"health":                                {auth + "/healthz", 200, `"ok"`},
		"readiness":                             {auth + "/readyz", 200, `"ready"`},
		"metadata of the authorization server":  {auth + "/.well-known/oauth-authorization-server", 200, `"issuer":"` + auth + `"`},
		"the same under its OpenID name":        {auth + "/.well-known/openid-configuration", 200, `"issuer":"` + auth + `"`},
		"keys":                                  {auth + "/jwks.json", 200, `"keys"`},
		"an unknown well-known path is JSON":    {auth + "/.well-known/nope", 404, `"error"`},
		"another path of the issuer's site":     {auth + "/robots.txt", 404, "not ours"},
		"a path that only begins like ours":     {auth + "/tokens", 404, "not ours"},
		"metadata of the resource":              {api + "/.well-known/oauth-protected-resource/mcp/appstore", 200, `"resource":"` + g.resource + `"`},
		"its root form, being the only one":     {api + "/.well-known/oauth-protected-resource", 200, `"resource":"` + g.resource + `"`},
		"the server's metadata at the resource": {api + "/.well-known/oauth-authorization-server", 200, `"issuer":"` + auth + `"`},
		"a discovery path without document":     {api + "/.well-known/oauth-authorization-server/mcp/appstore", 404, `"error"`},
		"no OpenID document at the resource":    {api + "/.well-known/openid-configuration", 404, `"error"`},
		"other well-known paths of the API":     {api + "/.well-known/security.txt", 404, "not ours"},
		"the endpoint without a token":          {g.resource, 401, `"jsonrpc"`},
		"a path below the endpoint":             {g.resource + "/x", 404, "not ours"},
		"health is the issuer's alone":          {api + "/healthz", 404, "not ours"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, err := g.get(test.url)
			if err != nil {
				t.Fatal(err)
			}
			if status != test.status || !strings.Contains(body, test.holds) {
				t.Errorf("%d %q, want %d with %q", status, body, test.status, test.holds)
			}
		})
	}
}

func TestEveryPathOfTheAuthorizationServerReachesIt(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	for path := range authPaths {
		if _, body, err := g.get("http://" + g.auth + path); err != nil || strings.Contains(body, "not ours") || strings.Contains(body, "no such document") {
			t.Errorf("%s: %q %v", path, body, err)
		}
	}
}

func TestARequestForAnotherHostIsMisdirected(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	auth, bridge := &Auth{app: g.app()}, g.app().bridges[0]
	for name, test := range map[string]struct {
		handler interface {
			ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error
		}
		host, path string
		want       int
	}{
		"the issuer's own":                {auth, g.auth, "/jwks.json", 200},
		"the issuer by another name":      {auth, "localhost", "/jwks.json", 421},
		"the issuer on another port":      {auth, "127.0.0.1:1", "/jwks.json", 421},
		"health by any name":              {auth, "10.0.0.7", "/healthz", 200},
		"the resource by another name":    {bridge, "evil.example", "/mcp/appstore", 421},
		"discovery by another name":       {bridge, "evil.example", "/.well-known/oauth-protected-resource", 299},
		"a foreign path by another name":  {bridge, "evil.example", "/x", 299},
		"discovery by the resource's own": {bridge, g.api, "/.well-known/oauth-protected-resource", 200},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil)
			r.Host = test.host
			if err := test.handler.ServeHTTP(w, r, passedOn); err != nil {
				t.Fatal(err)
			}
			if w.Code != test.want {
				t.Errorf("status %d, want %d", w.Code, test.want)
			}
			if w.Code == 421 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("not JSON: %s", w.Body)
			}
		})
	}
}

// passedOn answers for the rest of a site.
var passedOn caddyhttp.Handler = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(299)
	return nil
})

func TestOneHostCanBeIssuerAndResourceOfSeveralEndpoints(t *testing.T) {
	g := newGateway(t)
	second := strings.NewReplacer("http://"+g.auth, "http://"+g.api).Replace(g.caddyfile(policyOf{}))
	// One site with everything.
	second = strings.Replace(second, "\tmcp_auth\n\trespond \"not ours\" 404\n}\nhttp://"+g.api+" {\n", "\tmcp_auth\n", 1)
	block := second[strings.Index(second, "\tmcp_bridge"):strings.LastIndex(second, "\trespond")]
	second = strings.Replace(second, block, block+strings.ReplaceAll(block, "/mcp/appstore", "/mcp/other"), 1)
	if err := g.load(second); err != nil {
		t.Fatal(err)
	}
	site := "http://" + g.api
	for path, want := range map[string]int{
		"/.well-known/oauth-authorization-server":            200,
		"/.well-known/openid-configuration":                  200,
		"/.well-known/oauth-protected-resource/mcp/appstore": 200,
		"/.well-known/oauth-protected-resource/mcp/other":    200,
		"/.well-known/oauth-protected-resource":              404, // which of the two?
		"/.well-known/oauth-protected-resource/mcp/third":    404,
		"/mcp/appstore": 401,
		"/mcp/other":    401,
	} {
		if status, body, err := g.get(site + path); err != nil || status != want {
			t.Errorf("%s: %d %q %v, want %d", path, status, body, err, want)
		}
	}
	// A token of one is no token at the other.
	g.resource = site + "/mcp/appstore"
	token := g.token()
	if status, _, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusOK {
		t.Errorf("at its own resource: %d %v", status, err)
	}
	g.resource = site + "/mcp/other"
	if status, _, err := g.search(t.Context(), token, "x"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("at the other resource: %d %v, want 401", status, err)
	}
}

func newTestApp() *App {
	return &App{log: slog.New(slog.DiscardHandler), lifecycle: newLifecycle()}
}

func TestARequestBeforeTheStartWaitsForIt(t *testing.T) {
	for name, test := range map[string]struct {
		then func(*App, context.CancelFunc)
		want int
	}{
		"and is served then": {func(a *App, _ context.CancelFunc) {
			a.running.Store(&running{})
			close(a.ready)
		}, http.StatusNoContent},
		"and is told to try again when the start failed": {func(a *App, _ context.CancelFunc) { _ = a.Cleanup() }, 503},
		"but no longer than its client":                  {func(_ *App, cancel context.CancelFunc) { cancel() }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTestApp()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w, done := httptest.NewRecorder(), make(chan struct{})
				go func() {
					defer close(done)
					a.serve(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), oauthFault, func(*running) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
					})
				}()
				synctest.Wait()
				select {
				case <-done:
					t.Fatal("did not wait")
				default:
				}
				test.then(a, cancel)
				<-done
				if w.Code != test.want {
					t.Errorf("status %d, want %d", w.Code, test.want)
				}
				if w.Code == 503 && w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			})
		})
	}
}

// serveWith runs one handler under an app that has started.
func serveWith(t *testing.T, r *http.Request, handler http.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	a := newTestApp()
	a.running.Store(&running{})
	w := httptest.NewRecorder()
	a.serve(w, r, oauthFault, func(*running) http.Handler { return handler })
	return w
}

func TestAPanicIsAnsweredAsJSONWithoutAStack(t *testing.T) {
	w := serveWith(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "half=done")
		panic("a secret detail")
	})
	body := w.Body.String()
	if w.Code != 500 || !strings.Contains(body, `"server_error"`) || strings.Contains(body, "secret") || strings.Contains(body, "goroutine") {
		t.Errorf("%d %q", w.Code, body)
	}
	if w.Header().Get("Set-Cookie") != "" {
		t.Error("headers of the broken answer were kept")
	}
}

func TestAPanicInTheMiddleOfAnAnswerBreaksItOff(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the identity matters
			t.Errorf("panic is %v, want http.ErrAbortHandler", p)
		}
	}()
	serveWith(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("broken")
	})
	t.Error("the half answer was ended as if it were whole")
}

func TestHeadersThatCouldSpeakForAPersonNeverReachAHandler(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
	for _, name := range []string{"X-Forwarded-User", "X_Forwarded_Email", "Remote-User", "X-Request-Id"} {
		r.Header[name] = []string{"root"}
	}
	r.Trailer = http.Header{"X-User-Id": {"root"}}
	r.Header.Set("Authorization", "Bearer x")
	serveWith(t, r, func(_ http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if slices.Contains(values, "root") {
				t.Errorf("%s reached the handler", name)
			}
		}
		if len(r.Trailer) > 0 {
			t.Errorf("trailers reached the handler: %v", r.Trailer)
		}
		if r.Header.Get("Authorization") != "Bearer x" {
			t.Error("the credential was lost")
		}
	})
}

func TestTheAddressOfTheClientIsTheOneOfTheConnection(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.resource, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("X-Request-Id", "forged")
	if _, _, err := g.do(req); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the refusal is audited", func() bool { return strings.Contains(g.audit(), "authorization_failed") })
	if trail := g.audit(); !strings.Contains(trail, `"client_ip":"127.0.0.1"`) || strings.Contains(trail, "203.0.113.9") || strings.Contains(trail, "forged") {
		t.Errorf("audit trail: %s", trail)
	}
}

func TestAnAppThatIsGoneLetsNobodyIn(t *testing.T) {
	a := newTestApp()
	a.running.Store(&running{})
	if err := a.Cleanup(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), oauthFault, func(*running) http.Handler {
		t.Error("a handler was chosen")
		return http.NotFoundHandler()
	})
	if w.Code != 503 {
		t.Errorf("status %d, want 503", w.Code)
	}
}

func TestCleanupCopesWithWhatIsHalfBuilt(t *testing.T) {
	if err := new(App).Cleanup(); err != nil {
		t.Error(err)
	}
	a := newTestApp()
	for range 2 {
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestAContextWithoutCaddyHasNoAddress(t *testing.T) {
	r := admit(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if ip := httpx.ClientIP(r.Context()); ip != "" {
		t.Errorf("address is %q", ip)
	}
}
