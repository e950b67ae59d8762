package hostile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

var (
	generated = flag.Int("generated", 2000, "how many generated requests each endpoint gets")
	seed      = flag.Uint64("seed", 0, "seed of the generated requests; 0 takes one from the clock")
)

// shot is one request to be changed and sent.
type shot struct {
	method, address string
	header          http.Header
	params          url.Values // of the query or, with a form's content type, of the body
	body            string     // when there is no form
}

// source makes good requests to one endpoint. answered, when set, is told what
// came of each, so that the next one is good again.
type source struct {
	good     func() shot
	answered func(assistant.Answer)
}

// target is an endpoint with the statuses that its matrix knows. 503 is allowed
// everywhere with Retry-After, 404 for a path that was changed.
type target struct {
	name     string
	statuses []int
	json     bool // answers in JSON only
	source   func(t *testing.T, w *world) source
}

var targets = []target{
	{"authorize", []int{303, 400, 405, 429, 431}, false, authorizeSource},
	{"signin", []int{200, 303, 400, 403, 405, 413, 429, 431}, false, pageSource("/signin")},
	{"callback", []int{200, 303, 400, 403, 405, 429, 431}, false, pageSource("/callback/" + stack.Domain)},
	{"signout", []int{200, 303, 400, 403, 405, 413, 431}, false, pageSource("/signout")},
	{"consent", []int{200, 303, 400, 403, 404, 405, 413, 431}, false, consentSource},
	{"token, code", []int{200, 204, 400, 401, 405, 413, 429, 431}, true, codeSource},
	{"token, refresh", []int{200, 204, 400, 401, 405, 413, 429, 431}, true, refreshSource},
	{"revoke", []int{200, 204, 400, 401, 405, 413, 429, 431}, true, revokeSource},
	{"introspect", []int{200, 400, 401, 405, 413, 429, 431}, true, introspectSource},
	{"register", []int{201, 204, 400, 403, 405, 413, 429, 431}, true, registerSource},
	{"registration of a client", []int{200, 204, 400, 401, 405, 413, 429, 431}, true, manageSource},
	{"mcp", []int{200, 202, 204, 400, 401, 403, 404, 405, 413, 415, 429, 431}, true, mcpSource},
	{"metadata", []int{200, 204, 304, 405, 431}, true, metadataSource},
}

// TestGeneratedRequestsAreAnsweredWithinTheMatrix changes good requests at
// random. No answer may be a fault of ours.
func TestGeneratedRequestsAreAnsweredWithinTheMatrix(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d, %d requests for each endpoint; again: -seed %d", *seed, *generated, *seed)
	w := start(t, withResourceServer(t)...)
	for n, target := range targets {
		t.Run(target.name, func(t *testing.T) { w.bombard(t, target, uint64(n)) })
	}
}

// bombard shares the requests between workers, each with a good request and a
// generator of its own, so that a seed says what is sent.
func (w *world) bombard(t *testing.T, target target, stream uint64) {
	const workers = 4
	var (
		mu     sync.Mutex
		counts = map[int]int{}
		wg     sync.WaitGroup
	)
	for worker := range workers {
		src := target.source(t, w)
		random := rand.New(rand.NewPCG(*seed, stream*workers+uint64(worker))) // to be repeated, not to be secret
		wg.Go(func() {
			// Each address has a budget at some endpoints, and a new one is a new
			// connection.
			const perAddress = 25
			var client *http.Client
			for i := range *generated / workers {
				if i%perAddress == 0 {
					if client != nil {
						client.CloseIdleConnections()
					}
					client = w.stranger(t)
				}
				s := mutate(random, src.good())
				answer, sent := s.send(t, client)
				if s.beyondHTTP() {
					client.CloseIdleConnections() // the server may be about to close it
				}
				if !sent {
					continue
				}
				mu.Lock()
				counts[answer.Status]++
				mu.Unlock()
				target.judge(t, s, answer)
				if src.answered != nil {
					src.answered(answer)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v", counts)
	if len(counts) < 2 {
		t.Error("all requests were answered alike; nothing was tried")
	}
}

// judge fails on every answer outside of the matrix.
func (target target) judge(t *testing.T, s shot, a assistant.Answer) {
	t.Helper()
	retry := a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests
	switch {
	case retry && a.Header.Get("Retry-After") == "":
		t.Errorf("%d without Retry-After after %v", a.Status, s)
	case retry && a.Status == http.StatusServiceUnavailable:
	case a.Status == http.StatusNotFound && strings.Contains(s.address, "~"):
	case a.Status == http.StatusUnauthorized && strings.Contains(s.address, "/register/"): // a changed path, which is that of no client
	case !slices.Contains(target.statuses, a.Status):
		t.Errorf("%d %.300s after %v", a.Status, a.Body, s)
	}
	for _, trace := range []string{"goroutine ", ".go:", "runtime error", "sqlite", "SELECT ", "sql:"} {
		if bytes.Contains(a.Body, []byte(trace)) {
			t.Errorf("the answer holds %q: %.300s", trace, a.Body)
		}
	}
	if target.json && a.Status != http.StatusRequestHeaderFieldsTooLarge && len(a.Body) > 0 && s.method != http.MethodHead {
		if a.Header.Get("Content-Type") != jsonType || !json.Valid(a.Body) {
			t.Errorf("no JSON: %d %q %.300s after %v", a.Status, a.Header.Get("Content-Type"), a.Body, s)
		}
		plainDescription(t, a)
	}
}

// send sends s; it is false for what HTTP itself cannot carry.
func (s shot) send(t *testing.T, client *http.Client) (assistant.Answer, bool) {
	t.Helper()
	body, address := s.body, s.address
	switch {
	case s.params == nil:
	case strings.HasPrefix(s.header.Get("Content-Type"), formType):
		body = s.params.Encode() + s.body
	default:
		address += "?" + s.params.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), s.method, address, strings.NewReader(body))
	if err != nil {
		return assistant.Answer{}, false
	}
	req.Header = s.header
	answer, err := assistant.Do(client, req)
	if err != nil && !s.beyondHTTP() {
		if transport := (*url.Error)(nil); errors.As(err, &transport) {
			err = transport.Err // without the address, which may be long
		}
		t.Errorf("%v after %d bytes: %v", err, len(address)+len(body), s)
	}
	return answer, err == nil
}

// beyondHTTP says that the client's or the server's HTTP may refuse s before
// anybody reads it: bytes that no header has, and headers that are longer
// together than a server announces that it takes.
func (s shot) beyondHTTP() bool {
	const longest = 12 << 10
	size := len(s.address) + len(s.params.Encode())
	for _, values := range s.header {
		for _, value := range values {
			size += len(value)
			if strings.ContainsFunc(value, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
				return true
			}
		}
	}
	return size > longest
}

func authorizeSource(t *testing.T, w *world) source {
	a := w.register(t)
	return source{good: func() shot {
		address, _ := a.AuthorizationURL(readScope, nil)
		return shot{method: http.MethodGet, address: w.issuer + "/authorize", header: http.Header{}, params: mustParse(t, address).Query()}
	}}
}

// pageSource visits a page as a browser in the middle of a sign-in does.
func pageSource(path string) func(*testing.T, *world) source {
	return func(t *testing.T, w *world) source {
		through := &tap{inner: w.Stack.Transport()}
		address, _ := w.register(t).AuthorizationURL(readScope, nil)
		w.callbackOf(t, through, w.personBy("member", through), address)
		params, cookie := url.Values{}, ""
		for _, x := range through.seen {
			if tx := x.url.Query().Get("tx"); tx != "" {
				params.Set("tx", tx)
				cookie = x.request.Get("Cookie")
			}
		}
		params.Set("state", "x")
		params.Set("code", "y")
		params.Set("email", "mia@"+stack.Domain)
		params.Set("csrf", "z")
		n := 0
		return source{good: func() shot {
			s := shot{method: http.MethodGet, address: w.issuer + path, header: http.Header{"Cookie": {cookie}}, params: params}
			if n++; n%2 == 0 && path != "/callback/"+stack.Domain {
				s.method = http.MethodPost
				s.header.Set("Content-Type", formType)
				s.header.Set("Origin", w.issuer)
			}
			return s
		}}
	}
}

func consentSource(t *testing.T, w *world) source {
	a := w.register(t)
	var current shot
	renew := func() {
		through := &tap{inner: w.Stack.Transport()}
		address, _ := a.AuthorizationURL(readScope, nil)
		f := choices(t, consentPage(t, w.personBy("member", through), address))
		f.Fields.Set("decision", "approve")
		current = shot{method: http.MethodPost, address: w.issuer + "/consent", params: f.Fields, header: http.Header{
			"Cookie": through.seen[len(through.seen)-1].request["Cookie"], "Content-Type": {formType}, "Sec-Fetch-Site": {"same-origin"},
		}}
	}
	renew()
	return source{good: func() shot { return current }, answered: func(a assistant.Answer) {
		if a.Status/100 == 2 || a.Status/100 == 3 {
			renew()
		}
	}}
}

func formShot(address, encoded string) shot {
	params, _ := url.ParseQuery(encoded)
	return shot{method: http.MethodPost, address: address, header: http.Header{"Content-Type": {formType}}, params: params}
}

func codeSource(t *testing.T, w *world) source {
	a := w.register(t)
	approval := w.approve(t, a)
	return source{
		good: func() shot { return formShot(w.issuer+"/token", redemption(a, approval)) },
		answered: func(answer assistant.Answer) {
			if answer.Status == http.StatusOK {
				approval = w.approve(t, a)
			}
		},
	}
}

func refreshSource(t *testing.T, w *world) source {
	a := w.register(t)
	token := w.connect(t, a, "member", readScope).RefreshToken
	return source{
		good: func() shot {
			return formShot(w.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", token, "client_id", a.ClientID, "scope", readScope, "resource", w.resource))
		},
		answered: func(answer assistant.Answer) {
			if answer.Status == http.StatusOK {
				token = answer.Tokens().RefreshToken
			}
		},
	}
}

func revokeSource(t *testing.T, w *world) source {
	a := w.register(t)
	token := w.connect(t, a, "member", readScope).RefreshToken
	return source{good: func() shot {
		return formShot(w.issuer+"/revoke", form("token", token, "client_id", a.ClientID, "token_type_hint", "refresh_token"))
	}}
}

func introspectSource(t *testing.T, w *world) source {
	token := w.connect(t, w.register(t), "member", readScope).AccessToken
	return source{good: func() shot {
		return formShot(w.issuer+"/introspect", form("token", token, "client_id", "reports", "client_secret", reportsSecret, "token_type_hint", "access_token"))
	}}
}

func registerSource(_ *testing.T, w *world) source {
	return source{good: func() shot {
		return shot{method: http.MethodPost, address: w.issuer + "/register", header: http.Header{"Content-Type": {jsonType}},
			body: `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native","scope":"appstore:read","client_uri":"https://example.com","software_id":"x","software_version":"1"}`}
	}}
}

// manageSource replaces a client's metadata (RFC 7592 §2.2); one that was ended
// on the way is followed by the next.
func manageSource(t *testing.T, w *world) source {
	m := w.manageable(t)
	return source{
		good: func() shot {
			return shot{method: http.MethodPut, address: m.URI, header: http.Header{"Content-Type": {jsonType}, "Authorization": {"Bearer " + m.Token}},
				body: `{"client_id":"` + m.Assistant.ClientID + `",` + managedMetadata + `}`}
		},
		answered: func(a assistant.Answer) {
			if a.Status == http.StatusNoContent {
				m = w.manageable(t)
			}
		},
	}
}

func mcpSource(t *testing.T, w *world) source {
	token := w.connect(t, w.register(t), "member", bothScopes).AccessToken
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	messages := []struct{ method, name, body string }{
		{"tools/list", "", `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{` + meta + `}}`},
		{"tools/call", "search_apps", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_apps","arguments":{"query":"a","page":1},` + meta + `}}`},
		{"", "", `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"list_access_requests","arguments":{"state":"open"}}}`},
		{"", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`},
		{"", "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
		{"", "", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"submit_access_request","arguments":{"app_id":"x","justification":"y","permission_ids":["z"]}}}`},
	}
	n := 0
	return source{good: func() shot {
		m := messages[n%len(messages)]
		n++
		h := http.Header{"Content-Type": {jsonType}, "Authorization": {"Bearer " + token}}
		if m.method != "" {
			h.Set("Mcp-Protocol-Version", "2026-07-28")
			h.Set("Mcp-Method", m.method)
		}
		if m.name != "" {
			h.Set("Mcp-Name", m.name)
		}
		return shot{method: http.MethodPost, address: w.resource, header: h, body: m.body}
	}}
}

func metadataSource(_ *testing.T, w *world) source {
	n := 0
	addresses := []string{w.issuer + "/.well-known/oauth-authorization-server", w.issuer + "/jwks.json", strings.Replace(w.resource, stack.ResourcePath, "/.well-known/oauth-protected-resource"+stack.ResourcePath, 1)}
	return source{good: func() shot {
		n++
		return shot{method: http.MethodGet, address: addresses[n%len(addresses)], header: http.Header{"If-None-Match": {`"x"`}, "Accept": {jsonType}}}
	}}
}

// String shows what was sent, cut where it is long.
func (s shot) String() string {
	return fmt.Sprintf("%.2000s", fmt.Sprintf("%s %s %v %v %q", s.method, s.address, s.header, s.params, s.body))
}
