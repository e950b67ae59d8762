package introspect_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/introspect"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	issuer   = "https://auth.example.com"
	appstore = "https://api.example.com/mcp/appstore"
	reports  = "https://api.example.com/mcp/reports"
	hr       = "https://api.example.com/mcp/hr"
	secret   = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	other    = "ffeeddccbbaa99887766554433221100"
)

// world is the endpoint with two resource servers: "reports" may ask about two
// resources, "hr" about a third.
type world struct {
	t      testing.TB
	http   http.Handler
	audit  audittest.Memory
	clock  *clock.Fake
	fault  error             // of every Verify
	dead   reason.Reason     // of every token, at whatever resource
	tokens map[string]string // live ones: token → resource
	asked  []string          // "token at resource", in order
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewFake(time.Unix(1e9, 0)), tokens: map[string]string{"lma_app": appstore, "lma_reports": reports, "lma_hr": hr}}
	h, err := introspect.New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.http = h
	return w
}

func (w *world) config() introspect.Config {
	return introspect.Config{
		Issuer: issuer, Grants: w, Audit: &w.audit, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		Servers: []introspect.ResourceServer{
			{Name: "reports", SecretHash: opaque.HashOf(secret), Resources: []string{appstore, reports}},
			{Name: "hr", SecretHash: opaque.HashOf(other), Resources: []string{hr}},
		},
	}
}

// Verify stands for the grants.
func (w *world) Verify(_ context.Context, token, resource string) (*grant.Session, error) {
	w.asked = append(w.asked, token+" at "+resource)
	at, known := w.tokens[token]
	switch {
	case w.fault != nil:
		return nil, w.fault
	case w.dead != reason.None:
		return nil, &grant.InvalidError{Reason: w.dead}
	case !known:
		return nil, &grant.InvalidError{Reason: reason.GrantUnknown}
	case at != resource:
		return nil, &grant.InvalidError{Reason: reason.ResourceWrong}
	}
	return &grant.Session{Access: store.Access{
		Token:  store.AccessToken{Scopes: []string{"appstore:read", "appstore:request"}, IssuedAt: time.Unix(1e9, 0), ExpiresAt: time.Unix(1e9+3600, 5)},
		Family: store.Family{ID: "family", Domain: "example.com", UserID: "internal", Subject: "u-17", Resource: resource},
		User:   store.User{ID: "internal", Email: "ada@example.com"},
		Client: store.Client{ID: "lmcl_1", Name: "Claude"},
	}}, nil
}

func (w *world) serve(r *http.Request) (*http.Response, string) {
	w.t.Helper()
	ctx := httpx.WithClientIP(httpx.WithRequestID(r.Context(), "request-1"), "192.0.2.1")
	recorder := httptest.NewRecorder()
	w.http.ServeHTTP(recorder, r.WithContext(ctx))
	resp := recorder.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func post(body string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func basic(name, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(name)+":"+url.QueryEscape(secret)))}
}

func TestAGoodTokenIsDescribedInFull(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"by HTTP Basic":                          post("token=lma_reports", basic("reports", secret)...),
		"by the body":                            post("token=lma_reports&client_id=reports&client_secret=" + secret),
		"with a hint":                            post("token=lma_reports&token_type_hint=access_token", basic("reports", secret)...),
		"with a hint that is wrong":              post("token=lma_reports&token_type_hint=refresh_token", basic("reports", secret)...),
		"with a hint that nobody knows":          post("token=lma_reports&token_type_hint=pizza", basic("reports", secret)...),
		"with a parameter that nobody knows":     post("token=lma_reports&resource="+hr, basic("reports", secret)...),
		"by Basic with the name in the body too": post("token=lma_reports&client_id=reports", basic("reports", secret)...),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			resp, body := w.serve(r)
			const want = `{"active":true,"scope":"appstore:read appstore:request","client_id":"lmcl_1","username":"ada@example.com","token_type":"Bearer",` +
				`"exp":1000003600,"iat":1000000000,"sub":"u-17","aud":"https://api.example.com/mcp/reports","iss":"https://auth.example.com"}` + "\n"
			if resp.StatusCode != http.StatusOK || body != want {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v", resp.Header)
			}
			if events := w.audit.Events(); len(events) != 0 {
				t.Errorf("was audited: %+v", events)
			}
		})
	}
}

func TestAllOtherTokensAreAnsweredByTheSameBytes(t *testing.T) {
	var headers []http.Header
	for name, c := range map[string]struct {
		token string
		dead  reason.Reason
	}{
		"one that nobody issued":                   {token: "lma_made-up"},
		"one of a resource of another server":      {token: "lma_hr"},
		"one that has expired":                     {token: "lma_app", dead: reason.GrantExpired},
		"one that was revoked":                     {token: "lma_app", dead: reason.GrantRevoked},
		"one of a domain that is off":              {token: "lma_app", dead: reason.DomainOff},
		"one of a person who is not admitted":      {token: "lma_app", dead: reason.UserNotAllowed},
		"one of a client that is not allowed":      {token: "lma_app", dead: reason.ClientNotAllowed},
		"a refresh token":                          {token: "lmr_x"},
		"a code":                                   {token: "lmc_x"},
		"bytes that are no text":                   {token: "\x00\xff"},
		"a text of 60,000 bytes":                   {token: strings.Repeat("t", 60_000)},
		"the secret of the caller":                 {token: secret},
		"a token with a space in front of it":      {token: " lma_app"},
		"a token with its resource behind a blank": {token: "lma_app " + appstore},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.dead = c.dead
			resp, body := w.serve(post("token="+url.QueryEscape(c.token), basic("reports", secret)...))
			if resp.StatusCode != http.StatusOK || body != "{\"active\":false}\n" {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v", resp.Header)
			}
			if headers = append(headers, resp.Header); cmp.Diff(headers[0], resp.Header) != "" {
				t.Error(cmp.Diff(headers[0], resp.Header))
			}
		})
	}
}

func TestOnlyTheResourcesOfTheCallerAreAskedAbout(t *testing.T) {
	for _, c := range []struct {
		caller, secret, token string
		want                  []string
	}{
		{"reports", secret, "lma_app", []string{"lma_app at " + appstore}},
		{"reports", secret, "lma_reports", []string{"lma_reports at " + appstore, "lma_reports at " + reports}},
		{"reports", secret, "lma_hr", []string{"lma_hr at " + appstore, "lma_hr at " + reports}},
		{"reports", secret, "made-up", []string{"made-up at " + appstore}},
		{"hr", other, "lma_hr", []string{"lma_hr at " + hr}},
		{"hr", other, "lma_app", []string{"lma_app at " + hr}},
	} {
		t.Run(c.token+" by "+c.caller, func(t *testing.T) {
			w := newWorld(t)
			w.serve(post("token="+c.token, basic(c.caller, c.secret)...))
			if diff := cmp.Diff(c.want, w.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFaultIsNoAnswerAboutTheToken(t *testing.T) {
	w := newWorld(t)
	w.fault = fmt.Errorf("reading: %w", store.ErrUnavailable)
	resp, body := w.serve(post("token=lma_app", basic("reports", secret)...))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "temporarily_unavailable") || strings.Contains(body, "active") {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	if events := w.audit.Events(); len(events) != 0 {
		t.Errorf("a fault of ours was audited as a refusal: %+v", events)
	}
}

func TestRefusals(t *testing.T) {
	form := "token=lma_app"
	for _, c := range []struct {
		name      string
		req       *http.Request
		status    int
		code      string
		challenge bool // whether WWW-Authenticate is there
	}{
		{name: "GET", req: httptest.NewRequest(http.MethodGet, "/introspect?token=lma_app", nil), status: 405, code: "invalid_request"},
		{name: "the preflight of a page", req: httptest.NewRequest(http.MethodOptions, "/introspect", nil), status: 405, code: "invalid_request"},
		{name: "another content type", req: func() *http.Request {
			r := post(form, basic("reports", secret)...)
			r.Header.Set("Content-Type", "application/json")
			return r
		}(), status: 400, code: "invalid_request"},
		{name: "a token in the query only", req: func() *http.Request {
			r := post("", basic("reports", secret)...)
			r.URL.RawQuery = form
			return r
		}(), status: 400, code: "invalid_request"},
		{name: "no token", req: post("token_type_hint=access_token", basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "an empty token", req: post("token=", basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "two tokens", req: post("token=a&token=b", basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "two hints", req: post("token=a&token_type_hint=a&token_type_hint=b", basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "two secrets", req: post(form + "&client_id=reports&client_secret=" + secret + "&client_secret=x"), status: 400, code: "invalid_request"},
		{name: "a body of a megabyte", req: post(strings.Repeat("a", 1<<20), basic("reports", secret)...), status: 413, code: "invalid_request"},
		{name: "no authentication", req: post(form), status: 401, code: "invalid_client"},
		{name: "a name without a secret", req: post(form + "&client_id=reports"), status: 401, code: "invalid_client"},
		{name: "a wrong secret by Basic", req: post(form, basic("reports", other)...), status: 401, code: "invalid_client", challenge: true},
		{name: "a wrong secret in the body", req: post(form + "&client_id=reports&client_secret=" + other), status: 401, code: "invalid_client"},
		{name: "an empty secret", req: post(form, basic("reports", "")...), status: 401, code: "invalid_client", challenge: true},
		{name: "the right secret with one letter more", req: post(form, basic("reports", secret+"0")...), status: 401, code: "invalid_client", challenge: true},
		{name: "the hash in place of the secret", req: post(form, basic("reports", hashText())...), status: 401, code: "invalid_client", challenge: true},
		{name: "an unknown name", req: post(form, basic("nobody", secret)...), status: 401, code: "invalid_client", challenge: true},
		{name: "the name in capitals", req: post(form, basic("Reports", secret)...), status: 401, code: "invalid_client", challenge: true},
		{name: "a client of ours", req: post(form + "&client_id=lmcl_1"), status: 401, code: "invalid_client"},
		{name: "a Basic header that is no base64", req: post(form, "Authorization", "Basic @@@"), status: 401, code: "invalid_client", challenge: true},
		{name: "the token itself as bearer", req: post(form, "Authorization", "Bearer lma_app"), status: 400, code: "invalid_request"},
		{name: "two ways at once", req: post(form+"&client_secret="+secret, basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "two Authorization headers", req: post(form, append(basic("reports", secret), basic("reports", secret)...)...), status: 400, code: "invalid_request"},
		{name: "a body that names another server than the header", req: post(form+"&client_id=hr", basic("reports", secret)...), status: 400, code: "invalid_request"},
		{name: "an assertion", req: post(form + "&client_assertion=x&client_assertion_type=y"), status: 401, code: "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			resp, body := w.serve(c.req)
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %q", err, body)
			}
			if resp.StatusCode != c.status || got["error"] != c.code || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s %v, want %d %s", resp.StatusCode, body, resp.Header, c.status, c.code)
			}
			if challenged := resp.Header.Get("WWW-Authenticate") != ""; challenged != c.challenge {
				t.Errorf("WWW-Authenticate: %q", resp.Header.Get("WWW-Authenticate"))
			}
			if len(w.asked) > 0 {
				t.Errorf("tokens were looked at: %q", w.asked)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("a page may read this: %s", name)
				}
			}
		})
	}
}

// hashText is what a copy of the configuration's memory would show.
func hashText() string {
	h := opaque.HashOf(secret)
	return string(h[:])
}

func TestAnUnknownNameIsAnsweredAsAWrongSecret(t *testing.T) {
	w := newWorld(t)
	_, unknown := w.serve(post("token=x", basic("nobody", secret)...))
	_, wrong := w.serve(post("token=x", basic("reports", other)...))
	if unknown != wrong {
		t.Errorf("%s and %s", unknown, wrong)
	}
}

func TestRefusedCallersAreAuditedBySample(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.serve(post("token=lma_app", basic("reports", other)...))
		w.serve(post("token=lma_app", basic("a-name-that-a-stranger-chose", secret)...))
	}
	w.clock.Advance(time.Second)
	w.serve(post("token=lma_app", basic("reports", other)...))
	event := func(why reason.Reason, detail string, count int) audit.Event {
		return audit.Event{
			Name: audit.AuthorizationFailed, Reason: why, ErrorCode: "invalid_client", Detail: detail, Count: count, RequestID: "request-1", ClientIP: "192.0.2.1",
		}
	}
	want := []audit.Event{
		event(reason.ClientBadSecret, "introspection: the secret of reports is wrong", 0),
		event(reason.ClientUnknown, "introspection", 0),
		event(reason.ClientBadSecret, "introspection: the secret of reports is wrong", 4),
	}
	if diff := cmp.Diff(want, w.audit.Events()); diff != "" {
		t.Error(diff)
	}
}

func TestARefusalStandsWhenItCannotBeAudited(t *testing.T) {
	w := newWorld(t)
	w.audit.Fail(errors.New("disk"))
	if resp, body := w.serve(post("token=lma_app", basic("reports", other)...)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestNewRefusesAConfigurationWithAGap(t *testing.T) {
	for name, change := range map[string]func(*introspect.Config){
		"no issuer":                      func(c *introspect.Config) { c.Issuer = "" },
		"no resource server":             func(c *introspect.Config) { c.Servers = nil },
		"no grants":                      func(c *introspect.Config) { c.Grants = nil },
		"no audit":                       func(c *introspect.Config) { c.Audit = nil },
		"a server without a name":        func(c *introspect.Config) { c.Servers[0].Name = "" },
		"a server without a secret":      func(c *introspect.Config) { c.Servers[0].SecretHash = store.Hash{} },
		"a server without a resource":    func(c *introspect.Config) { c.Servers[0].Resources = nil },
		"two servers with the same name": func(c *introspect.Config) { c.Servers[0].Name = "hr" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newWorld(t).config()
			change(&cfg)
			if _, err := introspect.New(cfg); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestASecretThatCouldBeGuessedIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ secret, want string }{
		"random hex digits":        {secret, ""},
		"random base64url":         {"mR8sVq0w-3YkZb_x1TnLhC7pEoUaJdGf", ""},
		"31 characters":            {secret[1:], "has 31 characters, want at least 32"},
		"none":                     {"", "has 0 characters"},
		"one letter, repeated":     {strings.Repeat("a", 64), "too few different characters (1)"},
		"five letters, repeated":   {strings.Repeat("abcde", 10), "too few different characters (5)"},
		"six letters":              {strings.Repeat("abcdef", 6), ""},
		"a plus, which is a space": {secret + "+", "visible ASCII"},
		"a percent sign":           {secret + "%41", "visible ASCII"},
		"a space":                  {secret + " x", "visible ASCII"},
		"a line end":               {secret + "\n", "visible ASCII"},
		"letters beyond ASCII":     {secret + "ä", "visible ASCII"},
	} {
		t.Run(name, func(t *testing.T) {
			err := introspect.CheckSecret(c.secret)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "openssl rand -hex 32")):
				t.Errorf("got %v, want %q and a remedy", err, c.want)
			case err != nil && len(c.secret) > 4 && strings.Contains(err.Error(), c.secret):
				t.Errorf("the message holds the secret: %v", err)
			}
		})
	}
}

// FuzzForm looks for a body or a header that panics, that is answered outside
// the matrix, or that passes without the secret.
func FuzzForm(f *testing.F) {
	auth := basic("reports", secret)[1]
	for _, seed := range []struct{ body, header string }{
		{"token=lma_app", auth},
		{"token=lma_app&client_id=reports&client_secret=" + secret, ""},
		{"token=lma_hr&token_type_hint=x", auth},
		{"token=%zz", auth},
		{"token=a&token=b", "Basic"},
		{"token=lma_app;x", "Bearer x"},
		{"\x00=\xff", "Basic \x00"},
		{"", ""},
	} {
		f.Add(seed.body, seed.header)
	}
	f.Fuzz(func(t *testing.T, body, header string) {
		w := newWorld(t)
		r := post(body)
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		resp, answer := w.serve(r)
		if !json.Valid([]byte(answer)) || resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %q %v", resp.StatusCode, answer, resp.Header)
		}
		if !slices.Contains([]int{200, 400, 401, 413}, resp.StatusCode) {
			t.Fatalf("status %d", resp.StatusCode)
		}
		if resp.StatusCode != http.StatusOK {
			return
		}
		decoded, err := base64.StdEncoding.DecodeString(header[min(len(header), len("Basic ")):])
		values, _ := url.ParseQuery(body)
		sent := unescape(string(decoded))
		byBasic := err == nil && (strings.HasSuffix(sent, ":"+secret) || strings.HasSuffix(sent, ":"+other))
		byBody := slices.Contains([]string{secret, other}, values.Get("client_secret"))
		if !byBasic && !byBody {
			t.Fatalf("passed without a secret: %q %q", body, header)
		}
		if strings.Contains(answer, "true") && w.tokens[values.Get("token")] == "" {
			t.Fatalf("active: %q", body)
		}
	})
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
